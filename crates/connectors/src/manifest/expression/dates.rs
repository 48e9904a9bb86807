//! Dates, times and durations as the format writes them: `strptime` and `strftime` with the format's own directives,
//! ISO 8601 texts and durations. Pure arithmetic on the proleptic Gregorian calendar, years 1 to 9999.

pub(crate) mod calendar;
pub(crate) mod iso;
mod moment;
mod period;
mod read;
mod write;

pub use moment::{Moment, Zone};
pub use period::Period;
pub(crate) use period::checked_delta;

use read::Reader;
use write::Writer;
pub(crate) use write::zone_name;

/// Why a text is not a date of a format, or a date not in the calendar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DateError(pub(crate) String);

impl DateError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    pub(crate) fn out_of_calendar() -> Self {
        Self::new("the date is outside of the years 1 to 9999")
    }
}

/// A format of dates, compiled: `strptime`'s and `strftime`'s directives, and `%s`, `%s_as_float`, `%ms`, `%_ms` and
/// `%epoch_microseconds`.
#[derive(Debug, Clone)]
pub struct Format {
    source: Box<str>,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Seconds,
    FloatSeconds,
    Milliseconds,
    Microseconds,
    /// The reader is missing for formats that can only be written, with the reason.
    Pattern {
        reader: Result<Reader, DateError>,
        writer: Writer,
    },
}

impl Format {
    pub fn new(source: &str) -> Self {
        let kind = match source {
            "%s" => Kind::Seconds,
            "%s_as_float" => Kind::FloatSeconds,
            "%ms" => Kind::Milliseconds,
            "%epoch_microseconds" => Kind::Microseconds,
            pattern => Kind::Pattern {
                reader: Reader::new(&pattern.replace("%_ms", "%f")),
                writer: Writer::with_milliseconds(pattern),
            },
        };
        Self { source: source.into(), kind }
    }

    /// Reads a text; without a zone in it the moment is UTC.
    pub fn parse(&self, text: &str) -> Result<Moment, DateError> {
        let count = |scale: i64| {
            let number = integer(text).ok_or_else(|| DateError::new(format!("{text:?} is not an integer")))?;
            let micros = number.checked_mul(scale.into()).and_then(|micros| i64::try_from(micros).ok());
            Moment::from_micros(micros.ok_or_else(DateError::out_of_calendar)?)
        };
        match &self.kind {
            Kind::Seconds => count(1_000_000),
            Kind::Milliseconds => count(1_000),
            Kind::Microseconds => count(1),
            Kind::FloatSeconds => {
                let seconds = super::numbers::parse_float(text);
                Moment::from_seconds(seconds.ok_or_else(|| DateError::new(format!("{text:?} is not a number")))?)
            }
            Kind::Pattern { reader, .. } => {
                let moment = reader.as_ref().map_err(Clone::clone)?.read(text, &self.source)?;
                Ok(if moment.zone() == Zone::Naive { Moment { zone: Zone::Utc, ..moment } } else { moment })
            }
        }
    }

    /// Writes a moment in the zone that it carries.
    pub fn write(&self, moment: Moment) -> String {
        match &self.kind {
            Kind::Seconds => (moment.micros() / 1_000_000).to_string(),
            Kind::FloatSeconds => super::numbers::float_text(moment.seconds()),
            // Python goes through a float here, which at these sizes may lose the last microsecond.
            Kind::Milliseconds => super::numbers::truncated(moment.seconds() * 1000.0).to_string(),
            Kind::Microseconds => super::numbers::truncated(moment.seconds() * 1_000_000.0).to_string(),
            Kind::Pattern { writer, .. } => writer.write(moment),
        }
    }

    pub fn source(&self) -> &str {
        &self.source
    }
}

/// Python's `int()` of a text.
fn integer(text: &str) -> Option<i128> {
    super::numbers::parse_int(text, 10)
}

/// Reads a text of a format; to read many, keep a [`Format`].
pub fn parse(text: &str, format: &str) -> Result<Moment, DateError> {
    Format::new(format).parse(text)
}

/// Writes a moment in a format; to write many, keep a [`Format`].
pub fn format(moment: Moment, format: &str) -> String {
    Format::new(format).write(moment)
}

/// Python's `strptime`: without a zone in the text the moment is naive.
pub(crate) fn strptime(text: &str, format: &str) -> Result<Moment, DateError> {
    Reader::new(format)?.read(text, format)
}

/// Python's `strftime`, without the format's extensions.
pub(crate) fn strftime(moment: Moment, format: &str) -> String {
    Writer::new(format).write(moment)
}
