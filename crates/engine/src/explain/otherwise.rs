//! What would have verified a request whose signature does not fit: the same request judged again under other
//! assumptions, one at a time. Nothing is accepted by it.

use std::cell::Cell;
use std::sync::Arc;

use bytes::Bytes;
use connectors::provider::{self, Incoming, Judgement, Keys, Peer, Settings, Urls};
use domain::explain::request::{Otherwise, Rewritten};
use domain::request::InboundRequest;

use super::rewrite::rewritten;
use crate::spec::{RoleSecret, Secret};
use crate::topology::{Source, Topology};

/// Larger bodies are judged as they are: each assumption is a digest of the whole.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Bytes that are digested for one question, whatever it is about: about a tenth of a second of one core.
const WORK_BYTES_MAX: usize = 32 * 1024 * 1024;
/// What one trial counts at least, for the reading of its key: a source may have a secret for each of its accounts.
const TRIAL_BYTES_MIN: usize = 16 * 1024;

/// All that is tried, with what it is tried on. Owned, because it is done off the async threads.
pub(super) struct Trials {
    request: InboundRequest,
    source: Arc<Source>,
    others: Vec<Arc<Source>>,
    /// Bytes that may still be digested.
    work_left: Cell<usize>,
}

impl Trials {
    pub fn of(topology: &Topology, source: &Arc<Source>, request: InboundRequest) -> Self {
        let is_other = |other: &&Arc<Source>| {
            other.spec.tenant == source.spec.tenant
                && other.spec.name != source.spec.name
                && other.spec.webhook.is_some()
        };
        let others = topology.sources().filter(is_other).cloned().collect();
        Self { request, source: Arc::clone(source), others, work_left: Cell::new(WORK_BYTES_MAX) }
    }

    /// The assumptions under which it is verified. What is cheap and usual comes first, so that a tenant of many sources
    /// never uses up the work that it takes.
    pub fn run(&self) -> Vec<Otherwise> {
        if self.request.body.len() > BODY_BYTES_MAX {
            return Vec::new();
        }
        let own = self.secrets_of(&self.source);
        if self.verifies(&own, &self.request) {
            return vec![Otherwise::Now];
        }
        let with_blanks = self.verifies(&trimmed(&own), &self.request).then_some(Otherwise::SecretWithoutBlanks);
        let url = self.urls().into_iter().find(|url| self.verifies(&own, &self.at(url))).map(Otherwise::Url);
        let body = Rewritten::ALL.into_iter().find(|how| self.verifies_as(&own, *how)).map(Otherwise::Body);
        let other = self.others.iter().find(|other| self.verifies(&self.secrets_of(other), &self.request));
        let other = other.map(|other| Otherwise::SecretOfSource(other.spec.name.to_string()));
        [with_blanks, url, body, other].into_iter().flatten().collect()
    }

    fn at(&self, url: &str) -> InboundRequest {
        InboundRequest { url: url.into(), ..self.request.clone() }
    }

    fn verifies_as(&self, secrets: &[RoleSecret], how: Rewritten) -> bool {
        rewritten(&self.request.body, how).is_some_and(|body| {
            self.verifies(secrets, &InboundRequest { body: Bytes::from(body), ..self.request.clone() })
        })
    }

    fn secrets_of(&self, source: &Source) -> Vec<RoleSecret> {
        let webhook = source.spec.webhook.iter().flat_map(|webhook| webhook.secrets.iter());
        webhook.chain(source.spec.connections.values().flatten()).cloned().collect()
    }

    /// Each secret by itself: one that cannot be a key says nothing of the others.
    fn verifies(&self, secrets: &[RoleSecret], request: &InboundRequest) -> bool {
        secrets.iter().any(|secret| self.judge(secret, request).unwrap_or(false))
    }

    /// `None`: nobody can tell, or it was enough.
    fn judge(&self, secret: &RoleSecret, request: &InboundRequest) -> Option<bool> {
        self.work_left.set(self.work_left.get().checked_sub(request.body.len().max(TRIAL_BYTES_MIN))?);
        let (listener, webhook) = (self.source.listener.as_ref()?, self.source.spec.webhook.as_ref()?);
        let settings = Settings::from_json(&webhook.settings).ok()?;
        let keys = Keys::compile(&listener.recipe, &[secret.key().ok()?], &settings).ok()?;
        let incoming = Incoming {
            method: &request.method,
            urls: Urls { configured: &request.url, received: &request.url },
            headers: &request.headers,
            body: &request.body,
            peer: Peer { address: request.remote.parse().ok(), by_trusted_proxy: request.by_trusted_proxy() },
        };
        Some(match provider::judge(&listener.recipe, &keys, &incoming, request.received_at) {
            Judgement::Accepted(_) | Judgement::Handshake(_) | Judgement::Asks(..) => true,
            Judgement::Rejected(_) | Judgement::Pending(_) => false,
        })
    }

    /// What the sender may have called, as far as the request itself hints at it.
    fn urls(&self) -> Vec<String> {
        let Ok(url) = url::Url::parse(&self.request.url) else { return Vec::new() };
        let header = |wanted: &str| {
            let found = self.request.headers.iter().find(|(name, _)| **name == *wanted)?;
            std::str::from_utf8(&found.1)
                .ok()
                .map(|value| value.split(',').next().unwrap_or_default().trim().to_owned())
        };
        let own = url.host_str().map(|host| match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        });
        let mut hosts: Vec<String> =
            [own, url.host_str().map(str::to_owned), header("x-forwarded-host"), header("host")]
                .into_iter()
                .flatten()
                .collect();
        hosts.dedup();
        let path = &url[url::Position::BeforePath..];
        let (path, query) =
            path.split_once('?').map_or((path, String::new()), |(path, query)| (path, format!("?{query}")));
        let other = path.strip_suffix('/').map_or_else(|| format!("{path}/"), str::to_owned);
        let mut urls = Vec::new();
        for host in hosts {
            for scheme in ["https", "http"] {
                urls.extend([path, &other].map(|path| format!("{scheme}://{host}{path}{query}")));
            }
        }
        urls.retain(|url| **url != *self.request.url);
        urls
    }
}

/// Those that have blanks at an end, without them.
fn trimmed(secrets: &[RoleSecret]) -> Vec<RoleSecret> {
    let padded = secrets.iter().filter(|secret| secret.secret.expose().trim() != secret.secret.expose());
    padded
        .map(|secret| RoleSecret { secret: Secret::new(secret.secret.expose().trim().to_owned()), ..secret.clone() })
        .collect()
}
