//! How a stream knows what is new: slices to read, and the state that remembers them.
//!
//! A [`Cursor`] is a state machine without clock and I/O. Slices may be read at the same time and closed in any order;
//! the state never passes a record of a slice that was not closed. The order of calls:
//!
//! ```text
//! let mut cursor = Cursor::begin(sync, router, state, scope, catalog_field)?;
//! for each partition that the router gives (a stream without router has one, `Slice::whole()`):
//!     cursor.enter(partition, parents_state, now)       // a duplicate is skipped: nothing to open
//!     while let Some(mut open) = cursor.open()? {       // until `None`, before the next partition comes
//!         // here or in a task of its own, without the cursor:
//!         for record in the pages of open.slice() {
//!             if open.wants(&record, now) { open.observe(&record); pass it on }    // `wants` only where the cursor filters
//!         }
//!         // read to its end? then, and only then:
//!         if cursor.close(open, now)? == Checkpoint::Due { write cursor.state() down, with its records }
//!     }
//! cursor.finish(Ending::Whole, parents_state, now);     // `Broken` if a partition or slice failed or was left out
//! write cursor.state() down; tell cursor.take_notices()
//! ```
//!
//! `parents_state` is what [`PartitionRouter::parent_state`](super::partition::PartitionRouter::parent_state) says when
//! the partition came: after its record was observed by the parent's own cursor, or any earlier moment.

mod additions;
mod bound;
mod clamp;
mod common;
mod count;
mod coverage;
mod error;
mod formats;
mod notice;
mod open;
mod parents;
mod partitions;
mod point;
mod progress;
mod quick;
mod rules;
mod split;
mod sync;
#[cfg(test)]
mod tests;
mod windows;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value as Json};

use super::partition::PartitionRouter;
use super::scope::Scope;
use super::slice::Slice;
use super::state::StreamState;
use count::Counting;
use notice::Notices;
use open::Watch;
use partitions::Partitions;
use progress::Progress;
use windows::Windows;

pub use additions::add_slice;
#[cfg(test)]
pub(crate) use additions::places;
pub use clamp::Clamp;
pub use count::Count;
pub use error::CursorError;
pub use formats::{Formats, Unreadable};
pub use notice::Notice;
pub use open::OpenSlice;
pub use partitions::{PARTITIONS_KEPT_MAX, PARTITIONS_WITH_STATE_MAX, STATE_INTERVAL};
pub use point::{Point, is_nothing};
pub use rules::Rules;
pub use sync::{CountCursor, DatetimeCursor, IncrementalSync};

/// The state of a stream that has no cursor, once it was read: there is nothing to resume from.
pub const NO_CURSOR: &str = "__ab_no_cursor_state_message";

/// What became of a partition that the router gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    /// Its slices come from [`Cursor::open`].
    New,
    /// It came before in this run.
    Duplicate,
}

/// Whether the state has moved enough to be written down now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Checkpoint {
    Due,
    Later,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Every partition was entered, every slice was read and closed.
    Whole,
    /// Something failed, or the reader stopped early.
    Broken,
}

/// One stream's cursor during one run.
#[derive(Debug)]
pub struct Cursor {
    kind: Kind,
    notices: Notices,
}

#[derive(Debug)]
enum Kind {
    /// No cursor: each partition is one slice.
    Snapshot {
        opening: Option<Slice>,
    },
    Dates {
        rules: Arc<Rules>,
        progress: Progress,
        opening: Option<(Slice, Windows)>,
    },
    Counts {
        counting: Counting,
        opening: Option<Slice>,
    },
    Partitions(Box<Partitions>),
}

impl Cursor {
    /// The cursor of a stream: `sync` and `router` as its manifest has them, `state` where it resumes, and what the
    /// catalog names as its cursor field, if anything. `scope` knows the config, and now.
    pub fn begin(
        sync: Option<&IncrementalSync>,
        router: Option<&PartitionRouter>,
        state: &StreamState,
        scope: &Scope<'_>,
        catalog_field: &[String],
    ) -> Result<Self, CursorError> {
        Self::begin_overlapping(sync, router, state, scope, catalog_field, None)
    }

