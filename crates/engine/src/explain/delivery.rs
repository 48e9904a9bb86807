//! What is known of a delivery.

use std::time::Duration;

use domain::breaker::BreakerState;
use domain::explain::delivery::{Destination, Facts, Minute, Standing, Try, explain};
use domain::{DeliveryId, DestinationName, Tenant, Timestamp};
use store::StoreError;
use store::dispatch::Attempt;
use store::people::{DestinationState, DestinationStatus};
use store::read::DeliveryDetail;
use store::watch::{Figure, Series, Step};

use super::{Context, Explained};
use crate::engine::{Engine, EngineError};

/// How far back the destination's tries are looked at.
const LOOK_BACK: Duration = Duration::from_secs(60 * 60);
/// Of an answer: what rules look for is at its beginning.
const RESPONSE_BYTES: usize = 2 * 1024;

/// What is known beside the deliveries themselves, asked once however many are explained.
struct Around {
    now: Timestamp,
    statuses: Vec<(Tenant, DestinationName, DestinationStatus)>,
    figures: Vec<(Timestamp, Figure)>,
}

impl Engine {
    /// Why a delivery is not delivered.
    pub async fn explain_delivery(&self, tenant: Tenant, id: DeliveryId) -> Result<Explained, EngineError> {
        let not_there = || EngineError::NotFound(format!("there is no delivery {id}"));
        let detail = self.inner.store.delivery(tenant.clone(), id).await?.ok_or_else(not_there)?;
        self.explain_deliveries(&tenant, vec![detail]).await?.pop().ok_or_else(not_there)
    }

    /// The same of several, in their order.
    pub async fn explain_deliveries(
        &self,
        tenant: &Tenant,
        details: Vec<DeliveryDetail>,
    ) -> Result<Vec<Explained>, StoreError> {
        let around = self.around(tenant).await?;
        let mut explained = Vec::with_capacity(details.len());
        for detail in details {
            let facts = self.delivery_facts(tenant, detail, &around).await;
            explained.push(Explained { diagnoses: explain(&facts), context: Context::of_delivery(&facts) });
        }
        Ok(explained)
    }

    async fn around(&self, tenant: &Tenant) -> Result<Around, StoreError> {
        let (store, now) = (&self.inner.store, self.inner.clock.now());
        Ok(Around {
            now,
            statuses: store.destination_statuses().await?,
            figures: store.figures(tenant.clone(), Series::Attempts, Step::Minute, now - LOOK_BACK).await?,
        })
    }

    async fn delivery_facts(&self, tenant: &Tenant, detail: DeliveryDetail, around: &Around) -> Facts {
        let DeliveryDetail { row, attempts, prepared } = detail;
        let route_gone = self.topology().route(tenant.as_str(), row.route.as_str()).is_none();
        Facts {
            now: around.now,
            state: row.state,
            cause: row.cause.map(|cause| (cause.code.to_string(), cause.detail)),
            tries: attempts.into_iter().map(tried).collect(),
            due_at: row.due_at,
            behind: row.behind,
            subject: row.subject,
            route: row.route.to_string(),
            route_gone,
            destination: self.destination_facts(tenant, &row.destination, around).await,
            body_bytes: prepared.as_ref().map(|prepared| prepared.body.len() as u64),
            content_type: prepared.map(|prepared| prepared.content_type.to_string()).unwrap_or_default(),
            minutes: minutes(&around.figures, &row.destination),
        }
    }

    async fn destination_facts(&self, tenant: &Tenant, name: &DestinationName, around: &Around) -> Destination {
        let status = around.statuses.iter().find(|(owner, found, _)| owner == tenant && found == name);
        let status = status.map(|(_, _, status)| status);
        let topology = self.topology();
        let Some(known) = topology.destination(tenant.as_str(), name.as_str()) else {
            return Destination { name: name.to_string(), standing: Standing::Retired, ..Destination::default() };
        };
        let standing = match status.map(|status| status.state) {
            None | Some(DestinationState::Active) => Standing::Active,
            Some(DestinationState::Paused) => Standing::Paused,
            Some(DestinationState::Disabled) => Standing::Disabled,
            Some(DestinationState::Retired) => Standing::Retired,
        };
        let live = self.destination_live(tenant.clone(), name.clone()).await;
        let url = url::Url::parse(known.target.url()).ok();
        Destination {
            name: name.to_string(),
            https: url.as_ref().is_some_and(|url| url.scheme() == "https"),
            host: known.shown_host(),
            port: url.and_then(|url| url.port_or_known_default()).unwrap_or_default(),
            standing,
            why: status.map(|status| status.reason.clone()).unwrap_or_default(),
            breaker_open: live.is_some_and(|live| live.in_charge && live.breaker != BreakerState::Closed),
            signed: !known.spec.http.secrets.is_empty(),
            first_byte: known.spec.http.timeouts.first_byte,
        }
    }
}

fn minutes(figures: &[(Timestamp, Figure)], name: &DestinationName) -> Vec<Minute> {
    let own = figures.iter().filter(|(_, figure)| *figure.object == *name.as_str());
    let mut minutes: Vec<Minute> =
        own.map(|(at, figure)| Minute { at: *at, tries: figure.count, failed: figure.failed }).collect();
    minutes.sort_by_key(|minute| minute.at);
    minutes
}

fn tried(attempt: Attempt) -> Try {
    let response = &attempt.response[..attempt.response.len().min(RESPONSE_BYTES)];
    Try {
        at: attempt.started_at,
        duration: Duration::from_micros(attempt.duration_us),
        outcome: attempt.outcome.to_string(),
        status: attempt.status,
        error: attempt.error.unwrap_or_default(),
        response: String::from_utf8_lossy(response).to_lowercase(),
    }
}
