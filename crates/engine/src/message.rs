//! What a destination gets: the body in its mode, and the headers that say what it is (design §5.4).

use std::sync::Arc;

use bytes::Bytes;
use data_encoding::BASE64;
use domain::{Event, EventId, Timestamp, Version};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::spec::BodyMode;

pub const JSON: &str = "application/json";
pub const CLOUDEVENTS_JSON: &str = "application/cloudevents+json";
const FORM: &str = "application/x-www-form-urlencoded";
/// Most fields of a form that are turned into an object; a longer one is passed on as bytes.
const FORM_FIELDS_MAX: usize = 1_000;

/// What may stand around a JSON text (RFC 8259 §2).
const JSON_SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// A body and its content type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    pub content_type: Arc<str>,
    pub bytes: Bytes,
}

/// The event's payload as the envelope shows it.
enum Data<'a> {
    /// Valid JSON, passed through byte for byte.
    Json(&'a str),
    Form(Value),
    Bytes,
}

/// `is_json`: the payload is known to be JSON if its bytes are UTF-8, and is not read again.
fn data_of(event: &Event, is_json: bool) -> Data<'_> {
    if is_json && let Ok(text) = std::str::from_utf8(&event.payload) {
        debug_assert!(serde_json::from_str::<&RawValue>(text).is_ok());
        return Data::Json(text.trim_matches(JSON_SPACE));
    }
    if let Ok(raw) = serde_json::from_slice::<&RawValue>(&event.payload) {
        return Data::Json(raw.get());
    }
    if event.content_type.starts_with(FORM)
        && let Some(form) = form_object(&event.payload)
    {
        return Data::Form(form);
    }
    Data::Bytes
}

/// An event's data as a value; `None` where it is neither JSON nor a form.
pub(crate) fn data_value(event: &Event) -> Option<Value> {
    match data_of(event, false) {
        Data::Json(text) => serde_json::from_str(text).ok(),
        Data::Form(form) => Some(form),
        Data::Bytes => None,
    }
}

/// A form as an object; a field that occurs more than once is a list.
fn form_object(payload: &[u8]) -> Option<Value> {
    let mut object = serde_json::Map::new();
    for (count, (name, value)) in url::form_urlencoded::parse(payload).enumerate() {
        if count == FORM_FIELDS_MAX {
            return None;
        }
        let value = Value::String(value.into_owned());
        match object.get_mut(name.as_ref()) {
            None => drop(object.insert(name.into_owned(), value)),
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    Some(Value::Object(object))
}

#[derive(Serialize)]
struct Envelope<'a> {
    id: EventId,
    source: &'a str,
    connection: &'a str,
    #[serde(rename = "type")]
    event_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    native_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<Version>,
    origin: &'a str,
    assurance: &'a str,
    #[serde(skip_serializing_if = "is_false")]
    stale: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    occurred_at: Option<Timestamp>,
    received_at: Timestamp,
    #[serde(rename = "data", skip_serializing_if = "Option::is_none")]
    form: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_base64: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this shape")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// All of an envelope but data that is JSON already: that comes behind it, see [`with_data`].
fn envelope<'a>(event: &'a Event, stale: bool, data: &'a Data<'a>) -> Envelope<'a> {
    let (form, base64) = match data {
        Data::Json(_) => (None, None),
        Data::Form(value) => (Some(value), None),
        Data::Bytes => (None, Some(BASE64.encode(&event.payload))),
    };
    Envelope {
        id: event.id,
        source: event.source.as_str(),
        connection: event.connection.as_str(),
        event_type: &event.event_type,
        native_type: event.native_type.as_deref(),
        subject: event.subject.as_ref().map(domain::Subject::as_str),
        action: event.action.map(domain::Action::as_str),
        version: event.version,
        origin: event.origin.as_str(),
        assurance: event.assurance.as_str(),
        stale,
        occurred_at: event.occurred_at,
        received_at: event.received_at,
        form,
        data_base64: base64,
    }
}

