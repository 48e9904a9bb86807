//! One list out of several ranges of an index, newest first, read in chunks.

use crate::failure::Failure;
use crate::view::View;

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
}
