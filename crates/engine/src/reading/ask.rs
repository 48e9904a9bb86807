//! Single requests that an extension makes possible beside reading records: keeping subscriptions.

use std::sync::Arc;

use connectors::manifest::extension::{Ask, Place, PlacesError, Webhooks};
use connectors::manifest::request::Additions;
use connectors::manifest::wire::Reply;
use domain::Purpose;

use super::client::{Question, Stop, no_status};
use super::failure::ReadFailure;
use super::reader::Reader;
use super::seen::Seen;
use super::told::Listener;

/// What may be done where it is not known whether the source has heard a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unheard {
    /// Twice does no harm.
    AskAgain,
    /// Twice would make two: whoever asked has to look first what there is.
    GiveUp,
}

impl Reader {
    /// What the source answers. `name` is what the call is listed under.
    pub async fn ask(
        &self,
        purpose: Purpose,
        name: &str,
        ask: &Ask<'_>,
        unheard: Unheard,
        listener: &dyn Listener,
    ) -> Result<Reply, ReadFailure> {
        let (name, run) = (Arc::from(name), self.run(purpose, listener));
        let additions = Additions::new().allowing(&run.allowed_hosts);
        let question = Question {
            stream: &name,
            occasion: &run.occasion,
            requester: ask.requester(),
            additions: &additions,
            seen: Seen::slice(ask.slice()),
            cached: None,
            spooled: false,
            unheard,
            conditions: None,
            is_answer: no_status,
        };
        self.client.ask(question).await.map(|answer| answer.reply).map_err(Stop::into_failure)
    }

    /// What there must be a subscription for, by the configuration as it is now.
    pub fn places(&self, webhooks: &Webhooks) -> Result<Vec<Place>, PlacesError> {
        let config = self.config();
        webhooks.places(&Seen::default().scope(&config, self.client.now()))
    }
}
