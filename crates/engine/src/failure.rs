//! The one way to say that the process must end: the store can no longer keep what it is given.

use std::sync::{Arc, OnceLock};

use store::StoreError;
use tokio_util::sync::CancellationToken;

/// Shared by every stage; the first report wins and wakes whoever waits.
#[derive(Clone, Debug, Default)]
pub struct Failure {
    error: Arc<OnceLock<StoreError>>,
    happened: CancellationToken,
}

impl Failure {
    pub fn report(&self, error: StoreError) {
        let _ = self.error.set(error);
        self.happened.cancel();
    }

    /// What was reported, if anything.
    #[must_use]
    pub fn error(&self) -> Option<&StoreError> {
        self.error.get()
    }

    /// Completes when something was reported.
    pub async fn happened(&self) {
        self.happened.cancelled().await;
    }
}
