//! One cursor per partition, and one over all of them: for new partitions, and for streams with too many to tell apart.
//!
//! A slice that was opened and never closed keeps its partition open for good: the common cursor then stays where it
//! was, and no parent's state passes that partition.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rustc_hash::FxHashMap;
use serde_json::{Map, Value as Json};

use crate::manifest::partition::Key;
use crate::manifest::slice::Slice;

use super::common::Common;
use super::error::CursorError;
use super::notice::{Notice, Notices};
use super::open::{OpenSlice, Watch};
use super::parents::ParentProgress;
use super::point::Point;
use super::progress::Progress;
use super::rules::Rules;
use super::windows::Windows;
use super::{Checkpoint, Ending, Entered};

/// More partitions than this share one cursor, for good: their states would be too large to write often.
pub const PARTITIONS_WITH_STATE_MAX: usize = 10_000;
/// How many partitions are remembered at most, so that memory stays bounded however many a source has.
pub const PARTITIONS_KEPT_MAX: usize = 25_000;
/// The state of all partitions is due at most this often while a stream is read, for it is long.
pub const STATE_INTERVAL: SignedDuration = SignedDuration::from_secs(600);

/// A partition that is remembered.
#[derive(Debug)]
struct Known {
    key: Key,
    progress: Progress,
    /// It came in this run.
    has_come: bool,
}

/// A partition whose slices are not all closed yet.
#[derive(Debug)]
struct InWork {
    turn: u64,
    opened: u32,
    unclosed: u32,
}

/// The partition whose slices are being opened.
#[derive(Debug)]
struct Opening {
    id: u64,
    partition: Slice,
    windows: std::iter::Peekable<Windows>,
    floor: Point,
}

#[derive(Debug)]
pub(crate) struct Partitions {
    rules: Arc<Rules>,
    /// Oldest first.
    known: BTreeMap<u64, Known>,
    ids: FxHashMap<Key, u64>,
    next_id: u64,
    in_work: FxHashMap<u64, InWork>,
    turns: u64,
    opening: Option<Opening>,
    common: Common,
    parents: ParentProgress,
    /// When the state was last due.
    stated: Option<Timestamp>,
}

impl Partitions {
    /// From `{"use_global_cursor", "states", "state", "lookback_window", "parent_state"}`, or from one cursor for all.
    pub fn resume(
        rules: &Arc<Rules>,
        state: &Map<String, Json>,
        shares_cursor: bool,
        now: Timestamp,
    ) -> Result<Self, CursorError> {
        let is_told_apart = ["states", "state", "use_global_cursor"].iter().any(|field| state.contains_key(*field));
        let common = if is_told_apart {
            let is_alone = state.get("use_global_cursor").and_then(Json::as_bool).unwrap_or(false);
            let cursor = state.get("state").and_then(Json::as_object);
            Common::resume(rules, cursor, lookback_seconds(state), is_alone, now)?
        } else {
            Common::resume(rules, Some(state), 0, shares_cursor, now)?
        };
        let mut partitions = Self {
            rules: Arc::clone(rules),
            known: BTreeMap::new(),
            ids: FxHashMap::default(),
            next_id: 0,
            in_work: FxHashMap::default(),
            turns: 0,
            opening: None,
            common,
            parents: ParentProgress::resume(state.get("parent_state")),
            stated: None,
        };
        partitions.resume_each(state)?;
        Ok(partitions)
    }

    fn resume_each(&mut self, state: &Map<String, Json>) -> Result<(), CursorError> {
        for entry in state.get("states").and_then(Json::as_array).into_iter().flatten() {
            let shape = CursorError::Shape { expects: "each of its states has a partition and a cursor" };
            let part = |field: &str| entry.get(field).and_then(Json::as_object);
            let (Some(partition), Some(cursor)) = (part("partition"), part("cursor")) else { return Err(shape) };
            let progress = Progress::resume(&self.rules, cursor)?;
            self.remember(Key::of(partition), progress);
        }
        Ok(())
    }

    pub fn shares_cursor(&self) -> bool {
        self.common.is_alone
    }

    /// The next partition of the router. Its slices come from [`Self::open`].
    pub fn enter(
        &mut self,
        partition: Slice,
        parents: Option<&Arc<Json>>,
        now: Timestamp,
        notices: &mut Notices,
    ) -> Entered {
        self.abandon_opening();
        self.keep_within_limits(notices);
        let key = Key::of(partition.partition());
        let id = match self.ids.get(&key) {
            Some(id) => *id,
            None => self.remember(key, self.common.fresh().clone()),
        };
        let Some(known) = self.known.get_mut(&id).filter(|known| !known.has_come) else {
            notices.tell(Notice::DuplicatePartition);
            return Entered::Duplicate;
        };
        known.has_come = true;
        let of = if self.common.is_alone { self.common.fresh() } else { &known.progress };
        let floor = of.floor(&self.rules);
        let windows = known.progress.windows(&self.rules, now).peekable();
        self.parents.enter(self.turns, parents);
        self.in_work.insert(id, InWork { turn: self.turns, opened: 0, unclosed: 0 });
        self.turns += 1;
        self.opening = Some(Opening { id, partition, windows, floor });
        Entered::New
    }

