//! What events and records mean by an extension: which object, id and version they are about, and whether a record is
//! one that was deleted. Decides nothing about their identity; that is the domain's.

use std::time::Duration;

use domain::{Action, Subject, Timestamp, Version};
use serde_json::Value as Json;

use super::{EventMapping, Extension, Sign, StreamExtension, VersionField};
use crate::manifest::expression::dates::iso;

/// From here on a whole number that is a time counts milliseconds (since 1973), below it seconds (until the year 5138).
const MILLIS_FROM: i64 = 100_000_000_000;

/// What a topic of the sender says about one stream.
#[derive(Clone, Copy, Debug)]
pub struct Meaning<'e> {
    pub stream: &'e str,
    pub object: &'e str,
    pub mapping: &'e EventMapping,
    version: Option<&'e VersionField>,
}

impl Extension {
    /// What events of this type tell, for each stream that they tell of. None: nothing is known about them.
    pub fn meanings<'e>(&'e self, event_type: &'e str) -> impl Iterator<Item = Meaning<'e>> {
        self.streams.iter().flat_map(move |(name, stream)| {
            let told = stream.events.iter().filter(move |mapping| mapping.event_type == event_type);
            let object = stream.object_of(name);
            told.map(move |mapping| Meaning { stream: name, object, mapping, version: stream.version.as_ref() })
        })
    }

    /// Whether what the sender tells by itself tells the changes of a stream: some topic says that a record of it was
    /// made or changed, or that the stream is worth reading. That records are gone is not enough.
    #[must_use]
    pub fn tells(&self, stream: &str) -> bool {
        let says = |mapping: &EventMapping| {
            mapping.id.is_empty() || matches!(mapping.action, Some(Action::Created | Action::Updated))
        };
        self.streams.get(stream).is_some_and(|stream| stream.events.iter().any(says))
    }
}

impl Meaning<'_> {
    /// `order.updated`; `None`: the sender's own name stays, for it is a fact of its own.
    #[must_use]
    pub fn event_type(&self) -> Option<String> {
        self.mapping.action.map(|action: Action| format!("{}.{}", self.object, action.as_str()))
    }

    /// The record's id, where the payload has it.
    #[must_use]
    pub fn id(&self, payload: &Json) -> Option<String> {
        if self.mapping.id.is_empty() { None } else { text_at(payload, &self.mapping.id) }
    }

    #[must_use]
    pub fn subject(&self, payload: &Json) -> Option<Subject> {
        self.id(payload).map(|id| Subject::of(self.object, &id))
    }

    /// The state of the record that the payload is about, where it says so.
    #[must_use]
    pub fn version(&self, payload: &Json) -> Option<Version> {
        let value = at(payload, self.mapping.version.as_ref()?)?;
        self.version.map_or_else(|| version(value, true), |field| field.read(value))
    }

    /// It names no record: the stream is worth reading now.
    #[must_use]
    pub fn is_hint(&self) -> bool {
        self.mapping.id.is_empty()
    }
}

impl StreamExtension {
    /// What the records are called in types and subjects.
    #[must_use]
    pub fn object_of<'e>(&'e self, stream: &'e str) -> &'e str {
        self.object.as_deref().unwrap_or(stream)
    }

    /// The version of a record that was read.
    #[must_use]
    pub fn version_of(&self, record: &Json) -> Option<Version> {
        self.version.as_ref()?.of(record)
    }
}

impl VersionField {
    /// A number with a precision in time is a time; one without counts.
    #[must_use]
    pub fn is_time(&self) -> bool {
        !self.precision.is_zero()
    }

    /// The version of a record, at the precision that its source keeps.
    #[must_use]
    pub fn of(&self, record: &Json) -> Option<Version> {
        self.read(at(record, &self.field)?)
    }

    fn read(&self, value: &Json) -> Option<Version> {
        let written = self.formats.as_ref().and_then(|formats| formats.read(value).ok());
        let version = match written {
            Some(point) => Some(Version::Time(Timestamp::from_micros(point.moment().micros()))),
            None => version(value, self.is_time()),
        };
        version.and_then(|version| match version {
            Version::Time(time) if !has_a_date(time) => None,
            Version::Time(time) => Some(Version::Time(floor(time, self.precision))),
            number @ Version::Number(_) => Some(number),
        })
    }
}

/// Whether a time lies within the years 1 to 9999, as RFC 3339 can write them. What is outside was no time.
fn has_a_date(time: Timestamp) -> bool {
    (-62_135_596_800..253_402_300_800).contains(&time.as_secs())
}

impl Sign {
    #[must_use]
    pub fn holds(&self, record: &Json) -> bool {
        let Some(value) = at(record, &self.at) else { return false };
        if !self.is.is_empty() {
            return text(value).is_some_and(|text| self.is.contains(&text));
        }
        match value {
            Json::Null => false,
            Json::Bool(yes) => *yes,
            Json::Number(number) => number.as_f64() != Some(0.0),
            Json::String(text) => !matches!(text.as_str(), "" | "false" | "False" | "0"),
            Json::Array(items) => !items.is_empty(),
            Json::Object(fields) => !fields.is_empty(),
        }
    }
}

/// What stands at a path of names; in a list a number is an index.
pub(super) fn at<'a>(json: &'a Json, path: &[String]) -> Option<&'a Json> {
    path.iter().try_fold(json, |found, name| match found {
        Json::Array(items) => items.get(name.parse::<usize>().ok()?),
        _ => found.get(name),
    })
}

/// The text or number at a path, as text: what ids are.
pub(super) fn text_at(json: &Json, path: &[String]) -> Option<String> {
    text(at(json, path)?)
}

fn text(value: &Json) -> Option<String> {
    match value {
        Json::String(text) if !text.is_empty() => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(yes) => Some(yes.to_string()),
        _ => None,
    }
}

/// The beginning of the tick that a time is in.
fn floor(time: Timestamp, precision: Duration) -> Timestamp {
    let tick = i64::try_from(precision.as_micros()).unwrap_or(i64::MAX).max(1);
    Timestamp::from_micros(time.as_micros().div_euclid(tick) * tick)
}

/// A time as sources write it, or a number that counts.
fn version(value: &Json, is_time: bool) -> Option<Version> {
    let number = match value {
        Json::Number(number) => number.as_i64(),
        Json::String(text) => text.parse().ok(),
        _ => return None,
    };
    match number {
        Some(number) if !is_time => Some(Version::Number(number)),
        Some(millis) if millis >= MILLIS_FROM => Some(Version::Time(Timestamp::from_millis(millis))),
        Some(seconds) => Some(Version::Time(Timestamp::from_secs(seconds))),
        None => {
            let text = value.as_str()?;
            if let Some(millis) = text.strip_prefix("/Date(") {
                let digits = millis.find(|letter: char| !letter.is_ascii_digit()).map_or(millis, |end| &millis[..end]);
                return digits.parse().ok().map(Timestamp::from_millis).map(Version::Time);
            }
            let moment = iso::parse(text.strip_suffix(" UTC").unwrap_or(text)).ok()?;
            Some(Version::Time(Timestamp::from_micros(moment.micros())))
        }
    }
}
