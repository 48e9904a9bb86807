//! Asking a source's API for somebody: whether the credentials work, and records as they are now. Every request is
//! written down as a call.

use std::sync::{Arc, Mutex, PoisonError};

use connectors::manifest::spec::Weight;
use data_encoding::HEXLOWER;
use domain::identity::Digest;
use domain::{Call, ConnectionName, Purpose, SourceName, Tenant};
use futures_util::future::BoxFuture;
use serde_json::{Value as Json, json};

use crate::engine::{Engine, EngineError};
use crate::reading::{
    Asked, CallSink, Closed, ConfigWriter, Hosts, Listener, Offer, Outside, ReadFailure, Reader, Told, Wanted,
};
use crate::spec::ConnectorSpec;
use crate::vault::Place;

/// Most records of one live read: it is held in memory whole.
pub const RECORDS_MAX: usize = 1_000;

/// Whether a connection's credentials work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    pub works: bool,
    /// Why not.
    pub why: Option<String>,
}

/// What a live read gave.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveRead {
    pub records: Vec<Json>,
    /// The stream has more, or was not read to its end.
    pub more: bool,
}

/// A connection that is asked, by name.
#[derive(Clone, Debug)]
pub struct Account {
    pub tenant: Tenant,
    pub source: SourceName,
    pub connection: ConnectionName,
}

impl Account {
    /// Where the configuration that the source changed is kept.
    fn setting(&self) -> Arc<str> {
        format!("connection/{}/{}/{}/config", self.tenant, self.source, self.connection).into()
    }
}

impl Engine {
    /// Tries the connection as its connector says.
    pub async fn check_connection(&self, account: &Account) -> Result<Checked, EngineError> {
        let reader = self.reader(account, Purpose::Check).await?;
        let deaf = Collector::new(0);
        let checked = match reader {
            Ok(reader) => reader.check(&deaf).await,
            Err(failure) => Err(failure),
        };
        Ok(match checked {
            Ok(Ok(())) => Checked { works: true, why: None },
            Ok(Err(why)) => Checked { works: false, why: Some(why) },
            Err(failure) => Checked { works: false, why: Some(failure.message) },
        })
    }

    /// The streams of a connection. Those that its source makes up are asked for.
    pub async fn connection_streams(&self, account: &Account) -> Result<Vec<Offer>, EngineError> {
        let reader = self.reader(account, Purpose::Read).await?.map_err(failed)?;
        reader.discover(&Collector::new(0)).await.map_err(failed)
    }

    /// The first records of a stream as they are now.
    pub async fn read_records(&self, account: &Account, stream: &str, limit: usize) -> Result<LiveRead, EngineError> {
        let reader = self.reader(account, Purpose::Read).await?.map_err(failed)?;
        let known = reader.source().declared().iter().any(|declared| declared.name == stream);
        if !known && reader.source().dynamic_nodes().is_ok_and(|templates| templates.is_empty()) {
            return Err(EngineError::NotFound(format!("source '{}' has no stream '{stream}'", account.source)));
        }
        let collector = Collector::new(limit.clamp(1, RECORDS_MAX));
        let wanted = Wanted { name: stream.to_owned(), ..Wanted::default() };
        let whole = reader.read(vec![wanted], &collector).await;
        let Gathered { records, failure } = collector.into_gathered();
        match failure {
            Some(failure) if records.is_empty() => Err(failed(failure)),
            failure => Ok(LiveRead { records, more: failure.is_some() || whole != Ok(true) }),
        }
    }

    /// A reader for one connection; the inner error is that its configuration cannot be used.
    async fn reader(&self, account: &Account, purpose: Purpose) -> Result<Result<Reader, ReadFailure>, EngineError> {
        let unknown = |what: String| EngineError::NotFound(what);
        let Account { tenant, source: name, connection } = account;
        let topology = self.topology();
        let source = topology.source(tenant.as_str(), name.as_str());
        let source = source.ok_or_else(|| unknown(format!("there is no source '{name}'")))?;
        let Some(spec) = &source.spec.connector else {
            let detail = format!("source '{name}' has no connector: nothing can be asked of it");
            return Err(EngineError::Invalid { code: "no_connector", detail });
        };
        let config = match spec.configs.get(connection) {
            Some(config) => Arc::clone(config.expose()),
            None if *connection == ConnectionName::default_connection() && spec.configs.is_empty() => {
                Arc::new(json!({}))
            }
            None => return Err(unknown(format!("source '{name}' has no connection '{connection}' with a config"))),
        };
        let owner = Digest::of(config.to_string().as_bytes());
        let config = self.kept_config(account, owner).await?.unwrap_or(config);
        let keeper = Keeper { engine: self.clone(), account: account.clone(), owner };
        Ok(self.open(spec, config, keeper, purpose))
    }