    pub fn open(&mut self) -> Result<Option<OpenSlice>, CursorError> {
        let Some(opening) = &mut self.opening else { return Ok(None) };
        let Some((start, end)) = opening.windows.next() else {
            let id = opening.id;
            self.opening = None;
            self.done_if_closed(id);
            return Ok(None);
        };
        let slice = opening.partition.window(self.rules.window(start, end))?;
        if let Some(work) = self.in_work.get_mut(&opening.id) {
            work.opened += 1;
            work.unclosed += 1;
        }
        let watch = Watch::dates(&self.rules, opening.floor);
        Ok(Some(OpenSlice::new(slice, watch, opening.id)))
    }

    pub fn close(&mut self, slice: &OpenSlice, now: Timestamp) -> Result<Checkpoint, CursorError> {
        let id = slice.partition;
        let highest = slice.highest_date();
        if let Some(known) = self.known.get_mut(&id).filter(|_| !self.common.is_alone) {
            known.progress.close(&self.rules, slice.slice().cursor(), highest)?;
        }
        if let Some(highest) = highest {
            self.common.observe(highest);
        }
        if let Some(work) = self.in_work.get_mut(&id) {
            work.unclosed = work.unclosed.saturating_sub(1);
        }
        self.done_if_closed(id);
        Ok(self.checkpoint(now))
    }

    pub fn finish(&mut self, ending: Ending, parents: Option<Arc<Json>>, now: Timestamp) {
        self.abandon_opening();
        if ending == Ending::Whole && self.in_work.is_empty() {
            self.common.settle(&self.rules, now);
            self.parents.settle(parents);
        }
    }

    pub fn state(&self) -> Map<String, Json> {
        let mut state = Map::new();
        state.insert("use_global_cursor".to_owned(), self.common.is_alone.into());
        if !self.common.is_alone {
            let states = self.known.values().map(|known| {
                let mut entry = Map::new();
                entry.insert("partition".to_owned(), known.key.partition());
                entry.insert("cursor".to_owned(), Json::Object(known.progress.state(&self.rules)));
                Json::Object(entry)
            });
            state.insert("states".to_owned(), states.collect());
        }
        self.common.write(&self.rules, &mut state);
        if let Some(parents) = self.parents.told() {
            state.insert("parent_state".to_owned(), parents.clone());
        }
        state
    }

    /// Slices that were never opened were never read: their partition stays in work.
    fn abandon_opening(&mut self) {
        if let Some(work) = self.opening.take().and_then(|opening| self.in_work.get_mut(&opening.id)) {
            work.unclosed += 1;
        }
    }

    fn remember(&mut self, key: Key, progress: Progress) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        if let Some(former) = self.ids.insert(key.clone(), id) {
            self.known.remove(&former);
        }
        self.known.insert(id, Known { key, progress, has_come: false });
        id
    }

    /// Ends a partition whose slices have all been opened and closed.
    fn done_if_closed(&mut self, id: u64) {
        let is_opening = self.opening.as_ref().is_some_and(|opening| opening.id == id);
        let Some(work) = self.in_work.get(&id).filter(|work| work.unclosed == 0 && !is_opening) else { return };
        let (turn, was_read) = (work.turn, work.opened > 0);
        self.in_work.remove(&id);
        self.parents.close(turn);
        if let Some(known) = self.known.get(&id).filter(|_| was_read && !self.common.is_alone) {
            self.common.raise(known.progress.reached());
        }
    }

    fn checkpoint(&mut self, now: Timestamp) -> Checkpoint {
        if self.stated.is_some_and(|stated| now.duration_since(stated) <= STATE_INTERVAL) {
            return Checkpoint::Later;
        }
        self.stated = Some(now);
        // The common cursor settles only at the end: until then there is nothing new to tell but the parents' state.
        if self.common.is_alone && self.parents.is_empty() { Checkpoint::Later } else { Checkpoint::Due }
    }

    fn keep_within_limits(&mut self, notices: &mut Notices) {
        let seen = usize::try_from(self.next_id).unwrap_or(usize::MAX);
        if !self.common.is_alone && seen > PARTITIONS_WITH_STATE_MAX {
            self.common.is_alone = true;
            notices.tell(Notice::OneCursorForAll { partitions_max: PARTITIONS_WITH_STATE_MAX });
        }
        while self.known.len() >= PARTITIONS_KEPT_MAX {
            let oldest = self.known.keys().find(|id| !self.in_work.contains_key(*id)).or(self.known.keys().next());
            let Some(forgotten) = oldest.copied().and_then(|id| self.known.remove(&id)) else { return };
            self.ids.remove(&forgotten.key);
            notices.tell(Notice::PartitionForgotten { partitions_max: PARTITIONS_KEPT_MAX });
        }
    }
}

fn lookback_seconds(state: &Map<String, Json>) -> i64 {
    let value = state.get("lookback_window");
    let whole = value.and_then(Json::as_i64).or_else(|| value.and_then(Json::as_f64).map(|real| real as i64));
    whole.or_else(|| value.and_then(Json::as_str).and_then(|text| text.trim().parse().ok())).unwrap_or(0).max(0)
}
