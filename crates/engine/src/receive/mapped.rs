//! What a connector says of the sender's topics: the record that an event is about, and what happened to it. Topics that
//! it does not map keep the sender's name and are facts of their own.

use std::sync::Arc;

use domain::run::StreamKey;
use domain::subject::SubjectState;
use domain::{Action, ConnectionName, Event};
use serde_json::Value as Json;

use crate::connector::Connector;
use crate::streams::subject_of;
use crate::topology::Source;

/// Names an event as its source's connector does; gives what it says about its subject, if its topic is mapped as the
/// object's created, updated or deleted.
pub(super) fn name(source: &Source, event: &mut Event) -> Option<SubjectState> {
    let connector = connector(source)?;
    let topic = Arc::clone(&event.event_type);
    let mut meanings = connector.extension.meanings(&topic).peekable();
    meanings.peek()?;
    let payload: Json = serde_json::from_slice(&event.payload).ok()?;
    let mut state = None;
    for meaning in meanings {
        let id = meaning.id(&payload).map(Json::String);
        let Some(subject) = id.and_then(|id| subject_of(meaning.object, &[&id])) else { continue };
        let version = meaning.version(&payload);
        match meaning.mapping.action {
            // The first that maps it says what it is.
            Some(action) if state.is_none() => {
                if let Some(named) = meaning.event_type() {
                    event.native_type = Some(std::mem::replace(&mut event.event_type, named.into()));
                }
                event.action = Some(action);
                event.subject = Some(subject);
                event.version = version.or(event.version);
                let version = event.version;
                state = Some(SubjectState { version, deleted: action == Action::Deleted, reading: None });
            }
            Some(_) => {}
            None => event.subject = event.subject.take().or(Some(subject)),
        }
    }
    state
}

/// The polled streams that an event tells something of: they are worth reading now. With each, whether the event says
/// itself what changed.
pub(super) fn hints(source: &Source, event: &Event) -> Vec<(StreamKey, bool)> {
    let polled = |stream: &str| {
        let spec = source.spec.connector.as_ref().and_then(|spec| spec.streams.get(stream));
        spec.is_some_and(|spec| spec.poll.is_some())
    };
    let Some(connector) = connector(source).filter(|_| event.connection != ConnectionName::unassigned()) else {
        return Vec::new();
    };
    let topic = event.native_type.as_deref().unwrap_or(&event.event_type);
    let meanings = connector.extension.meanings(topic).filter(|meaning| polled(meaning.stream));
    let key = |stream: &str| StreamKey {
        tenant: event.tenant.clone(),
        source: event.source.clone(),
        connection: event.connection.clone(),
        stream: stream.into(),
    };
    meanings.map(|meaning| (key(meaning.stream), !meaning.is_hint())).collect()
}

fn connector(source: &Source) -> Option<&Connector> {
    source.spec.connector.as_ref().map(|spec| &*spec.connector)
}
