//! Asks for one record by its id, as a connector's extension says.

use std::sync::Arc;

use connectors::manifest::extension::OneRecord;
use connectors::manifest::request::Additions;
use connectors::manifest::slice::Slice;
use connectors::manifest::wire::Reply;
use domain::Purpose;
use serde_json::{Map, Value as Json};

use super::client::{Question, Stop};
use super::failure::ReadFailure;
use super::reader::Reader;
use super::seen::Seen;
use super::told::Listener;

/// What a source answers when there is no such record, or no longer.
const GONE: [u16; 2] = [404, 410];

impl Reader {
    /// The record with this id; `None` only if the source says that there is none. Anything else is a failure: absence
    /// is concluded from it, so it must not be guessed.
    pub async fn record(
        &self,
        purpose: Purpose,
        stream: &str,
        one: &OneRecord,
        id: &str,
        listener: &dyn Listener,
    ) -> Result<Option<Json>, ReadFailure> {
        let (stream, run) = (Arc::from(stream), self.run(purpose, listener));
        let slice = Slice::of(Map::from_iter([("id".to_owned(), Json::from(id))]));
        let additions = Additions::new().allowing(&run.allowed_hosts);
        let question = Question {
            stream: &stream,
            occasion: &run.occasion,
            requester: &one.requester,
            additions: &additions,
            seen: Seen::slice(&slice),
            cached: None,
            spooled: false,
        };
        match self.client.ask(question).await.map_err(Stop::into_failure) {
            Ok(answer) if GONE.contains(&answer.reply.status) => Ok(None),
            Ok(answer) => found(answer.reply, &one.record).map(Some),
            Err(failure) if failure.status.is_some_and(|status| GONE.contains(&status)) => Ok(None),
            Err(failure) => Err(failure),
        }
    }
}

fn found(mut reply: Reply, path: &[String]) -> Result<Json, ReadFailure> {
    let status = reply.status;
    let (url, mut at) = (reply.plain_url(), reply.take_json().unwrap_or_default());
    for name in path {
        at = at.get_mut(name.as_str()).map(Json::take).unwrap_or_default();
    }
    if at.is_object() && status < 400 {
        return Ok(at);
    }
    let place = if path.is_empty() { "as its body".to_owned() } else { format!("at {}", path.join(".")) };
    let message = format!("{url} answered {status} without a record {place}");
    Err(ReadFailure { status: Some(status), ..ReadFailure::transient("record_missing", message) })
}
