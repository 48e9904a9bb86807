//! Writes down what was asked of a source, and hides its secrets in whatever is told of it.

use std::sync::{Arc, Mutex, PoisonError};

use connectors::manifest::spec::without;
use domain::{Call, Purpose};
use futures_util::future::BoxFuture;
use rustc_hash::FxHashMap;
use serde_json::Value as Json;

use super::{Account, Upstream};
use crate::connector::Connector;
use crate::ledger::Ledger;
use crate::reading::{Asked, CallSink, Closed, Learned, Listener, ReadFailure, Told};

/// The secrets of one connection: what its connector's specification calls so, and what its source gave since.
#[derive(Clone)]
pub(super) struct Mask {
    pub connector: Arc<Connector>,
    pub config: Arc<Json>,
    pub learned: Arc<Learned>,
}

impl Mask {
    pub fn hide(&self, text: &str) -> String {
        let mut secrets = self.learned.texts();
        if let Some(spec) = &self.connector.source.spec {
            secrets.extend(spec.secrets().values(&self.config));
        }
        without(text, secrets)
    }

    pub fn failure(&self, failure: ReadFailure) -> ReadFailure {
        let detail = failure.detail.map(|detail| self.hide(&detail));
        ReadFailure { message: self.hide(&failure.message), detail, ..failure }
    }
}

/// Writes calls into the ledger. Some sources have their key in the path.
pub(super) struct Book {
    pub ledger: Arc<Ledger>,
    pub account: Account,
    pub mask: Mask,
    pub counted: Arc<Counted>,
}

/// Requests by stream and purpose, for runs to say what they cost.
#[derive(Default)]
pub(super) struct Counted(Mutex<FxHashMap<(Arc<str>, Purpose), u64>>);

impl Counted {
    fn add(&self, stream: Arc<str>, purpose: Purpose) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry((stream, purpose)).or_default() += 1;
    }

    pub fn of(&self, stream: &Arc<str>, purpose: Purpose) -> u64 {
        let counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.get(&(Arc::clone(stream), purpose)).copied().unwrap_or_default()
    }
}

impl CallSink for Book {
    fn asked(&self, asked: Asked) {
        if let Some(stream) = &asked.stream {
            self.counted.add(Arc::clone(stream), asked.purpose);
        }
        let Account { tenant, source, connection } = self.account.clone();
        self.ledger.call(Call {
            tenant,
            source,
            connection,
            stream: asked.stream,
            purpose: asked.purpose,
            method: asked.method.as_str().into(),
            url: self.mask.hide(&asked.url),
            started_at: asked.started_at,
            duration: asked.duration,
            status: asked.status,
            error: asked.error.map(Into::into),
            bytes: asked.bytes,
            budget_left: asked.budget_left,
        });
    }
}

/// Hands on what is told, without secrets, and looks at what failed.
pub(super) struct Censor<'l> {
    pub upstream: &'l Upstream,
    pub listener: &'l dyn Listener,
}

impl Listener for Censor<'_> {
    fn tell(&self, told: Told) -> BoxFuture<'_, Result<(), Closed>> {
        self.listener.tell(match told {
            Told::Failed { stream, failure } => Told::Failed { stream, failure: self.upstream.looked_at(failure) },
            Told::Note { level, message } => Told::Note { level, message: self.upstream.mask.hide(&message) },
            Told::PassedOver { message } => Told::PassedOver { message: self.upstream.mask.hide(&message) },
            told @ (Told::Standing { .. } | Told::Records { .. } | Told::State { .. }) => told,
        })
    }
}