/// The Event as JSON bytes, its JSON payload untouched within.
#[must_use]
pub fn envelope_json(event: &Event, stale: bool) -> Bytes {
    envelope_around(event, stale, &data_of(event, false))
}

fn envelope_around(event: &Event, stale: bool, data: &Data<'_>) -> Bytes {
    with_data(event, &envelope(event, stale, data), data)
}

/// An object as JSON, which has members, and behind them the event's data where that is JSON.
fn with_data(event: &Event, object: &impl Serialize, data: &Data<'_>) -> Bytes {
    let mut out = Vec::with_capacity(event.payload.len() + 512);
    // Writing plain fields into memory cannot fail.
    let written = serde_json::to_writer(&mut out, object);
    debug_assert!(written.is_ok());
    if let Data::Json(text) = data
        && out.pop() == Some(b'}')
    {
        out.extend_from_slice(b",\"data\":");
        out.extend_from_slice(text.as_bytes());
        out.push(b'}');
    }
    out.into()
}

/// The Event as a value: the root of every expression. JSON that is too deep to be held as a value is given as
/// `data_base64`, like what is no JSON at all.
#[must_use]
pub fn envelope_value(event: &Event, stale: bool) -> Value {
    let as_bytes = || serde_json::to_value(envelope(event, stale, &Data::Bytes)).unwrap_or(Value::Null);
    serde_json::from_slice(&envelope_json(event, stale)).unwrap_or_else(|_| as_bytes())
}

#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: EventId,
    source: String,
    #[serde(rename = "type")]
    event_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    datacontenttype: Option<&'a str>,
    triremeorigin: &'a str,
    triremeassurance: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_base64: Option<String>,
}

/// The event as a CloudEvent 1.0 in structured mode (JSON event format 1.0.2).
fn cloudevent_json(event: &Event, data: &Data<'_>) -> Bytes {
    let is_json = matches!(data, Data::Json(_));
    let told = (!event.content_type.is_empty()).then_some(&*event.content_type);
    let cloudevent = CloudEvent {
        specversion: "1.0",
        id: event.id,
        source: format!("/sources/{}/connections/{}", event.source, event.connection),
        event_type: &event.event_type,
        subject: event.subject.as_ref().map(domain::Subject::as_str),
        time: event.occurred_at.unwrap_or(event.received_at),
        datacontenttype: if is_json { Some(JSON) } else { told },
        triremeorigin: event.origin.as_str(),
        triremeassurance: event.assurance.as_str(),
        data_base64: (!is_json).then(|| BASE64.encode(&event.payload)),
    };
    with_data(event, &cloudevent, data)
}

