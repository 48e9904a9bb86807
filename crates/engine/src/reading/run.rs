//! One run over some streams of a source: what all of them share.

use std::sync::Arc;

use connectors::manifest::request::additions::Hosts as AllowedHosts;
use domain::Purpose;
use tokio::sync::Semaphore;

use super::cache::Cache;
use super::client::Client;
use super::failure::ReadFailure;
use super::told::{Level, Listener, Standing, Told};

/// Who asks and why, and what is known only as long as they do.
pub(super) struct Occasion<'r> {
    pub listener: &'r dyn Listener,
    pub purpose: Purpose,
    /// The stream that is read, if it is one.
    pub sake: Option<Arc<str>>,
    /// Later runs of a reader have greater ones.
    pub number: u64,
    /// Answers that this run asks for again.
    pub cache: Cache,
}

pub(super) struct Run<'r> {
    pub client: &'r Client,
    pub occasion: Occasion<'r>,
    /// Hosts that a next page may be at, beside the source's own.
    pub allowed_hosts: AllowedHosts,
    /// The files of the manifest's package.
    pub files: &'r (dyn Fn(&str) -> Option<Vec<u8>> + Send + Sync),
    /// How many slices of one stream are begun at once.
    pub level: usize,
    /// Slices that are read at once, over all streams.
    pub workers: Arc<Semaphore>,
    /// Jobs that a source runs for us at once.
    pub jobs: Arc<Semaphore>,
    /// Streams whose partitions are being found at once.
    pub finders: Arc<Semaphore>,
}

impl Run<'_> {
    pub async fn note(&self, message: String) -> Result<(), ReadFailure> {
        self.occasion.listener.tell(Told::Note { level: Level::Warn, message }).await.map_err(Into::into)
    }

    pub async fn tell_passed_over(&self, message: String) -> Result<(), ReadFailure> {
        self.occasion.listener.tell(Told::PassedOver { message }).await.map_err(Into::into)
    }

    pub async fn tell_standing(&self, stream: &Arc<str>, standing: Standing) -> Result<(), ReadFailure> {
        self.occasion.listener.tell(Told::Standing { stream: Arc::clone(stream), standing }).await.map_err(Into::into)
    }

    pub async fn tell_failed(&self, stream: &Arc<str>, failure: ReadFailure) -> Result<(), ReadFailure> {
        self.occasion
            .listener
            .tell(Told::Failed { stream: Some(Arc::clone(stream)), failure })
            .await
            .map_err(Into::into)
    }
}
