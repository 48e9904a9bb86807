//! The records of a parent stream, in their order, for the stream whose partitions they make. The parent's own cursor goes
//! along: a slice of it is closed before its last record is handed on, so that the state that comes with a record tells
//! everything up to it.

use std::collections::VecDeque;
use std::sync::Arc;

use connectors::manifest::cursor::{Cursor, Ending, OpenSlice};
use connectors::manifest::partition::Parent;
use connectors::manifest::slice::Slice;
use connectors::manifest::state::StreamState;
use futures_util::future::BoxFuture;
use serde_json::Value as Json;

use super::failure::ReadFailure;
use super::partitions::Partitions;
use super::run::Run;
use super::slice::SliceReading;
use super::stream::ReadStream;

/// A record of a parent, and the slice that it was read from.
type Found = (Json, Arc<Slice>);

pub(super) struct ParentReading<'r> {
    run: &'r Run<'r>,
    stream: &'r ReadStream,
    cursor: Cursor,
    partitions: Box<Partitions<'r>>,
    reading: Option<(SliceReading<'r>, OpenSlice)>,
    records: VecDeque<Json>,
    /// One record behind, because only the next one tells whether it was the last.
    held: Option<Found>,
    is_over: bool,
    has_moved: bool,
}

impl<'r> ParentReading<'r> {
    /// `state` is that of the stream whose parent this is.
    pub fn new(
        run: &'r Run<'r>,
        parent: &Parent,
        stream: &'r ReadStream,
        state: &StreamState,
    ) -> Result<Self, ReadFailure> {
        let state = if parent.incremental_dependency {
            let config = run.client.config();
            let field = stream.cursor_field(&config, run.client.now())?;
            state.of_parent(&parent.stream_name, field.as_deref()).into_json()
        } else {
            Json::Null
        };
        let (cursor, state) = stream.cursor(run, state)?;
        let partitions = Box::new(Partitions::new(run, stream, &state)?);
        let (reading, records, held) = (None, VecDeque::new(), None);
        Ok(Self { run, stream, cursor, partitions, reading, records, held, is_over: false, has_moved: false })
    }

    /// The next record and the slice that it was read from; `None` after the last. Boxed, because a parent may have
    /// parents of its own.
    pub fn next(&mut self) -> BoxFuture<'_, Result<Option<Found>, ReadFailure>> {
        Box::pin(self.find())
    }

    async fn find(&mut self) -> Result<Option<Found>, ReadFailure> {
        loop {
            if let Some(record) = self.record().await? {
                let slice = self.reading.as_ref().map(|(_, open)| Arc::clone(open.slice())).unwrap_or_default();
                if let Some(held) = self.held.replace((record, slice)) {
                    return Ok(Some(held));
                }
                continue;
            }
            self.close_slice()?;
            let goes_on = self.open_slice().await?;
            if let Some(held) = self.held.take() {
                return Ok(Some(held));
            }
            if !goes_on {
                return Ok(None);
            }
        }
    }

    /// Whether the parent's state has moved since this was last asked.
    pub fn has_moved(&mut self) -> bool {
        std::mem::take(&mut self.has_moved)
    }

    pub fn state(&self) -> Json {
        Json::Object(self.cursor.state())
    }

    async fn record(&mut self) -> Result<Option<Json>, ReadFailure> {
        loop {
            if let Some(record) = self.records.pop_front() {
                return Ok(Some(record));
            }
            let Some((reading, open)) = &mut self.reading else { return Ok(None) };
            match reading.next(open).await? {
                Some(records) => self.records = records.into(),
                None => return Ok(None),
            }
        }
    }

    fn close_slice(&mut self) -> Result<(), ReadFailure> {
        if let Some((_, open)) = self.reading.take() {
            let _ = self.cursor.close(open, self.run.client.now())?;
            self.has_moved = true;
        }
        Ok(())
    }

    /// Whether there is one more slice. After the last one the cursor settles.
    async fn open_slice(&mut self) -> Result<bool, ReadFailure> {
        if self.is_over {
            return Ok(false);
        }
        loop {
            if let Some(open) = self.cursor.open()? {
                let reading = SliceReading::new(self.run, self.stream, &open)?;
                self.reading = Some((reading, open));
                return Ok(true);
            }
            let now = self.run.client.now();
            match self.partitions.next().await? {
                Some(found) => {
                    // A partition that came before gives no slice.
                    let _ = self.cursor.enter(found.partition, found.parents.as_ref(), now);
                }
                None => {
                    self.cursor.finish(Ending::Whole, self.partitions.parent_state(), now);
                    (self.is_over, self.has_moved) = (true, true);
                    return Ok(false);
                }
            }
        }
    }
}
