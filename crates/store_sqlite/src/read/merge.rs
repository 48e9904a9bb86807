//! One list out of several ranges of an index, newest first, read in chunks.

use domain::Timestamp;
use rusqlite::Params;
use store::read::{Listed, PAGE_MAX, Page, Position};

use crate::failure::Failure;
use crate::query::Query;
use crate::view::View;
use store::patience::Patience;

/// Entries of the first chunk of a range; each later one is twice as long, up to the most.
const CHUNK_MIN: usize = 16;
const CHUNK_MAX: usize = 512;
/// Most ranges that are read side by side. Where there are more, a plain scan finds rows soon enough.
pub(crate) const RANGES_MAX: usize = 64;

/// Part of an index within which entries are in order: everything that has `of` as its leading column.
struct Range<K> {
    of: i64,
    /// Newest last.
    buffer: Vec<K>,
    before: K,
    chunk: usize,
    ended: bool,
}

/// The ranges that an index has, found by leaping from each to the next one, but not more than `most`.
pub(crate) fn ranges<P: Params>(
    view: &mut View<'_, '_>,
    next: Query,
    most: usize,
    params: impl Fn(i64) -> P,
) -> Result<Vec<i64>, Failure> {
    let mut found = Vec::new();
    while found.len() < most {
        let last = found.last().copied().unwrap_or(i64::MIN);
        let Some(range) = view.row(next, params(last), |row| Ok(row.get::<_, i64>(0)?))? else { break };
        found.push(range);
    }
    Ok(found)
}

/// An index, or part of one, that a list walks through.
pub(crate) trait Walk {
    /// Where an entry stands in the list: newer ones are greater.
    type Key: Ord + Copy;

    /// Up to `limit` entries of the range `of` from below `before`, newest first.
    fn chunk(
        &self,
        view: &mut View<'_, '_>,
        of: i64,
        before: Self::Key,
        limit: usize,
    ) -> Result<Vec<Self::Key>, Failure>;
}

pub(crate) struct Merge<W: Walk> {
    walk: W,
    ranges: Vec<Range<W::Key>>,
}

impl<W: Walk> Merge<W> {
    pub(crate) fn new(walk: W, ranges: impl IntoIterator<Item = i64>, before: W::Key) -> Self {
        let range = |of| Range { of, buffer: Vec::new(), before, chunk: CHUNK_MIN, ended: false };
        Self { walk, ranges: ranges.into_iter().map(range).collect() }
    }

    /// The next entry of all ranges.
    pub(crate) fn next(&mut self, view: &mut View<'_, '_>) -> Result<Option<W::Key>, Failure> {
        for range in &mut self.ranges {
            if range.buffer.is_empty() && !range.ended {
                range.buffer = self.walk.chunk(view, range.of, range.before, range.chunk)?;
                range.ended = range.buffer.len() < range.chunk;
                range.chunk = (range.chunk * 2).min(CHUNK_MAX);
                range.before = range.buffer.last().copied().unwrap_or(range.before);
                range.buffer.reverse();
            }
        }
        let newest = self.ranges.iter_mut().max_by_key(|range| range.buffer.last().copied());
        Ok(newest.and_then(|range| range.buffer.pop()))
    }

    /// One page of what is wanted: until it is full, the walk is over, or its time is up. `look` gives of an entry its
    /// time and what to show, if it is wanted; nothing of one that is gone meanwhile.
    pub(crate) fn page<R>(
        mut self,
        view: &mut View<'_, '_>,
        page: &Page,
        position: fn(W::Key) -> Position,
        mut look: impl FnMut(&mut View<'_, '_>, W::Key) -> Result<Option<(Timestamp, Option<R>)>, Failure>,
    ) -> Result<Listed<R>, Failure> {
        let mut listed = Listed { rows: Vec::new(), next: None, searched_until: None };
        let mut patience = Patience::new(page.scan, view.shared.options.inline);
        let mut last = None;
        while let Some(key) = self.next(view)? {
            if listed.rows.len() >= page.limit.clamp(1, PAGE_MAX) as usize {
                listed.next = last.map(position);
                return Ok(listed);
            }
            last = Some(key);
            let Some((at, row)) = look(view, key)? else { continue };
            listed.rows.extend(row);
            if patience.exhausted() {
                listed.next = Some(position(key));
                listed.searched_until = Some(at);
                return Ok(listed);
            }
        }
        Ok(listed)
    }
}
