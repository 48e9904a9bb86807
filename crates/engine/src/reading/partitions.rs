//! The partitions of a stream, one after another: those that are written down, and those that records of parent streams
//! make, read only as far as they are asked for.

use std::sync::Arc;

use connectors::manifest::partition::{Next, Parent, PartitionRouter, Walk};
use connectors::manifest::slice::Slice;
use connectors::manifest::state::StreamState;
use serde_json::Value as Json;

use super::failure::ReadFailure;
use super::parent::ParentReading;
use super::run::Run;
use super::seen::Seen;
use super::stream::ReadStream;

pub(super) struct Partitions<'r> {
    stream: &'r ReadStream,
    walk: Walk,
    parents: Vec<(Arc<Parent>, ParentReading<'r>)>,
    /// What the parents' cursors say now, as this stream's state keeps it.
    told: Option<Arc<Json>>,
}

/// A partition, and the parents' state when it came.
pub(super) struct Found {
    pub partition: Slice,
    pub parents: Option<Arc<Json>>,
}

impl<'r> Partitions<'r> {
    pub fn new(run: &'r Run<'r>, stream: &'r ReadStream, state: &StreamState) -> Result<Self, ReadFailure> {
        let config = run.client.config();
        let walk = {
            let scope = Seen::default().scope(&config, run.client.now());
            PartitionRouter::walk(stream.declared.router(), &scope)?
        };
        let mut parents = Vec::new();
        for (parent, parent_stream) in &stream.parents {
            parents.push((Arc::clone(parent), ParentReading::new(run, parent, parent_stream, state)?));
        }
        let mut partitions = Self { stream, walk, parents, told: None };
        partitions.told = partitions.parent_state();
        Ok(partitions)
    }

    /// The next partition; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Found>, ReadFailure> {
        loop {
            match self.walk.next()? {
                Next::Done => return Ok(None),
                Next::Partition(partition) => return Ok(Some(Found { partition, parents: self.told.clone() })),
                Next::Parent(parent) => self.feed(&parent).await?,
            }
        }
    }

    /// Gives the walk one more record of the parent, or the word that there is none.
    async fn feed(&mut self, parent: &Arc<Parent>) -> Result<(), ReadFailure> {
        let reading = self.parents.iter_mut().find(|(known, _)| Arc::ptr_eq(known, parent));
        let Some((_, reading)) = reading else {
            self.walk.ended();
            return Ok(());
        };
        let record = reading.next().await?;
        if reading.has_moved() {
            self.told = self.parent_state();
        }
        match record {
            Some((record, slice)) => Ok(self.walk.offer(&record, &slice)?),
            None => {
                self.walk.ended();
                Ok(())
            }
        }
    }

    /// What the parents say at this moment.
    pub fn parent_state(&self) -> Option<Arc<Json>> {
        let router = self.stream.declared.router()?;
        let state_of = |parent: &Parent| {
            let known = self.parents.iter().find(|(known, _)| std::ptr::eq(&**known, parent));
            known.map_or(Json::Null, |(_, reading)| reading.state())
        };
        router.parent_state(&state_of).map(Arc::new)
    }
}
