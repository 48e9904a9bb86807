//! The events of a verified request. What cannot be read never loses the event: it falls back to the recipe's
//! constant type and the whole body.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::event::cut;
use domain::identity::{MessageIdentity, ordinals};
use domain::{Subject, Timestamp, Version};

use super::field::{Field, View};
use super::incoming::Incoming;
use super::json::{self, Pointers};
use super::moment;
use super::program::{EventProgram, Moment, Split, SubjectOf, VersionOf};
use super::refusal::Refusal;
use super::xml;

/// Between the parts of a type, and between the parts of an id.
pub(crate) const TYPE_JOINT: &str = ".";
const ID_JOINT: &str = ":";

/// One event found in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundEvent {
    /// The sender's own name for it.
    pub event_type: Arc<str>,
    /// What stays equal over the retries of one event.
    pub id: Option<String>,
    /// What differs from try to try.
    pub attempt_id: Option<String>,
    pub occurred_at: Option<Timestamp>,
    pub subject: Option<Subject>,
    pub version: Option<Version>,
    /// The sender's name of the account, by which a connection is found.
    pub connection: Option<String>,
    pub payload: Payload,
    /// The payload was read to its end and is JSON, if its bytes are UTF-8. Where it says no, nobody knows.
    pub is_json: bool,
    pub content_type: Arc<str>,
    /// Among children of the same bytes and no id, so that each keeps an identity of its own.
    pub ordinal: u32,
}

impl FoundEvent {
    /// By what it is known again: its id, else its bytes within the sender's retries.
    #[must_use]
    pub fn identity<'e>(&'e self, payload: &'e [u8], within: Duration) -> MessageIdentity<'e> {
        match &self.id {
            Some(id) => MessageIdentity::Id(id),
            None => MessageIdentity::Bytes { bytes: payload, ordinal: self.ordinal, within },
        }
    }
}

/// Where an event's bytes are: always exactly the sender's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// A part of the body as received.
    Received(Range<usize>),
    /// Inflated, or a part of what was inflated.
    Inflated(Bytes),
}

impl Payload {
    /// The bytes, without copying. `received` is the body that was judged.
    #[must_use]
    pub fn bytes(&self, received: &Bytes) -> Bytes {
        match self {
            Self::Received(range) => received.slice(range.clone()),
            Self::Inflated(bytes) => bytes.clone(),
        }
    }
}

/// Finds the events of a request whose body, once inflated, is `inflated`.
pub(crate) fn find(
    program: &EventProgram,
    request: &Pointers,
    incoming: &Incoming<'_>,
    inflated: Option<&Bytes>,
) -> Result<Vec<FoundEvent>, Refusal> {
    let body = inflated.map_or(incoming.body, AsRef::as_ref);
    let inner = within(program, request, incoming, body)?;
    let whole = View::new(incoming, inner.as_deref().unwrap_or(body), &program.whole_pointers);
    let received = |range: Range<usize>| match (&inner, inflated) {
        (Some(inner), _) => Payload::Inflated(inner.slice(range)),
        (None, Some(bytes)) => Payload::Inflated(bytes.slice(range)),
        (None, None) => Payload::Received(range),
    };
    let split = program.split.as_ref().and_then(|split| match split {
        Split::Json(pointer, then) => {
            let items = json::split(whole.body, pointer)?;
            Some((split_items(whole.body, items, then)?, "application/json"))
        }
        Split::Xml(path) => {
            let items = xml::split(whole.body, path)?;
            Some((split_items(whole.body, items, &[])?, "application/xml"))
        }
    });
    let Some((items, content_type)) = split else {
        let content_type = incoming.first_header("content-type").unwrap_or_default().into();
        let payload = match inflated {
            Some(bytes) => Payload::Inflated(bytes.clone()),
            None => Payload::Received(0..incoming.body.len()),
        };
        let view = whole.item(whole.body, &program.pointers, 0);
        let event = read(program, &view, payload, content_type)?;
        // What was read is all of the payload only where it is not a text inside of it.
        return Ok(vec![FoundEvent { is_json: event.is_json && inner.is_none(), ..event }]);
    };
    let content_type: Arc<str> = content_type.into();
    let (mut events, mut ranges) = (Vec::new(), Vec::new());
    for item in items {
        let bytes = &whole.body[item.range.clone()];
        let parent = whole.item(bytes, &program.parent_pointers, events.len());
        for range in item.inner {
            let view = parent.inner_item(&whole.body[range.clone()], &program.pointers, events.len());
            events.push(read(program, &view, received(range.clone()), content_type.clone())?);
            ranges.push(range);
        }
        if item.is_event {
            let view = parent.inner_item(bytes, &program.pointers, events.len());
            events.push(read(program, &view, received(item.range.clone()), content_type.clone())?);
            ranges.push(item.range);
        }
    }
    if events.iter().any(|event| event.id.is_none()) {
        let bytes = ranges.iter().map(|range| &whole.body[range.clone()]);
        for (event, ordinal) in events.iter_mut().zip(ordinals(bytes)) {
            event.ordinal = ordinal;
        }
    }
    Ok(events)
}

