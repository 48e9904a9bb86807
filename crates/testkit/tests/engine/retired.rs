//! What was still owed when its route or its destination was removed.

use std::time::Duration;

use domain::retry::{Backoff, RetryPolicy};
use domain::{DeliveryState, Tenant};
use serde_json::json;
use store::registry::ObjectKind;

use crate::rig::{Rig, memory, specs};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn what_a_route_of_the_api_owed_is_delivered_when_the_route_is_made_again() {
    let mut patient = specs();
    patient.destinations[0].retry =
        RetryPolicy { backoff: Backoff::List(vec![SECOND]), attempts: 5, jitter_percent: 0 };
    patient.routes.clear();
    let rig = Rig::with(memory(), patient).await;
    let tenant = Tenant::default_tenant();
    let make = || {
        let definition = json!({ "from": "own", "to": "app" });
        rig.engine.put_object(ObjectKind::Route, tenant.clone(), "made", definition, true)
    };
    make().await.expect("it can be made");
    rig.answer(500);
    for _ in 0..3 {
        rig.publish().await;
    }
    rig.pass(SECOND / 2).await;
    rig.engine.remove_object(ObjectKind::Route, tenant.clone(), "made").await.expect("it can be removed");
    rig.pass(SECOND).await;
    assert_eq!(rig.deliveries(DeliveryState::Held).await.len(), 3);
    assert_eq!(rig.open().await, [("retired_with_open_deliveries".to_owned(), "route/made".to_owned())]);
    rig.answer(200);
    make().await.expect("it can be made again");
    rig.pass(MINUTE).await;
    assert_eq!(rig.deliveries(DeliveryState::Delivered).await.len(), 3);
    assert!(rig.open().await.is_empty(), "{:?}", rig.open().await);
}

#[tokio::test(start_paused = true)]
async fn what_was_held_before_its_destination_was_removed_is_told_of_until_it_is_cancelled() {
    let rig = Rig::start().await;
    let tenant = Tenant::default_tenant();
    rig.engine.pause(tenant.clone(), "app".parse().expect("a name"), "maintenance".into()).await.expect("paused");
    rig.publish().await;
    rig.pass(SECOND).await;
    let mut without = specs();
    without.destinations.remove(0);
    without.routes.clear();
    rig.engine.configure(without).await.expect("valid");
    rig.pass(SECOND).await;
    let retired = [("retired_with_open_deliveries", "route/main"), ("retired_with_open_deliveries", "destination/app")];
    let open = rig.open().await;
    assert!(retired.iter().all(|(kind, object)| open.contains(&((*kind).into(), (*object).into()))), "{open:?}");
    let held: Vec<_> = rig.deliveries(DeliveryState::Held).await.iter().map(|row| row.id).collect();
    rig.engine.cancel(tenant, held).await.expect("cancelled");
    rig.pass(MINUTE).await;
    assert!(rig.open().await.is_empty(), "{:?}", rig.open().await);
}
