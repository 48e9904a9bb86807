//! Asks for one record by its id, as a connector's extension says.

use std::sync::Arc;

use connectors::manifest::extension::{OneRecord, RecordId};
use connectors::manifest::request::Additions;
use domain::Purpose;
use serde_json::Value as Json;

use super::ask::Unheard;
use super::client::{Question, Stop};
use super::failure::ReadFailure;
use super::reader::Reader;
use super::seen::Seen;
use super::told::Listener;

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
        let id = RecordId::new(id).map_err(|unfit| ReadFailure::system("record_id_unfit", unfit.to_string()))?;
        let slice = id.slice();
        let additions = Additions::new().allowing(&run.allowed_hosts);
        let question = Question {
            stream: &stream,
            occasion: &run.occasion,
            requester: &one.requester,
            additions: &additions,
            seen: Seen::slice(&slice),
            cached: None,
            spooled: false,
            unheard: Unheard::AskAgain,
            conditions: None,
            is_answer: OneRecord::is_gone,
        };
        match self.client.ask(question).await.map_err(Stop::into_failure) {
            Ok(answer) => {
                let status = Some(answer.reply.status);
                let missing = |message| ReadFailure { status, ..ReadFailure::transient("record_missing", message) };
                one.found(answer.reply).map_err(|error| missing(error.to_string()))
            }
            Err(failure) => Err(failure),
        }
    }
}