/// The account that a request says it is of, before it is verified. `None` where events are inside of the body, because
/// each of them may be of another account.
pub(crate) fn account(program: &EventProgram, incoming: &Incoming<'_>) -> Option<String> {
    if program.connection.is_empty() || program.split.is_some() || program.within.is_some() {
        return None;
    }
    let whole = View::new(incoming, incoming.body, &program.whole_pointers);
    let view = whole.item(whole.body, &program.pointers, 0);
    let said = first(&view, &program.connection, ID_JOINT).ok().flatten();
    said.map(|text| label(&text).into_owned())
}

/// An item of the first split.
struct Item {
    range: Range<usize>,
    /// Its own items, where it has any.
    inner: Vec<Range<usize>>,
    /// It has none, so it is an event itself.
    is_event: bool,
}

/// The items with what they are split into. `None` if that is more than one request can hold.
fn split_items(body: &[u8], items: Vec<Range<usize>>, then: &[Pointers]) -> Option<Vec<Item>> {
    let mut events = 0;
    let mut found = Vec::with_capacity(items.len());
    for range in items {
        let inner: Vec<Range<usize>> = then
            .iter()
            .filter_map(|pointer| json::split(&body[range.clone()], pointer))
            .flatten()
            .map(|inner| range.start + inner.start..range.start + inner.end)
            .collect();
        events += inner.len().max(1);
        if events > json::CHILDREN_MAX {
            return None;
        }
        found.push(Item { is_event: inner.is_empty(), range, inner });
    }
    Some(found)
}

/// The text inside the body that counts as the body, where the recipe names one and it is there.
fn within(
    program: &EventProgram,
    request: &Pointers,
    incoming: &Incoming<'_>,
    body: &[u8],
) -> Result<Option<Bytes>, Refusal> {
    let Some(field) = &program.within else { return Ok(None) };
    let view = View::new(incoming, body, request);
    match view.read(field, None) {
        Ok(inner) => Ok(inner.map(|inner| Bytes::from(inner.into_owned()))),
        Err(refusal) if refusal.code.is_final() => Err(refusal),
        Err(_) => Ok(None),
    }
}

fn read(
    program: &EventProgram,
    view: &View<'_>,
    payload: Payload,
    content_type: Arc<str>,
) -> Result<FoundEvent, Refusal> {
    let event_type = first(view, &program.event_type, TYPE_JOINT)?;
    let (subject, version) = subject(view, &program.subject)?;
    Ok(FoundEvent {
        event_type: event_type.map_or_else(|| (*program.type_otherwise).into(), |text| label(&text).as_ref().into()),
        id: first(view, &program.id, ID_JOINT)?,
        attempt_id: first(view, &program.attempt_id, ID_JOINT)?,
        occurred_at: first_moment(view, &program.occurred_at)?,
        connection: first(view, &program.connection, ID_JOINT)?.map(|text| label(&text).into_owned()),
        subject,
        version,
        payload,
        content_type,
        ordinal: 0,
        // Last: it is known only once something was looked up.
        is_json: view.is_known_json(),
    })
}

/// A value by name. A form or query that says it twice says nothing; the event is verified and must not be lost.
fn text<'v>(view: &'v View<'_>, field: &'v Field) -> Result<Option<Cow<'v, str>>, Refusal> {
    match view.text(field) {
        Err(refusal) if !refusal.code.is_final() => Ok(None),
        read => read,
    }
}

/// The first alternative of which every part is there, joined.
fn first(view: &View<'_>, alternatives: &[Vec<Field>], joint: &str) -> Result<Option<String>, Refusal> {
    for parts in alternatives {
        if let Some(text) = joined(view, parts, joint)? {
            return Ok(Some(text));
        }
    }
    Ok(None)
}

fn joined(view: &View<'_>, parts: &[Field], joint: &str) -> Result<Option<String>, Refusal> {
    let mut whole = String::new();
    for part in parts {
        match text(view, part)? {
            Some(value) => {
                if !whole.is_empty() {
                    whole.push_str(joint);
                }
                whole.push_str(&value);
            }
            None if matches!(part, Field::Maybe(_)) => {}
            None => return Ok(None),
        }
    }
    Ok((!whole.is_empty()).then_some(whole))
}

fn first_moment(view: &View<'_>, moments: &[Moment]) -> Result<Option<Timestamp>, Refusal> {
    for moment in moments {
        if let Some(at) = read_moment(view, moment)? {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

fn read_moment(view: &View<'_>, moment: &Moment) -> Result<Option<Timestamp>, Refusal> {
    Ok(text(view, &moment.from)?.and_then(|text| moment::read(text.as_bytes(), moment.unit)))
}

fn subject(view: &View<'_>, subjects: &[SubjectOf]) -> Result<(Option<Subject>, Option<Version>), Refusal> {
    for of in subjects {
        let (Some(object), Some(id)) = (text(view, &of.object)?, text(view, &of.id)?) else { continue };
        let version = match &of.version {
            None => None,
            Some(VersionOf::Time(moment)) => read_moment(view, moment)?.map(Version::Time),
            Some(VersionOf::Number(from)) => text(view, from)?.and_then(|text| text.parse().ok()).map(Version::Number),
        };
        return Ok((Some(Subject::of(&label(&object), &label(&id))), version));
    }
    Ok((None, None))
}

/// A text that is shown, stored and compared as a name: bounded, and without control characters, which some
/// databases refuse and some terminals obey.
fn label(text: &str) -> Cow<'_, str> {
    let text = cut(text);
    if text.chars().any(char::is_control) {
        return Cow::Owned(text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect());
    }
    Cow::Borrowed(text)
}