    /// The same, reading at least `overlap` again of what was read before, whatever the manifest's lookback is: what
    /// sources show late, or under the time of something shown already, is not lost then. Nor is what comes after a record
    /// whose time is yet to come: that moves the cursor to now at most.
    pub fn begin_overlapping(
        sync: Option<&IncrementalSync>,
        router: Option<&PartitionRouter>,
        state: &StreamState,
        scope: &Scope<'_>,
        catalog_field: &[String],
        overlap: Option<Duration>,
    ) -> Result<Self, CursorError> {
        let state = state.fields();
        let kind = match (sync, router) {
            (None, _) => Kind::Snapshot { opening: None },
            (Some(IncrementalSync::Counts(_)), Some(_)) => return Err(CursorError::CountsOfPartitions),
            (Some(IncrementalSync::Counts(counts)), None) => {
                let (field, start) = counts.start(scope, catalog_field)?;
                Kind::Counts { counting: Counting::resume(field, start, state)?, opening: None }
            }
            (Some(IncrementalSync::Dates(dates)), None) => {
                let rules = dates.rules_overlapping(scope, catalog_field, overlap)?;
                Kind::Dates { progress: Progress::resume(&rules, state)?, rules, opening: None }
            }
            (Some(IncrementalSync::Dates(dates)), Some(router)) => {
                let rules = dates.rules_overlapping(scope, catalog_field, overlap)?;
                let is_shared = dates.shares_cursor || router.is_grouping();
                Kind::Partitions(Box::new(Partitions::resume(&rules, state, is_shared, scope.now())?))
            }
        };
        Ok(Self { kind, notices: Notices::default() })
    }

    /// The next partition of the router. What of the former was not opened yet counts as never read.
    pub fn enter(&mut self, partition: Slice, parents: Option<&Arc<Json>>, now: Timestamp) -> Entered {
        match &mut self.kind {
            Kind::Snapshot { opening } | Kind::Counts { opening, .. } => *opening = Some(partition),
            Kind::Dates { rules, progress, opening } => *opening = Some((partition, progress.windows(rules, now))),
            Kind::Partitions(partitions) => return partitions.enter(partition, parents, now, &mut self.notices),
        }
        Entered::New
    }

    /// The next slice of the partition that was entered last; `None` after its last one.
    pub fn open(&mut self) -> Result<Option<OpenSlice>, CursorError> {
        Ok(match &mut self.kind {
            Kind::Snapshot { opening } => opening.take().map(|slice| OpenSlice::new(slice, Watch::Nothing, 0)),
            Kind::Dates { rules, progress, opening } => {
                let Some((partition, windows)) = opening else { return Ok(None) };
                let Some((start, end)) = windows.next() else { return Ok(None) };
                let slice = partition.window(rules.window(start, end))?;
                Some(OpenSlice::new(slice, Watch::dates(rules, progress.floor(rules)), 0))
            }
            Kind::Counts { counting, opening } => {
                let Some(partition) = opening.take() else { return Ok(None) };
                let slice = partition.window(counting.window())?;
                Some(OpenSlice::new(slice, Watch::counts(&counting.field, counting.resumed()), 0))
            }
            Kind::Partitions(partitions) => partitions.open()?,
        })
    }

    /// A slice was read to its end, and its records are safe or will be together with the state.
    pub fn close(&mut self, mut slice: OpenSlice, now: Timestamp) -> Result<Checkpoint, CursorError> {
        slice.tell(&mut self.notices);
        match &mut self.kind {
            Kind::Snapshot { .. } => Ok(Checkpoint::Later),
            Kind::Dates { rules, progress, .. } => {
                progress.close(rules, slice.slice().cursor(), slice.highest_date())?;
                Ok(Checkpoint::Due)
            }
            Kind::Counts { counting, .. } => {
                counting.close(slice.highest_count());
                Ok(Checkpoint::Due)
            }
            Kind::Partitions(partitions) => partitions.close(&slice, now),
        }
    }

    /// The end of the run. Only a whole one lets the common cursor of all partitions and the parents' state move on.
    pub fn finish(&mut self, ending: Ending, parents: Option<Arc<Json>>, now: Timestamp) {
        if let Kind::Partitions(partitions) = &mut self.kind {
            partitions.finish(ending, parents, now);
        }
    }

    /// The state as the format has it: what the next run resumes from.
    #[must_use]
    pub fn state(&self) -> Map<String, Json> {
        match &self.kind {
            Kind::Snapshot { .. } => Map::from_iter([(NO_CURSOR.to_owned(), Json::Bool(true))]),
            Kind::Dates { rules, progress, .. } => progress.state(rules),
            Kind::Counts { counting, .. } => counting.state(),
            Kind::Partitions(partitions) => partitions.state(),
        }
    }

    /// Whether all partitions share one cursor: asked for, or because they are too many.
    #[must_use]
    pub fn shares_cursor(&self) -> bool {
        matches!(&self.kind, Kind::Partitions(partitions) if partitions.shares_cursor())
    }

    /// What happened that a person should know, since it was last asked. Each kind is told once per run.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        self.notices.take()
    }
}
