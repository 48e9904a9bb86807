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

/// The spans read so far, in order, none touching the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Coverage<P> {
    first: Span<P>,
    rest: Vec<Span<P>>,
}

impl<P: Position> Coverage<P> {
    /// Starts from what former runs have read. `None` without a single span.
    pub fn of(spans: Vec<Span<P>>, next: impl Fn(P) -> P) -> Option<Self> {
        let mut merged: Vec<Span<P>> = Vec::new();
        let mut spans = spans;
        spans.sort_by_key(|span| (span.start, span.end));
        for span in spans {
            match merged.last_mut() {
                Some(last) if next(last.end) >= span.start => last.absorb(&span),
                _ => merged.push(span),
            }
        }
        let first = *merged.first()?;
        Some(Self { first, rest: merged.split_off(1) })
    }

    /// Adds a span that has been read to its end. `next` is the smallest step to another value: spans that are no
    /// farther apart have nothing between them.
    pub fn add(&mut self, span: Span<P>, next: impl Fn(P) -> P) {
        let mut spans = std::mem::take(&mut self.rest);
        spans.push(self.first);
        spans.push(span);
        if let Some(merged) = Self::of(spans, next) {
            *self = merged;
        }
    }

    pub fn first(&self) -> &Span<P> {
        &self.first
    }

    pub fn spans(&self) -> impl Iterator<Item = &Span<P>> {
        std::iter::once(&self.first).chain(&self.rest)
    }

    /// The value below which every record has been read.
    pub fn reached(&self) -> P {
        self.first.highest.filter(|highest| !highest.is_nothing()).unwrap_or(self.first.start)
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