    fn open(
        &self,
        spec: &ConnectorSpec,
        config: Arc<Json>,
        keeper: Keeper,
        purpose: Purpose,
    ) -> Result<Reader, ReadFailure> {
        let inner = &self.inner;
        let mut usable = Json::clone(&config);
        if let Some(spec) = &spec.connector.source.spec {
            let now = crate::reading::timestamp(inner.clock.now());
            let invalid = |error: &dyn std::fmt::Display| ReadFailure::config("config_invalid", error.to_string());
            spec.migrate(&mut usable, now).map_err(|error| invalid(&error))?;
            let wrong = spec.check(&usable).into_iter().chain(spec.validate(&usable, now));
            let wrong: Vec<_> = wrong.filter(|problem| problem.weight == Weight::Error).collect();
            if let Some(first) = wrong.first() {
                return Err(invalid(first));
            }
            spec.transform(&mut usable, now).map_err(|error| invalid(&error))?;
        }
        let outside = Outside {
            transport: Arc::clone(&inner.transport),
            policy: inner.policies.egress(&keeper.account.tenant),
            hosts: Hosts::any(),
            clock: Arc::clone(&inner.clock),
            entropy: Arc::clone(&inner.entropy),
            calls: Arc::new(Book { engine: self.clone(), account: keeper.account.clone(), purpose }),
            writer: Arc::new(keeper),
            files: Arc::clone(&spec.connector.files),
        };
        Reader::new(Arc::clone(&spec.connector.source), Arc::new(usable), outside)
    }

    /// What the source changed in the configuration, if it was this one.
    async fn kept_config(&self, account: &Account, owner: Digest) -> Result<Option<Arc<Json>>, EngineError> {
        let Some(sealed) = self.inner.store.setting(account.setting()).await? else { return Ok(None) };
        let opened = std::str::from_utf8(&sealed).ok().map(|text| self.inner.vault.open(&place(account), text));
        let kept: Option<Json> = match opened {
            Some(Ok(text)) => serde_json::from_slice(&text).ok(),
            Some(Err(error)) => {
                return Err(EngineError::Invalid { code: error.code(), detail: error.to_string() });
            }
            None => None,
        };
        let Some(Json::Object(mut kept)) = kept else { return Ok(None) };
        let of_this = kept.get("of").and_then(Json::as_str) == Some(HEXLOWER.encode(&owner.0).as_str());
        Ok(kept.remove("config").filter(|_| of_this).map(Arc::new))
    }
}

fn place(account: &Account) -> Place<'_> {
    Place { tenant: account.tenant.as_str(), object: account.source.as_str(), role: "connection config" }
}

fn failed(failure: ReadFailure) -> EngineError {
    EngineError::Invalid { code: "source_failed", detail: failure.message }
}

/// Writes down what was asked.
struct Book {
    engine: Engine,
    account: Account,
    purpose: Purpose,
}

impl CallSink for Book {
    fn asked(&self, asked: Asked) {
        let Account { tenant, source, connection } = self.account.clone();
        let purpose = if asked.is_token { Purpose::Token } else { self.purpose };
        self.engine.ledger().call(Call {
            tenant,
            source,
            connection,
            stream: asked.stream,
            purpose,
            method: asked.method.as_str().into(),
            url: asked.url,
            started_at: asked.started_at,
            duration: asked.duration,
            status: asked.status,
            error: asked.error.map(Into::into),
            bytes: asked.bytes,
            budget_left: asked.budget_left,
        });
    }
}

/// Keeps a configuration that the source changed, sealed, beside the digest of the one that its owner wrote: when the
/// owner writes another, that one counts.
struct Keeper {
    engine: Engine,
    account: Account,
    owner: Digest,
}

impl ConfigWriter for Keeper {
    fn keep(&self, config: Arc<Json>) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            let inner = &self.engine.inner;
            let text = json!({ "of": HEXLOWER.encode(&self.owner.0), "config": &*config }).to_string();
            let sealed = inner.vault.seal(&*inner.entropy, &place(&self.account), text.as_bytes());
            let sealed = sealed.map_err(|error| error.to_string())?;
            let kept = inner.store.put_setting(self.account.setting(), sealed.into_bytes().into()).await;
            kept.map_err(|error| error.to_string())
        })
    }
}

/// Takes the first records and then no more.
struct Collector {
    limit: usize,
    gathered: Mutex<Gathered>,
}

#[derive(Default)]
struct Gathered {
    records: Vec<Json>,
    failure: Option<ReadFailure>,
}

impl Collector {
    fn new(limit: usize) -> Self {
        Self { limit, gathered: Mutex::default() }
    }

    fn into_gathered(self) -> Gathered {
        self.gathered.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, told: Told) -> Result<(), Closed> {
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        match told {
            Told::Records { records, .. } => {
                let room = self.limit.saturating_sub(gathered.records.len());
                let over = records.len() > room;
                gathered.records.extend(records.into_iter().take(room));
                if over || gathered.records.len() == self.limit { Err(Closed) } else { Ok(()) }
            }
            Told::Failed { failure, .. } => {
                gathered.failure.get_or_insert(failure);
                Ok(())
            }
            Told::Standing { .. } | Told::State { .. } | Told::Note { .. } => Ok(()),
        }
    }
}

impl Listener for Collector {
    fn tell(&self, told: Told) -> BoxFuture<'_, Result<(), Closed>> {
        let taken = self.take(told);
        Box::pin(async move { taken })
    }
}
