//! What people and their programs ask for at once: whether a connection works, its streams, its records as they are now.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::Purpose;
use futures_util::future::BoxFuture;
use serde_json::Value as Json;

use super::{Account, Unopened, failed};
use crate::clock::timeout;
use crate::engine::{Engine, EngineError};
use crate::reading::{Closed, Listener, Offer, ReadFailure, Standing, Told, Wanted};

/// Most records of one live read: it is held in memory whole.
pub const RECORDS_MAX: usize = 1_000;
/// How long somebody is kept waiting for an answer. Sources may ask for waits of an hour; then there is none now.
const PATIENCE: Duration = Duration::from_secs(45);

/// Whether a connection's credentials work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    pub works: bool,
    /// Why not.
    pub why: Option<String>,
}

/// What a live read gave.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveRead {
    pub records: Vec<Json>,
    /// The stream has more, or was not read to its end.
    pub more: bool,
}

impl Engine {
    /// Tries the connection as its connector says.
    pub async fn check_connection(&self, account: &Account) -> Result<Checked, EngineError> {
        let upstream = match self.upstream(account).await {
            Ok(upstream) => upstream,
            Err(Unopened::Failed(failure)) => return Ok(Checked::not(failure.message)),
            Err(Unopened::Engine(error)) => return Err(error),
        };
        Ok(match timeout(&*self.inner.clock, PATIENCE, upstream.check()).await {
            Ok(Ok(Ok(()))) => Checked { works: true, why: None },
            Ok(Ok(Err(why))) => Checked::not(why),
            Ok(Err(failure)) => Checked::not(failure.message),
            Err(_) => Checked::not(too_slow()),
        })
    }

    /// The streams of a connection. Those that its source makes up are asked for.
    pub async fn connection_streams(&self, account: &Account) -> Result<Vec<Offer>, EngineError> {
        let upstream = self.upstream(account).await?;
        let offers = timeout(&*self.inner.clock, PATIENCE, upstream.streams()).await;
        offers.unwrap_or_else(|_| Err(slow())).map_err(failed)
    }

    /// The first records of a stream as they are now.
    pub async fn read_records(&self, account: &Account, stream: &str, limit: usize) -> Result<LiveRead, EngineError> {
        let upstream = self.upstream(account).await?;
        if !upstream.may_have(stream) {
            return Err(no_stream(account, stream));
        }
        let collector = Collector::new(limit.clamp(1, RECORDS_MAX));
        let wanted = Wanted { name: stream.to_owned(), ..Wanted::default() };
        let read = upstream.read(Purpose::Read, vec![wanted], &collector);
        let whole = timeout(&*self.inner.clock, PATIENCE, read).await;
        let Gathered { records, failure, is_known } = collector.into_gathered();
        let failure = failure.or_else(|| whole.is_err().then(slow));
        match failure {
            Some(failure) if records.is_empty() => Err(failed(failure)),
            None if !is_known => Err(no_stream(account, stream)),
            failure => Ok(LiveRead { records, more: failure.is_some() || whole != Ok(Ok(true)) }),
        }
    }
}

impl Checked {
    fn not(why: String) -> Self {
        Self { works: false, why: Some(why) }
    }
}

fn no_stream(account: &Account, stream: &str) -> EngineError {
    EngineError::NotFound(format!("source '{}' has no stream '{stream}'", account.source))
}

fn slow() -> ReadFailure {
    ReadFailure::transient("source_slow", too_slow())
}

fn too_slow() -> String {
    format!("the source gave no answer within {} s, or asked us to wait for longer", PATIENCE.as_secs())
}

/// Takes the first records and then no more.
struct Collector {
    limit: usize,
    gathered: Mutex<Gathered>,
}

#[derive(Default)]
struct Gathered {
    records: Vec<Json>,
    failure: Option<ReadFailure>,
    /// The stream was begun, so there is one.
    is_known: bool,
}

impl Collector {
    fn new(limit: usize) -> Self {
        Self { limit, gathered: Mutex::default() }
    }

    fn into_gathered(self) -> Gathered {
        self.gathered.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, told: Told) -> Result<(), Closed> {
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        match told {
            Told::Records { records, .. } => {
                let room = self.limit.saturating_sub(gathered.records.len());
                let over = records.len() > room;
                gathered.records.extend(records.into_iter().take(room));
                if over || gathered.records.len() == self.limit { Err(Closed) } else { Ok(()) }
            }
            Told::Failed { failure, .. } => {
                gathered.failure.get_or_insert(failure);
                Ok(())
            }
            Told::Standing { standing: Standing::Started, .. } => {
                gathered.is_known = true;
                Ok(())
            }
            Told::Standing { .. } | Told::State { .. } | Told::PassedOver { .. } | Told::Note { .. } => Ok(()),
        }
    }
}

impl Listener for Collector {
    fn tell(&self, told: Told) -> BoxFuture<'_, Result<(), Closed>> {
        let taken = self.take(told);
        Box::pin(async move { taken })
    }
}
