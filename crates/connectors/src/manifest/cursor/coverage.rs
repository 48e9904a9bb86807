//! Which spans of the cursor have been read to their end, and how far the state may therefore say that we are.
//!
//! Pure. The state never passes a span that is still open: it tells the highest record of the first span only.

/// A value that a cursor can have.
pub(crate) trait Position: Copy + Ord {
    /// Whether the format takes it for "no value": a count of 0 is, no time is.
    fn is_nothing(&self) -> bool;
}

/// What was read from `start` to `end`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span<P> {
    pub start: P,
    pub end: P,
    /// The highest value that a record had, if any did.
    pub highest: Option<P>,
}

/// The spans read so far, in order, none touching the next. There is always one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Coverage<P> {
    spans: Vec<Span<P>>,
}

impl<P: Position> Coverage<P> {
    /// Starts with what was read before the cursor's start, or up to where former runs came.
    pub fn from(span: Span<P>) -> Self {
        Self { spans: vec![span] }
    }

    /// Adds a span that has been read to its end. `next` is the smallest step to another value: spans that are no
    /// farther apart have nothing between them.
    pub fn add(&mut self, span: Span<P>, next: impl Fn(P) -> P) {
        let order = |span: &Span<P>| (span.start, span.end);
        let added = self.spans.partition_point(|known| order(known) <= order(&span));
        self.spans.insert(added, span);
        // Only the neighbours of the new one can touch now.
        let mut at = added.saturating_sub(1);
        while at <= added && at + 1 < self.spans.len() {
            if next(self.spans[at].end) >= self.spans[at + 1].start {
                let following = self.spans.remove(at + 1);
                self.spans[at].absorb(&following);
            } else {
                at += 1;
            }
        }
    }

    pub fn first(&self) -> &Span<P> {
        &self.spans[0]
    }

    pub fn spans(&self) -> impl Iterator<Item = &Span<P>> {
        self.spans.iter()
    }

    /// The value below which every record has been read.
    pub fn reached(&self) -> P {
        let first = self.first();
        first.highest.filter(|highest| !highest.is_nothing()).unwrap_or(first.start)
    }
}

impl<P: Position> Span<P> {
    fn absorb(&mut self, other: &Self) {
        if other.end > self.end {
            self.end = other.end;
        }
        let known = |value: Option<P>| value.filter(|value| !value.is_nothing());
        self.highest = match (known(other.highest), known(self.highest)) {
            (Some(later), Some(earlier)) => Some(if earlier > later { earlier } else { later }),
            (Some(only), None) | (None, Some(only)) => Some(only),
            (None, None) => other.highest.or(self.highest),
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    impl Position for i64 {
        fn is_nothing(&self) -> bool {
            *self == 0
        }
    }

    /// Start, end, and the highest record or 0.
    type Told = (i64, i64, i64);

    fn span(start: i64, end: i64, highest: i64) -> Span<i64> {
        Span { start, end, highest: Some(highest).filter(|highest| *highest != 0) }
    }

    fn read(spans: &[Told]) -> Coverage<i64> {
        let mut spans = spans.iter().map(|(start, end, highest)| span(*start, *end, *highest));
        let mut coverage = Coverage::from(spans.next().unwrap());
        spans.for_each(|span| coverage.add(span, |value| value + 1));
        coverage
    }

    #[test]
    fn spans_that_touch_are_one() {
        let cases: [(&[Told], &[Told]); 7] = [
            (&[(1, 3, 2), (4, 6, 5)], &[(1, 6, 5)]),
            (&[(1, 3, 2), (5, 6, 5)], &[(1, 3, 2), (5, 6, 5)]),
            (&[(1, 3, 2), (7, 9, 8), (4, 6, 0)], &[(1, 9, 8)]),
            (&[(7, 9, 8), (1, 3, 2)], &[(1, 3, 2), (7, 9, 8)]),
            (&[(1, 9, 4), (2, 3, 3)], &[(1, 9, 4)]),
            (&[(1, 1, 0), (1, 1, 1)], &[(1, 1, 1)]),
            (&[(5, 6, 0), (9, 9, 9), (1, 2, 0), (3, 4, 3)], &[(1, 6, 3), (9, 9, 9)]),
        ];
        for (added, expected) in cases {
            let expected: Vec<_> = expected.iter().map(|(start, end, highest)| span(*start, *end, *highest)).collect();
            assert_eq!(read(added).spans, expected, "{added:?}");
        }
    }

    #[test]
    fn the_state_is_the_highest_record_of_the_first_span_else_its_start() {
        assert_eq!(read(&[(1, 3, 2), (5, 9, 9)]).reached(), 2);
        assert_eq!(read(&[(1, 3, 0), (5, 9, 9)]).reached(), 1);
        assert_eq!(read(&[(1, 3, 0), (5, 9, 9), (4, 4, 0)]).reached(), 9);
    }

    proptest! {
        #[test]
        fn the_order_of_adding_changes_nothing(spans in vec((0..40i64, 0..6i64), 1..20), turn in any::<prop::sample::Index>()) {
            let spans: Vec<_> = spans.into_iter().map(|(start, length)| (start, start + length, start + length)).collect();
            let mut turned = spans.clone();
            turned.rotate_left(turn.index(spans.len()));
            prop_assert_eq!(read(&spans), read(&turned));
            turned.sort_unstable();
            prop_assert_eq!(read(&spans), read(&turned));
        }
    }
}
