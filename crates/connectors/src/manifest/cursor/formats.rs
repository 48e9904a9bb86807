//! How a cursor's values are written: formats that are tried in order for what comes in, one for what goes out.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::manifest::expression::dates::Format;

use super::point::Point;

/// Why a value is not a date.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("matches none of the formats {formats}")]
    NoFormat { formats: Arc<str> },
    #[error("is {kind}, not a date")]
    NoText { kind: &'static str },
}

#[derive(Clone, Debug)]
pub struct Formats {
    /// `cursor_datetime_formats`, and at last `datetime_format`.
    inputs: Box<[Format]>,
    names: Arc<str>,
}

impl Formats {
    #[must_use]
    pub fn new(inputs: Vec<Format>, output: Format) -> Self {
        let inputs: Box<[Format]> = inputs.into_iter().chain([output]).collect();
        let names: Vec<&str> = inputs.iter().map(Format::source).collect();
        Self { names: names.join(", ").into(), inputs }
    }

    fn output(&self) -> &Format {
        self.inputs.last().expect("the output is one of them")
    }

    #[must_use]
    pub fn write(&self, point: Point) -> String {
        self.output().write(point.moment())
    }

    pub fn read(&self, value: &Json) -> Result<Point, Unreadable> {
        match value {
            Json::String(text) => self.read_text(text),
            Json::Number(number) => self.read_text(&number.to_string()),
            Json::Null => Err(Unreadable::NoText { kind: "null" }),
            Json::Bool(_) => Err(Unreadable::NoText { kind: "true or false" }),
            Json::Array(_) => Err(Unreadable::NoText { kind: "a list" }),
            Json::Object(_) => Err(Unreadable::NoText { kind: "an object" }),
        }
    }

    fn read_text(&self, text: &str) -> Result<Point, Unreadable> {
        let point = self.inputs.iter().find_map(|format| format.parse(text).ok());
        point.map(Point::new).ok_or_else(|| Unreadable::NoFormat { formats: Arc::clone(&self.names) })
    }
}
