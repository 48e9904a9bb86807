//! What a reading tells whoever asked for it, piece by piece. The one who listens sets the pace: the next page is asked
//! for when this one was taken.

use std::sync::Arc;

use connectors::manifest::page::PageToken;
use connectors::manifest::slice::Slice;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value as Json, json};

use super::failure::ReadFailure;

/// How a stream stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Started,
    /// Its first record is there.
    Running,
    /// The source told us to wait.
    RateLimited,
    Complete,
    /// Something of it could not be read.
    Incomplete,
}

/// How much a note matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// A place within a slice, between two of its pages.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    pub partition: Map<String, Json>,
    pub window: Map<String, Json>,
    pub token: PageToken,
}

impl Place {
    /// As it can be kept.
    #[must_use]
    pub fn kept(&self) -> Json {
        json!({ "partition": self.partition, "window": self.window, "page": self.token.kept() })
    }

    /// What [`kept`](Self::kept) gave.
    #[must_use]
    pub fn from_kept(kept: &Json) -> Option<Self> {
        let map = |name: &str| kept.get(name)?.as_object().cloned();
        Some(Self {
            partition: map("partition")?,
            window: map("window")?,
            token: PageToken::from_kept(kept.get("page")?)?,
        })
    }
}

/// One thing that is told.
#[derive(Debug)]
pub enum Told {
    Standing {
        stream: Arc<str>,
        standing: Standing,
    },
    /// Records of one page, or of a part of one; never empty.
    Records {
        stream: Arc<str>,
        records: Vec<Json>,
        /// Where the slice goes on behind them, where they end a page that is not its last.
        place: Option<Box<Place>>,
        /// Whose they are.
        slice: Arc<Slice>,
    },
    /// Where the stream would go on. Everything before it was told before it.
    State {
        stream: Arc<str>,
        state: Json,
    },
    Failed {
        stream: Option<Arc<str>>,
        failure: ReadFailure,
    },
    /// Something was not answered, and the manifest lets that pass as if it had no records: the list is not the whole one.
    PassedOver {
        message: String,
    },
    Note {
        level: Level,
        message: String,
    },
}

/// Nobody listens any more: the reading ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

/// Takes what is told. Returning is the permission to go on.
pub trait Listener: Send + Sync {
    fn tell(&self, told: Told) -> BoxFuture<'_, Result<(), Closed>>;
}

/// Listens to nothing: for questions whose answer is all that is wanted.
pub struct Deaf;

impl Listener for Deaf {
    fn tell(&self, _: Told) -> BoxFuture<'_, Result<(), Closed>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Keeps what an authenticator changes in the configuration: a rotated refresh token is worthless once it was used, so
/// the next one must be durable before anything else is done with it.
pub trait ConfigWriter: Send + Sync {
    /// Returns when `config` is kept, whole.
    fn keep(&self, config: Arc<Json>) -> BoxFuture<'_, Result<(), String>>;

    /// The configuration as it is kept by now, where others may have changed it too; `None` where nobody else does.
    fn latest(&self) -> BoxFuture<'_, Result<Option<Arc<Json>>, String>> {
        Box::pin(std::future::ready(Ok(None)))
    }
}
