//! Destinations that answered 410 are disabled: only a person lets them take deliveries again.

use std::sync::Weak;

use tokio::sync::mpsc::UnboundedReceiver;

use super::{Engine, Inner};
use crate::work::DestinationKey;

/// Disables destinations that answered 410, for as long as dispatch runs.
pub(super) async fn disable_gone(engine: Weak<Inner>, mut gones: UnboundedReceiver<DestinationKey>) {
    while let Some(DestinationKey { tenant, name }) = gones.recv().await {
        let Some(inner) = engine.upgrade() else { return };
        if let Err(error) = (Engine { inner }).disable(tenant, name.clone(), "it answered 410 Gone".to_owned()).await {
            crate::telemetry::disable_failed(&name, error.code(), &error);
        }
    }
}
