//! The demo's live view: a line for everything that happens, read from the store as any other reader would.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use domain::request::Verdict;
use domain::{DeliveryId, DeliveryState, RequestId, Tenant, Timestamp};
use engine::Engine;
use serde_json::{Value, json};
use store::StoreError;
use store::read::{DeliveryFilter, DeliveryRow, EventFilter, Page, Position, RequestFilter};
use tokio::sync::mpsc::UnboundedReceiver;

use super::feeder::Duplicate;
use crate::exit::Outcome;
use crate::output::{Output, clean};

/// How often the store is looked at: often enough to look alive, seldom enough to cost nothing.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Deliveries and requests looked at each time: minutes of the demo's own traffic.
const LOOKED_AT: u32 = 200;

pub struct View {
    engine: Engine,
    tenant: Tenant,
    output: Output,
    duplicates: UnboundedReceiver<Duplicate>,
    position: Option<Position>,
    deliveries: BTreeMap<DeliveryId, (DeliveryState, u32)>,
    rejected: HashSet<RequestId>,
}

/// One thing that happened.
struct Happening {
    what: &'static str,
    at: Timestamp,
    /// Of the source or the destination.
    name: String,
    event: String,
    detail: String,
    id: String,
}

impl View {
    pub fn new(engine: Engine, duplicates: UnboundedReceiver<Duplicate>, output: Output) -> Self {
        let (deliveries, rejected) = (BTreeMap::new(), HashSet::new());
        Self { engine, tenant: Tenant::default_tenant(), output, duplicates, position: None, deliveries, rejected }
    }

    /// Shows what happens until it is dropped, or nobody reads it any more.
    pub async fn run(mut self) {
        let clock = engine::clock::SharedClock::clone(self.engine.clock());
        loop {
            let happened = match self.look().await {
                Ok(happened) => happened,
                Err(StoreError::Closed) => return,
                Err(error) => {
                    tracing::debug!(code = error.code(), "the view missed a look");
                    Vec::new()
                }
            };
            if happened.iter().try_for_each(|happening| self.show(happening)).is_err() {
                return;
            }
            clock.sleep(LOOK_EVERY).await;
        }
    }

    /// Everything new, in the order in which it happened.
    async fn look(&mut self) -> Result<Vec<Happening>, StoreError> {
        let mut happened = self.new_events().await?;
        happened.extend(self.new_rejections().await?);
        while let Ok(Duplicate { source, event, id }) = self.duplicates.try_recv() {
            let (at, detail) = (self.engine.clock().now(), "known, answered with the first one's id".to_owned());
            happened.push(Happening { what: "duplicate", at, name: source.to_owned(), event, detail, id });
        }
        happened.extend(self.moved_deliveries().await?);
        Ok(happened)
    }

    async fn new_events(&mut self) -> Result<Vec<Happening>, StoreError> {
        let (store, tenant) = (self.engine.store(), self.tenant.clone());
        let page = Page { after: self.position.clone(), ..Page::first(LOOKED_AT) };
        let found = store.events_after(tenant, EventFilter::default(), page).await?;
        let happened = found.events.iter().map(|(_, event)| Happening {
            what: "accepted",
            at: event.received_at,
            name: event.source.to_string(),
            event: event.event_type.to_string(),
            detail: format!("{} bytes", event.payload.len()),
            id: event.id.to_string(),
        });
        let happened = happened.collect();
        self.position = Some(found.until);
        Ok(happened)
    }

    async fn new_rejections(&mut self) -> Result<Vec<Happening>, StoreError> {
        let filter = RequestFilter { verdict: Some(Verdict::Rejected), ..RequestFilter::default() };
        let listed = self.engine.store().requests(self.tenant.clone(), filter, Page::first(LOOKED_AT)).await?;
        // Only what is on the page is remembered, so that a long demo does not grow.
        let known = std::mem::replace(&mut self.rejected, listed.rows.iter().map(|kept| kept.request.id).collect());
        let fresh = listed.rows.into_iter().rev().filter(|kept| !known.contains(&kept.request.id));
        let happening = |kept: store::intake::KeptRequest| Happening {
            what: "rejected",
            at: kept.request.received_at,
            name: kept.request.source.to_string(),
            event: String::new(),
            detail: kept.reason.map(|reason| reason.code.to_string()).unwrap_or_default(),
            id: kept.request.id.to_string(),
        };
        Ok(fresh.map(happening).collect())
    }

