//! Who has to wait while as many search as may.

use std::sync::Arc;
use std::time::Duration;

use domain::{DeliveryId, EventId, RequestId, Tenant};
use store::audit::{Audit, AuditFilter};
use store::dispatch::{ClaimDue, Dispatch, Owner};
use store::intake::Intake;
use store::keep::Keep;
use store::nodes::Nodes;
use store::people::People;
use store::read::{DeliveryFilter, EventFilter, Page, Position, Read, RequestFilter};
use store::reading::Reading;
use store::registry::Registry;
use store::shapes::Shapes;
use store::watch::{CallFilter, Watch};
use store::{StoreError, Verb};

use crate::options::QUICK_LOOK;
use crate::testkit::{Database, NOW};
use crate::{OpenOptions, PostgresStore};

type Asked<'a> = (&'static str, Verb<'a, ()>);

fn asked<'a, T: Send + 'a>(name: &'static str, verb: Verb<'a, T>) -> Asked<'a> {
    (name, Box::pin(async move { verb.await.map(drop) }))
}

fn tenant() -> Tenant {
    Tenant::default_tenant()
}

/// What people look through.
fn searches(store: &PostgresStore) -> Vec<Asked<'_>> {
    let page = || Page::first(10);
    vec![
        asked("events", store.events(tenant(), EventFilter::default(), page())),
        asked("count_events", store.count_events(tenant(), EventFilter::default(), Duration::ZERO)),
        asked("events_after", store.events_after(tenant(), EventFilter::default(), page())),
        asked("position_since", store.position_since(tenant(), NOW)),
        asked("deliveries", store.deliveries(tenant(), DeliveryFilter::default(), page())),
        asked("requests", store.requests(tenant(), RequestFilter::default(), page())),
        asked("calls", store.calls(tenant(), CallFilter::default(), page())),
        asked("shapes", store.shapes(tenant(), None, page())),
        asked("audit", store.audit(tenant(), AuditFilter::default(), page())),
    ]
}

/// What is needed to take in, to deliver, and to notice that something is wrong.
fn others(store: &PostgresStore) -> Vec<Asked<'_>> {
    let uuid = uuid::Uuid::nil();
    let quick = Page { limit: 1, after: None::<Position>, scan: QUICK_LOOK };
    let ask = ClaimDue { owner: Owner(1), lease: QUICK_LOOK, now: NOW, asks: Vec::new() };
    vec![
        asked("accept", store.accept(Vec::new(), NOW)),
        asked("pending_requests", store.pending_requests(NOW, 1)),
        asked("event", store.event(tenant(), EventId::from_uuid(uuid))),
        asked("request", store.request(tenant(), RequestId::from_uuid(uuid))),
        asked("delivery", store.delivery(tenant(), DeliveryId::from_uuid(uuid))),
        asked("claim_due", store.claim_due(ask)),
        asked("settle", store.settle(Vec::new(), NOW)),
        asked("rescue_lapsed", store.rescue_lapsed(NOW, 1)),
        asked("a quick look at deliveries", store.deliveries(tenant(), DeliveryFilter::default(), quick)),
        asked("backlog", store.backlog()),
        asked("charges", store.charges()),
        asked("objects", store.objects()),
        asked("resolve_alert", store.resolve_alert(tenant(), "".into(), "".into(), None, NOW)),
        asked("destination_statuses", store.destination_statuses()),
        asked("checkpoints", store.checkpoints(tenant(), None)),
        asked("ping", store.ping()),
    ]
}

#[tokio::test]
async fn a_search_waits_for_the_searches_before_it_and_nothing_else_does() {
    let database = Database::new();
    let options = OpenOptions { lock_time: Duration::from_millis(200), ..database.options() };
    let store = PostgresStore::open(options).await.expect("the store opens");
    for (name, verb) in searches(&store) {
        assert_eq!(verb.await, Ok(()), "{name}");
    }
    let all = u32::try_from(store.inner.options.searches()).expect("few");
    let taken = Arc::clone(&store.inner.searching).acquire_many_owned(all).await.expect("it is open");
    for (name, verb) in searches(&store) {
        let error = verb.await.expect_err(name);
        assert!(error.retryable() && matches!(error, StoreError::Unreachable(_)), "{name}: {error}");
    }
    for (name, verb) in others(&store) {
        assert_eq!(verb.await, Ok(()), "{name}");
    }
    drop(taken);
    for (name, verb) in searches(&store) {
        assert_eq!(verb.await, Ok(()), "{name}");
    }
}

#[test]
fn half_of_the_connections_are_kept_from_searches_however_few_there_are() {
    let searches = |connections| OpenOptions { connections, ..OpenOptions::at("", NOW) };
    let most: Vec<_> = [0, 1, 2, 3, 8].map(searches).iter().map(|one| (one.pool_size(), one.searches())).collect();
    assert_eq!(most, [(2, 1), (2, 1), (2, 1), (3, 1), (8, 4)]);
}
