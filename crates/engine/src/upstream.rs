//! Asking a source's API for somebody: whether the credentials work, records as they are now, changes since a state, one
//! record by its id. Every request is written down as a call; a connection's reader is made once for all who ask.

mod book;
mod live;
mod pages;
mod rotated;
mod shelf;
mod validators;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use connectors::manifest::extension::{Ask, OneRecord, Place, PlacesError, Webhooks};
use connectors::manifest::wire::Reply;
use domain::{ConnectionName, Purpose, SourceName, Tenant};
use serde_json::{Value as Json, json};

use crate::connector::Connector;
use crate::engine::{Engine, EngineError};
use crate::reading::{Closed, Deaf, Listener, Offer, ReadFailure, Reader, Unheard, Wanted};
use crate::spec::ConnectorSpec;
use crate::topology::Topology;
use book::{Censor, Counted, Mask};
use rotated::RotatedError;
use validators::Remembered;

pub use live::{Checked, LiveRead, RECORDS_MAX};
pub use pages::{Ended, Page, Taker};
pub use rotated::rewrap_rotated;
pub(crate) use shelf::{UpstreamParts, Upstreams};

/// What calls about webhook subscriptions are listed under, in place of a stream.
const SUBSCRIPTIONS: &str = "subscriptions";

/// A connection that is asked, by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Account {
    pub tenant: Tenant,
    pub source: SourceName,
    pub connection: ConnectionName,
}

/// Why nothing can be asked of a connection.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unopened {
    /// There is no such connection, or the store does not answer.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// It cannot be read with its configuration.
    #[error(transparent)]
    Failed(#[from] ReadFailure),
}

impl From<RotatedError> for Unopened {
    fn from(error: RotatedError) -> Self {
        Self::Engine(match error {
            RotatedError::Store(error) => error.into(),
            RotatedError::Vault(error) => EngineError::Invalid { code: error.code(), detail: error.to_string() },
            RotatedError::Outdated => EngineError::Conflict(error.to_string()),
        })
    }
}

impl From<Unopened> for EngineError {
    fn from(unopened: Unopened) -> Self {
        match unopened {
            Unopened::Engine(error) => error,
            Unopened::Failed(failure) => failed(failure),
        }
    }
}

fn failed(failure: ReadFailure) -> EngineError {
    EngineError::Invalid { code: "source_failed", detail: failure.message }
}

/// One connection's way to its source, shared by all who ask. What it tells has no secrets in it, neither those of its
/// configuration nor those that the source gave.
pub struct Upstream {
    account: Account,
    reader: Reader,
    mask: Mask,
    counted: Arc<Counted>,
    remembered: Remembered,
    /// Its credentials were refused: whoever asks next begins with what the store has.
    is_spent: AtomicBool,
}

impl Engine {
    /// The way to a connection's source, as it is configured now. It is kept, with its tokens and its budget, until the
    /// configuration changes: ask for it each time, and hold it only as long as one reading takes.
    pub async fn upstream(&self, account: &Account) -> Result<Arc<Upstream>, Unopened> {
        self.inner.upstreams.get(&self.topology(), account).await
    }
}

impl Upstream {
    fn new(account: Account, reader: Reader, mask: Mask, counted: Arc<Counted>) -> Self {
        let (remembered, is_spent) = (Remembered::default(), AtomicBool::new(false));
        Self { account, reader, mask, counted, remembered, is_spent }
    }

    #[must_use]
    pub fn account(&self) -> &Account {
        &self.account
    }

    #[must_use]
    pub fn connector(&self) -> &Arc<Connector> {
        &self.mask.connector
    }

    /// Reads streams and tells what comes; [`pages`](Self::pages) is easier for one that must not be lost.
    pub async fn read(&self, purpose: Purpose, wanted: Vec<Wanted>, listener: &dyn Listener) -> Result<bool, Closed> {
        self.reader.read(purpose, wanted, &self.censor(listener)).await
    }