    async fn moved_deliveries(&mut self) -> Result<Vec<Happening>, StoreError> {
        let filter = DeliveryFilter::default();
        let listed = self.engine.store().deliveries(self.tenant.clone(), filter, Page::first(LOOKED_AT)).await?;
        let mut happened = Vec::new();
        let mut seen = BTreeMap::new();
        for row in listed.rows.into_iter().rev() {
            let now = (row.state, row.attempts);
            let before = self.deliveries.get(&row.id).copied();
            seen.insert(row.id, now);
            if before != Some(now) {
                happened.extend(self.of_delivery(&row).await?);
            }
        }
        self.deliveries = seen;
        Ok(happened)
    }

    /// How the last try of a delivery ended.
    async fn outcome(&self, id: DeliveryId) -> Result<String, StoreError> {
        let detail = self.engine.store().delivery(self.tenant.clone(), id).await?;
        let last = detail.and_then(|detail| detail.attempts.into_iter().next_back());
        Ok(last
            .map(|last| match last.status {
                Some(status) => status.to_string(),
                None => last.outcome.to_string(),
            })
            .unwrap_or_default())
    }

    async fn of_delivery(&self, row: &DeliveryRow) -> Result<Option<Happening>, StoreError> {
        let now = self.engine.clock().now();
        let tries = |count: u32| if count == 1 { "1 try".to_owned() } else { format!("{count} tries") };
        let (what, detail) = match row.state {
            DeliveryState::Delivered => ("delivered", format!("after {}", tries(row.attempts))),
            DeliveryState::Filtered => ("filtered", format!("by `when` of {}", row.route)),
            DeliveryState::Dead => {
                ("dead", format!("after {}, the last: {}", tries(row.attempts), self.outcome(row.id).await?))
            }
            DeliveryState::Cancelled => ("cancelled", String::new()),
            DeliveryState::Held => ("held", String::new()),
            DeliveryState::Retrying => {
                let wait = row.due_at.map_or(Duration::ZERO, |due| due.since(now));
                let outcome = self.outcome(row.id).await?;
                ("failed", format!("try {}: {outcome}, again in {:.1} s", row.attempts, wait.as_secs_f64()))
            }
            DeliveryState::Pending | DeliveryState::InFlight => return Ok(None),
        };
        Ok(Some(Happening {
            what,
            at: row.finished_at.unwrap_or(now),
            name: row.destination.to_string(),
            event: row.event_type.to_string(),
            detail,
            id: row.id.to_string(),
        }))
    }

    fn show(&self, happening: &Happening) -> Outcome {
        self.output.json(&happening.to_json())?;
        self.output.line(happening.line(self.output.is_terminal()))
    }
}

impl Happening {
    fn to_json(&self) -> Value {
        let Self { what, at, name, event, detail, id } = self;
        json!({ "what": what, "at": at, "name": name, "type": event, "detail": detail, "id": id })
    }

    fn line(&self, coloured: bool) -> String {
        let time = self.at.to_string();
        let time = time.get(11..19).unwrap_or_default();
        let what = format!("{:<9}", self.what);
        let what = if coloured { format!("{}{what}\u{1b}[0m", colour(self.what)) } else { what };
        let (name, event, detail) = (&self.name, clean(&self.event), clean(&self.detail));
        format!("{time}  {what}  {name:<8} {event:<24} {detail:<40} {}", self.id).trim_end().to_owned()
    }
}

/// Calm for what goes well, loud for what does not.
fn colour(what: &str) -> &'static str {
    match what {
        "accepted" => "\u{1b}[36m",
        "delivered" => "\u{1b}[32m",
        "failed" => "\u{1b}[33m",
        "dead" | "rejected" => "\u{1b}[31m",
        _ => "\u{1b}[2m",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_what_where_and_how_and_is_coloured_only_for_people() {
        let happening = Happening {
            what: "dead",
            at: "2026-01-31T09:30:00Z".parse().expect("a time"),
            name: "flaky".into(),
            event: "push\u{1b}[2J".into(),
            detail: "after 3 tries: refused".into(),
            id: "dlv_1".into(),
        };
        let plain = happening.line(false);
        assert!(plain.starts_with("09:30:00  dead       flaky    push\u{fffd}[2J"), "{plain}");
        assert!(plain.ends_with("dlv_1") && !plain.contains('\u{1b}'));
        assert!(happening.line(true).contains("\u{1b}[31mdead"));
        assert_eq!(happening.to_json()["what"], "dead");
    }
}
