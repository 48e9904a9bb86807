//! A stream page by page, each with the position behind it where there is one: what must be written down together.

use std::sync::Arc;

use connectors::manifest::slice::Slice;
use domain::Purpose;
use futures_util::future::BoxFuture;
use serde_json::Value as Json;
use tokio::sync::Mutex;

use super::Upstream;
use crate::reading::{Closed, Listener, Place, ReadFailure, Standing, Told, Wanted};

/// Records in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// Empty if only the position moves.
    pub records: Vec<Json>,
    /// Where the stream goes on once these records, and all before them, are kept. `None` in the middle of a slice.
    pub state: Option<Json>,
    /// Where the slice goes on behind these records, if that is asked for and known.
    pub place: Option<Place>,
    /// Whose the records are.
    pub slice: Option<Arc<Slice>>,
}

/// Takes pages. The next ones are read when it returns.
pub trait Taker: Send + Sync {
    fn take(&self, page: Page) -> BoxFuture<'_, Result<(), Closed>>;
}

/// How the reading of a stream ended. What was taken before is whole pages in any case.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
    Whole,
    /// To its end, but for what was not answered and the manifest lets pass: the first of that.
    Lacking(String),
    /// The taker wanted no more.
    Closed,
    /// The first thing that could not be read; slices beside it may have been read whole.
    Failed(ReadFailure),
}

impl Upstream {
    /// Reads a stream from the state that it is given.
    pub async fn pages(&self, purpose: Purpose, wanted: Wanted, taker: &dyn Taker) -> Ended {
        let stream: Arc<str> = wanted.name.as_str().into();
        let (failure, lacking) = (std::sync::Mutex::default(), std::sync::Mutex::default());
        let pairing = Pairing { taker, held: Mutex::default(), failure, lacking };
        let read = self.read(purpose, vec![wanted], &pairing).await;
        let rest = pairing.held.lock().await.take();
        let left = match rest {
            Some(held) if read.is_ok() => taker.take(held).await,
            _ => Ok(()),
        };
        let failure = pairing.failure.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        let lacking = pairing.lacking.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        match (read.and_then(|is_whole| left.map(|()| is_whole)), failure) {
            (Err(Closed), _) => Ended::Closed,
            (Ok(_), Some(failure)) => Ended::Failed(failure),
            (Ok(true), None) => lacking.map_or(Ended::Whole, Ended::Lacking),
            (Ok(false), None) => Ended::Failed(unread(&stream)),
        }
    }
}

fn unread(stream: &str) -> ReadFailure {
    ReadFailure::config("stream_unread", format!("the stream '{stream}' could not be read"))
}

/// Holds records back until it is known whether a position follows them.
struct Pairing<'t> {
    taker: &'t dyn Taker,
    held: Mutex<Option<Page>>,
    failure: std::sync::Mutex<Option<ReadFailure>>,
    lacking: std::sync::Mutex<Option<String>>,
}

impl Pairing<'_> {
    async fn hear(&self, told: Told) -> Result<(), Closed> {
        match told {
            Told::Records { records, place, slice, .. } => {
                let mut held = self.held.lock().await;
                match held.replace(Page { records, state: None, place: place.map(|place| *place), slice: Some(slice) })
                {
                    Some(page) => self.taker.take(page).await,
                    None => Ok(()),
                }
            }
            Told::State { state, .. } => {
                let mut held = self.held.lock().await;
                let page = held.take().unwrap_or_default();
                self.taker.take(Page { state: Some(state), place: None, ..page }).await
            }
            Told::Failed { failure, .. } => self.failed(failure),
            Told::Standing { standing: Standing::Incomplete, stream } => self.failed(unread(&stream)),
            Told::PassedOver { message } => {
                // Of several that are read at once always the same one: the run is listed only if it says another.
                let mut lacking = self.lacking.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                if lacking.as_ref().is_none_or(|known| message < *known) {
                    *lacking = Some(message);
                }
                Ok(())
            }
            Told::Standing { .. } | Told::Note { .. } => Ok(()),
        }
    }

    /// The first is what went wrong; what follows says it again.
    fn failed(&self, failure: ReadFailure) -> Result<(), Closed> {
        self.failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get_or_insert(failure);
        Ok(())
    }
}

impl Listener for Pairing<'_> {
    fn tell(&self, told: Told) -> BoxFuture<'_, Result<(), Closed>> {
        Box::pin(self.hear(told))
    }
}