    /// One record by its id, if the connector says how it is asked for. `Ok(None)` only if the source says that there
    /// is none.
    pub async fn record(&self, purpose: Purpose, stream: &str, id: &str) -> Result<Option<Json>, ReadFailure> {
        let one = self.connector().extension.streams.get(stream).and_then(|stream| stream.get.as_ref());
        let one = one.ok_or_else(|| {
            ReadFailure::config("get_missing", format!("the connector does not say how one of '{stream}' is asked for"))
        })?;
        let found = self.reader.record(purpose, stream, one, id, &self.censor(&Deaf)).await;
        found.map_err(|failure| self.looked_at(failure))
    }

    /// One record by its id, asked for in another way than the connector's. `name` is what the calls are listed under.
    pub async fn record_by(
        &self,
        purpose: Purpose,
        name: &str,
        one: &OneRecord,
        id: &str,
    ) -> Result<Option<Json>, ReadFailure> {
        let found = self.reader.record(purpose, name, one, id, &self.censor(&Deaf)).await;
        found.map_err(|failure| self.looked_at(failure))
    }

    /// What the source says to a request about its webhook subscriptions.
    pub(crate) async fn ask(&self, ask: &Ask<'_>, unheard: Unheard) -> Result<Reply, ReadFailure> {
        let asked = self.reader.ask(Purpose::Subscribe, SUBSCRIPTIONS, ask, unheard, &self.censor(&Deaf)).await;
        asked.map_err(|failure| self.looked_at(failure))
    }

    /// What there must be a subscription for.
    pub(crate) fn places(&self, webhooks: &Webhooks) -> Result<Vec<Place>, PlacesError> {
        self.reader.places(webhooks)
    }

    /// Whether the credentials work, as the connector tries them; `Ok(Err(why))` if they do not.
    pub async fn check(&self) -> Result<Result<(), String>, ReadFailure> {
        let checked = self.reader.check(&self.censor(&Deaf)).await.map_err(|failure| self.looked_at(failure))?;
        Ok(checked.map_err(|why| self.mask.hide(&why)))
    }

    /// The streams. Those that the source makes up are asked for.
    pub async fn streams(&self) -> Result<Vec<Offer>, ReadFailure> {
        self.reader.discover(&self.censor(&Deaf)).await.map_err(|failure| self.looked_at(failure))
    }

    /// Whether there may be a stream of this name: those that the source makes up are known only to it.
    fn may_have(&self, stream: &str) -> bool {
        let source = self.reader.source();
        source.declared().iter().any(|declared| declared.name == stream)
            || !source.dynamic_nodes().is_ok_and(|templates| templates.is_empty())
    }

    /// Requests sent for a stream and a purpose since this way was made.
    #[must_use]
    pub fn requests(&self, stream: &Arc<str>, purpose: Purpose) -> u64 {
        self.counted.of(stream, purpose)
    }

    /// A text without the connection's secrets.
    pub(crate) fn hide(&self, text: &str) -> String {
        self.mask.hide(text)
    }

    fn censor<'l>(&'l self, listener: &'l dyn Listener) -> Censor<'l> {
        Censor { upstream: self, listener }
    }

    fn looked_at(&self, failure: ReadFailure) -> ReadFailure {
        if failure.code == "auth_failed" {
            self.is_spent.store(true, Ordering::Relaxed);
        }
        self.mask.failure(failure)
    }

    fn is_spent(&self) -> bool {
        self.is_spent.load(Ordering::Relaxed)
    }
}

impl Topology {
    /// What a connection is read with.
    pub(crate) fn upstream(&self, account: &Account) -> Result<(&ConnectorSpec, Arc<Json>), EngineError> {
        let Account { tenant, source: name, connection } = account;
        let unknown = |what: String| Err(EngineError::NotFound(what));
        let Some(source) = self.source(tenant.as_str(), name.as_str()) else {
            return unknown(format!("there is no source '{name}'"));
        };
        let Some(spec) = &source.spec.connector else {
            let detail = format!("source '{name}' has no connector: nothing can be asked of it");
            return Err(EngineError::Invalid { code: "no_connector", detail });
        };
        let config = match spec.configs.get(connection) {
            Some(config) => Arc::clone(config.expose()),
            None if *connection == ConnectionName::default_connection() && spec.configs.is_empty() => {
                Arc::new(json!({}))
            }
            None => return unknown(format!("source '{name}' has no connection '{connection}' with a config")),
        };
        Ok((spec, config))
    }
}