/// The body of an event in a mode. `is_json`: its payload is known to be JSON, if its bytes are UTF-8.
#[must_use]
pub fn body_of(event: &Event, is_json: bool, mode: BodyMode, stale: bool) -> Body {
    let data = || data_of(event, is_json);
    match mode {
        BodyMode::Envelope => Body { content_type: JSON.into(), bytes: envelope_around(event, stale, &data()) },
        BodyMode::Cloudevents => Body { content_type: CLOUDEVENTS_JSON.into(), bytes: cloudevent_json(event, &data()) },
        BodyMode::Raw => Body { content_type: Arc::clone(&event.content_type), bytes: event.payload.clone() },
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use domain::Subject;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    pub(crate) fn event(content_type: &str, payload: &[u8]) -> Event {
        Event {
            event_type: "orders.created".into(),
            subject: Some(Subject::of("orders", "7")),
            action: Some(domain::Action::Created),
            version: Some(Version::Number(3)),
            content_type: content_type.into(),
            payload: Bytes::copy_from_slice(payload),
            ..Event::bare(EventId::from_uuid(Uuid::from_u128(1)), "shop".parse().expect("a name"), Timestamp::EPOCH)
        }
    }

    fn data(content_type: &str, payload: &[u8]) -> Value {
        let mut value = envelope_value(&event(content_type, payload), false);
        let object = value.as_object_mut().expect("an object");
        json!({ "data": object.remove("data"), "data_base64": object.remove("data_base64") })
    }

    #[test]
    fn json_passes_through_byte_for_byte() {
        let payload = br#"{ "big": 12345678901234567890123, "a":1, "a":2 }"#;
        let text = envelope_json(&event(JSON, payload), false);
        assert!(text.windows(payload.len()).any(|window| window == payload));
    }

    #[test]
    fn data_comes_last_as_it_was_sent() {
        let event = Event { subject: None, ..event(JSON, br#" { "a":1 } "#) };
        let written = |mode| body_of(&event, true, mode, false).bytes;
        let (envelope, cloudevent) = (written(BodyMode::Envelope), written(BodyMode::Cloudevents));
        let expected = concat!(
            r#"{"id":"evt_00000000000000000000000001","source":"shop","connection":"default","type":"orders.created","#,
            r#""action":"created","version":3,"origin":"native","assurance":"body","#,
            r#""received_at":"1970-01-01T00:00:00.000000Z","data":{ "a":1 }}"#,
        );
        assert_eq!(String::from_utf8_lossy(&envelope), expected);
        let expected = concat!(
            r#"{"specversion":"1.0","id":"evt_00000000000000000000000001","source":"/sources/shop/connections/default","#,
            r#""type":"orders.created","time":"1970-01-01T00:00:00.000000Z","datacontenttype":"application/json","#,
            r#""triremeorigin":"native","triremeassurance":"body","data":{ "a":1 }}"#,
        );
        assert_eq!(String::from_utf8_lossy(&cloudevent), expected);
    }

    #[test]
    fn what_is_known_to_be_json_is_written_as_what_is_found_to_be() {
        for payload in [b" {\"a\": [1, \"\xc3\xa4\"]}\r\n\t".as_slice(), b"7", b"\"\"", b"\"\xff\""] {
            let event = event(JSON, payload);
            for mode in [BodyMode::Envelope, BodyMode::Cloudevents, BodyMode::Raw] {
                let bodies = [true, false].map(|is_json| body_of(&event, is_json, mode, true));
                assert_eq!(bodies[0], bodies[1], "{mode:?}");
            }
        }
    }

    #[test]
    fn forms_are_objects_and_all_else_is_base64() {
        let form = data("application/x-www-form-urlencoded; charset=utf-8", b"a=1&b=x+y&a=2");
        assert_eq!(form, json!({ "data": { "a": ["1", "2"], "b": "x y" }, "data_base64": null }));
        for bytes in [b"\xff\x00".as_slice(), b"{", b"", b"{} x"] {
            assert_eq!(data(JSON, bytes), json!({ "data": null, "data_base64": BASE64.encode(bytes) }));
        }
        let deep = ["[".repeat(100_000), "]".repeat(100_000)].concat();
        assert_eq!(data(JSON, deep.as_bytes())["data_base64"], json!(BASE64.encode(deep.as_bytes())));
    }

    #[test]
    fn the_envelope_says_only_what_is_known() {
        let value = envelope_value(&event(JSON, b"{}"), true);
        let expected = json!({
            "id": "evt_00000000000000000000000001", "source": "shop", "connection": "default",
            "type": "orders.created", "subject": "orders/7", "action": "created", "version": 3,
            "origin": "native", "assurance": "body", "stale": true,
            "received_at": "1970-01-01T00:00:00.000000Z", "data": {}
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn cloudevents_are_structured_and_raw_is_the_senders_bytes() {
        let event = event("text/plain", b"hello");
        let body = body_of(&event, false, BodyMode::Cloudevents, false);
        let value: Value = serde_json::from_slice(&body.bytes).expect("JSON");
        assert_eq!(&*body.content_type, CLOUDEVENTS_JSON);
        assert_eq!((&value["specversion"], &value["data_base64"]), (&json!("1.0"), &json!("aGVsbG8=")));
        assert_eq!(value["datacontenttype"], json!("text/plain"));
        assert_eq!(body_of(&event, false, BodyMode::Raw, false).bytes, event.payload);
    }
}
