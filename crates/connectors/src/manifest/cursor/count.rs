//! A cursor that is a number that only grows: one slice from the highest one seen, no windows.

use std::cmp::Ordering;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::coverage::{Coverage, Position, Span};
use super::error::CursorError;

/// The slice's fields; the format has no option to name them otherwise.
pub(crate) const START: &str = "start";
const END: &str = "end";
/// What the format writes for "no end": JSON has no infinity, and templates print this text for it.
const NO_END: &str = "inf";

/// A number as records have it; whole ones stay whole.
#[derive(Clone, Copy, Debug)]
pub enum Count {
    Whole(i64),
    Real(f64),
}

impl Count {
    pub fn read(value: &Json) -> Option<Self> {
        let number = value.as_number()?;
        match number.as_i64() {
            Some(whole) => Some(Self::Whole(whole)),
            None => number.as_f64().filter(|real| real.is_finite()).map(Self::Real),
        }
    }

    pub(crate) fn of(record: &Json, field: &str) -> Option<Self> {
        record.get(field).and_then(Self::read)
    }

    #[must_use]
    pub fn json(self) -> Json {
        match self {
            Self::Whole(whole) => whole.into(),
            Self::Real(real) => real.into(),
        }
    }

    fn real(self) -> f64 {
        match self {
            Self::Whole(whole) => whole as f64,
            Self::Real(real) => real,
        }
    }

    fn next(self) -> Self {
        match self {
            Self::Whole(whole) => Self::Whole(whole.saturating_add(1)),
            Self::Real(real) => Self::Real(real + 1.0),
        }
    }
}

impl Position for Count {
    fn is_nothing(&self) -> bool {
        self.real() == 0.0
    }
}

impl Ord for Count {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => a.cmp(b),
            _ => self.real().total_cmp(&other.real()),
        }
    }
}

impl PartialOrd for Count {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Count {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Count {}

/// What a counting cursor has read.
#[derive(Debug)]
pub(crate) struct Counting {
    pub field: Arc<str>,
    resumed: Count,
    read: Coverage<Count>,
    /// The state that came in: fields that are not ours stay in it.
    legacy: Map<String, Json>,
}

impl Counting {
    pub fn resume(field: Arc<str>, start: Count, state: &Map<String, Json>) -> Result<Self, CursorError> {
        let spans = state.get("slices").and_then(Json::as_array).filter(|_| state.contains_key("state_type"));
        let legacy = if spans.is_some() { Map::new() } else { state.clone() };
        let (end, highest) = match spans {
            Some(spans) => reached(spans.first())?,
            None => (number(state.get(&*field))?, None),
        };
        let from = |saved: Option<Count>| saved.filter(|saved| !saved.is_nothing() && *saved >= start).unwrap_or(start);
        let resumed = from(highest.or(end));
        let before = Span { start, end: from(end), highest: Some(resumed) };
        Ok(Self { field, resumed, read: Coverage::from(before), legacy })
    }

    pub fn resumed(&self) -> Count {
        self.resumed
    }

    pub fn window(&self) -> Map<String, Json> {
        let mut window = Map::new();
        window.insert(START.to_owned(), self.read.first().end.json());
        window.insert(END.to_owned(), NO_END.into());
        window
    }

    /// A slice whose records had no value, or none above 0, moves nothing.
    pub fn close(&mut self, highest: Option<Count>) {
        if let Some(highest) = highest.filter(|highest| !highest.is_nothing()) {
            let span = Span { start: self.resumed, end: highest, highest: Some(highest) };
            self.read.add(span, Count::next);
        }
    }

    pub fn state(&self) -> Map<String, Json> {
        let mut state = self.legacy.clone();
        state.insert(self.field.to_string(), self.read.reached().json());
        state
    }
}

/// Where the first of the spans that a state tells ends, and its highest value. Later ones are read again.
fn reached(span: Option<&Json>) -> Result<(Option<Count>, Option<Count>), CursorError> {
    let field = |name: &str| number(span.and_then(|span| span.get(name)));
    Ok((field("end")?, field("most_recent_cursor_value")?))
}

fn number(value: Option<&Json>) -> Result<Option<Count>, CursorError> {
    match value {
        None | Some(Json::Null) => Ok(None),
        Some(value) => {
            Count::read(value).map(Some).ok_or(CursorError::Shape { expects: "its cursor value is a number" })
        }
    }
}
