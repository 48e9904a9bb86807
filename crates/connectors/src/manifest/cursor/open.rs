//! A slice that is being read: it watches the records go by, without a lock and without touching the cursor.
//!
//! Handed back to [`Cursor::close`](super::Cursor::close) once the slice was read to its end. Dropped instead, the slice
//! counts as never read.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value as Json};

use crate::manifest::slice::Slice;

use super::count::Count;
use super::notice::{Notice, Notices};
use super::point::Point;
use super::rules::Rules;

#[derive(Debug)]
pub struct OpenSlice {
    slice: Arc<Slice>,
    watch: Watch,
    /// Which of the cursor's partitions it belongs to.
    pub(super) partition: u64,
}

/// What is remembered of the records of a slice.
#[derive(Debug)]
pub(super) enum Watch {
    /// The stream has no cursor.
    Nothing,
    Dates {
        rules: Arc<Rules>,
        floor: Point,
        highest: Option<Point>,
        trouble: Option<Notice>,
    },
    Counts {
        field: Arc<str>,
        floor: Count,
        highest: Option<Count>,
        trouble: Option<Notice>,
    },
}

impl Watch {
    pub fn dates(rules: &Arc<Rules>, floor: Point) -> Self {
        Self::Dates { rules: Arc::clone(rules), floor, highest: None, trouble: None }
    }

    pub fn counts(field: &Arc<str>, floor: Count) -> Self {
        Self::Counts { field: Arc::clone(field), floor, highest: None, trouble: None }
    }
}

impl OpenSlice {
    pub(super) fn new(slice: Slice, watch: Watch, partition: u64) -> Self {
        Self { slice: Arc::new(slice), watch, partition }
    }

    #[must_use]
    pub fn slice(&self) -> &Arc<Slice> {
        &self.slice
    }

    /// The same slice as it was begun before, if it is that: its partition, from the same beginning. It ends where it
    /// ended then, because what came after it is no part of what its pages list.
    #[must_use]
    pub fn as_begun(&self, partition: &Map<String, Json>, window: &Map<String, Json>) -> Option<Arc<Slice>> {
        let own = &self.slice;
        let is_it = own.partition() == partition
            && own.cursor().keys().eq(window.keys())
            && own.cursor().values().next() == window.values().next();
        if is_it { own.window(window.clone()).ok().map(Arc::new) } else { None }
    }

    /// Reads another slice in its place.
    pub fn set_slice(&mut self, slice: Arc<Slice>) {
        self.slice = slice;
    }

    /// Notes the cursor value of a record that is passed on. A record without one is passed on too.
    pub fn observe(&mut self, record: &Json) {
        match &mut self.watch {
            Watch::Nothing => {}
            Watch::Dates { rules, highest, trouble, .. } => match date_of(rules, record) {
                Ok(value) => raise(highest, rules.held(value)),
                Err(notice) => {
                    trouble.get_or_insert_with(notice);
                }
            },
            Watch::Counts { field, highest, trouble, .. } => match Count::of(record, field) {
                Some(value) => raise(highest, value),
                None => {
                    trouble.get_or_insert_with(|| Notice::CursorMissing { field: Arc::clone(field) });
                }
            },
        }
    }

    /// Whether a record is new: not older than where reading resumed, not beyond its end. For data feeds (stop paging
    /// after a page whose last record is not) and for cursors that filter on our side. A record without a value is.
    #[must_use]
    pub fn wants(&self, record: &Json, now: Timestamp) -> bool {
        match &self.watch {
            Watch::Nothing => true,
            Watch::Dates { rules, floor, .. } => {
                date_of(rules, record).map_or(true, |value| *floor <= value && value <= rules.end(now))
            }
            Watch::Counts { field, floor, .. } => Count::of(record, field).is_none_or(|value| *floor <= value),
        }
    }

    /// Whether a record is older than where reading resumed: no later reading wants it either.
    #[must_use]
    pub fn is_past(&self, record: &Json) -> bool {
        match &self.watch {
            Watch::Nothing => false,
            Watch::Dates { rules, floor, .. } => date_of(rules, record).is_ok_and(|value| value < *floor),
            Watch::Counts { field, floor, .. } => Count::of(record, field).is_some_and(|value| value < *floor),
        }
    }

    /// The highest cursor value seen, as the state would tell it.
    #[must_use]
    pub fn highest(&self) -> Option<Json> {
        match &self.watch {
            Watch::Nothing => None,
            Watch::Dates { rules, highest, .. } => highest.map(|value| rules.write(value)),
            Watch::Counts { highest, .. } => highest.map(Count::json),
        }
    }

    pub(super) fn tell(&mut self, notices: &mut Notices) {
        if let Watch::Dates { trouble, .. } | Watch::Counts { trouble, .. } = &mut self.watch
            && let Some(notice) = trouble.take()
        {
            notices.tell(notice);
        }
    }

    pub(super) fn rules(&self) -> Option<&Rules> {
        match &self.watch {
            Watch::Dates { rules, .. } => Some(rules),
            Watch::Nothing | Watch::Counts { .. } => None,
        }
    }

    pub(super) fn highest_date(&self) -> Option<Point> {
        match &self.watch {
            Watch::Dates { highest, .. } => *highest,
            Watch::Nothing | Watch::Counts { .. } => None,
        }
    }

    pub(super) fn highest_count(&self) -> Option<Count> {
        match &self.watch {
            Watch::Counts { highest, .. } => *highest,
            Watch::Nothing | Watch::Dates { .. } => None,
        }
    }
}

fn raise<T: Ord>(highest: &mut Option<T>, value: T) {
    if highest.as_ref().is_none_or(|known| *known < value) {
        *highest = Some(value);
    }
}

/// The notice is made only if it is told: most streams never need it, and one bad record is often followed by more.
fn date_of<'a>(rules: &'a Rules, record: &'a Json) -> Result<Point, impl FnOnce() -> Notice + 'a> {
    let value = record.get(&*rules.field).filter(|value| !value.is_null());
    let read = value.map(|value| rules.formats.read(value));
    match read {
        Some(Ok(point)) => Ok(point),
        other => Err(move || {
            let field = Arc::clone(&rules.field);
            match other {
                Some(Err(reason)) => Notice::CursorUnreadable { field, reason: reason.to_string() },
                _ => Notice::CursorMissing { field },
            }
        }),
    }
}
