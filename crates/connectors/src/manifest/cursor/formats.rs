//! How a cursor's values are written: formats that are tried in order for what comes in, one for what goes out.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Number, Value as Json};

use crate::manifest::expression::dates::{Format, Moment};

use super::point::Point;
use super::quick::{Glance, Quick};

/// A second, a minute, an hour and a day: the times below which formats leave off.
const TICKS_SECS: [u64; 4] = [1, 60, 3_600, 86_400];
/// Days since 1970 of any day: what it writes of its beginning and of its end is compared.
const SOME_DAY: i64 = 20_000;

/// Why a value is not a date.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("matches none of the formats {formats}")]
    NoFormat { formats: Arc<str> },
    #[error("{kind}, not a date")]
    NoText { kind: &'static str },
}

#[derive(Clone, Debug)]
pub struct Formats {
    /// `cursor_datetime_formats`, and at last `datetime_format`.
    inputs: Box<[Input]>,
    names: Arc<str>,
}

#[derive(Clone, Debug)]
struct Input {
    quick: Option<Quick>,
    format: Format,
}

/// Two that read and write the same way.
impl PartialEq for Formats {
    fn eq(&self, other: &Self) -> bool {
        self.names == other.names
    }
}

impl Eq for Formats {}

impl Formats {
    #[must_use]
    pub fn new(inputs: Vec<Format>, output: Format) -> Self {
        let inputs: Box<[Format]> = inputs.into_iter().chain([output]).collect();
        let names: Vec<&str> = inputs.iter().map(Format::source).collect();
        let names = names.join(", ").into();
        let inputs = inputs.into_iter().map(|format| Input { quick: Quick::of(format.source()), format });
        Self { inputs: inputs.collect(), names }
    }

    /// The shortest time that one of them tells apart, of a second, a minute, an hour and a day: two moments within it are
    /// written alike.
    #[must_use]
    pub fn tick(&self) -> Duration {
        let tick = |input: &Input| {
            let written = |seconds: u64| {
                let moment = Moment::midnight(SOME_DAY).plus(i128::from(seconds) * 1_000_000).ok()?;
                Some(input.format.write(moment))
            };
            let are_alike = |seconds: &&u64| written(0) == written(**seconds - 1);
            TICKS_SECS.iter().rev().find(are_alike).copied().unwrap_or(1)
        };
        Duration::from_secs(self.inputs.iter().map(tick).min().unwrap_or(1))
    }

    #[must_use]
    pub fn write(&self, point: Point) -> String {
        self.inputs.last().expect("the output is one of them").format.write(point.moment())
    }

    /// Tries the formats in order.
    pub fn read(&self, value: &Json) -> Result<Point, Unreadable> {
        let read = |of: &dyn Fn(&Input) -> Option<Moment>| {
            let moment = self.inputs.iter().find_map(of);
            moment.map(Point::new).ok_or_else(|| Unreadable::NoFormat { formats: Arc::clone(&self.names) })
        };
        match value {
            Json::String(text) => read(&|input| input.text(text)),
            Json::Number(number) => {
                let mut buffer = [0; 32];
                let text = write_number(number, &mut buffer);
                read(&|input| input.number(number, text))
            }
            Json::Null => Err(Unreadable::NoText { kind: "is null" }),
            Json::Bool(_) => Err(Unreadable::NoText { kind: "is true or false" }),
            Json::Array(_) => Err(Unreadable::NoText { kind: "is a list" }),
            Json::Object(_) => Err(Unreadable::NoText { kind: "is an object" }),
        }
    }
}

impl Input {
    fn text(&self, text: &str) -> Option<Moment> {
        match self.quick.as_ref().map_or(Glance::Unsure, |quick| quick.read(text.as_bytes())) {
            Glance::Is(moment) => Some(moment),
            Glance::IsNot => None,
            Glance::Unsure => self.format.parse(text).ok(),
        }
    }

    /// Formats of epochs take any number; others take its text.
    fn number(&self, number: &Number, text: &str) -> Option<Moment> {
        match (&self.quick, number.as_i64(), number.as_f64()) {
            (Some(quick @ Quick::Epoch(_)), Some(whole), _) => quick.read_whole(whole),
            (Some(quick @ Quick::Epoch(_)), None, Some(real)) => quick.read_real(real),
            _ => self.text(text),
        }
    }
}

/// A number's text, on the stack. Empty, which is no date, if it has more digits than any date.
fn write_number<'a>(number: &Number, buffer: &'a mut [u8; 32]) -> &'a str {
    let mut rest = &mut buffer[..];
    let is_written = write!(rest, "{number}").is_ok();
    let length = 32 - rest.len();
    if is_written { std::str::from_utf8(&buffer[..length]).unwrap_or_default() } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_time_that_is_told_apart_is_that_of_the_finest_format() {
        for (written, seconds) in [
            (&["%Y-%m-%dT%H:%M:%SZ"][..], 1),
            (&["%s"], 1),
            (&["%ms"], 1),
            (&["%Y-%m-%d %H:%M"], 60),
            (&["%Y-%m-%dT%H"], 3_600),
            (&["%Y%m%d"], 86_400),
            (&["%Y-%m-%dT%H:%M:%SZ", "%Y%m%d"], 1),
        ] {
            let formats: Vec<Format> = written.iter().map(|format| Format::new(format)).collect();
            let [inputs @ .., output] = &formats[..] else { unreachable!("each has one") };
            let tick = Formats::new(inputs.to_vec(), output.clone()).tick();
            assert_eq!(tick, Duration::from_secs(seconds), "{written:?}");
        }
    }
}
