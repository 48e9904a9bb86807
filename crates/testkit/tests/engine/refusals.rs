//! What the store refuses keeps nobody else, and is never stuck.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::{DeliveryState, Tenant};
use testkit::faulty_store::{Death, Fate, Fates, FaultyStore, Refusal};

use crate::rig::{Rig, memory, route, specs};

const SECOND: Duration = Duration::from_secs(1);

/// Refuses as many calls of one verb as it is told to, the next ones first.
struct Refusing {
    verb: &'static str,
    fates: Mutex<VecDeque<Fate>>,
}

impl Refusing {
    fn calls(verb: &'static str) -> Arc<Self> {
        Arc::new(Self { verb, fates: Mutex::default() })
    }

    fn plan(&self, fates: &[Fate]) {
        self.fates.lock().unwrap_or_else(PoisonError::into_inner).extend(fates);
    }
}

impl Fates for Refusing {
    fn next(&self, verb: &'static str) -> Fate {
        let mut fates = self.fates.lock().unwrap_or_else(PoisonError::into_inner);
        if verb == self.verb { fates.pop_front().unwrap_or(Fate::Happens) } else { Fate::Happens }
    }
}

const ROW: Fate = Fate::Refused(Refusal::Row);
const LATER: Fate = Fate::Refused(Refusal::Overloaded);

async fn rig(refusing: &Arc<Refusing>, specs: engine::spec::Specs) -> Rig {
    let store = FaultyStore::new(memory(), Arc::clone(refusing) as _, Arc::new(Death::default()));
    Rig::with(Arc::new(store), specs).await
}

#[tokio::test(start_paused = true)]
async fn a_try_whose_end_cannot_be_stored_is_a_dead_letter_and_keeps_no_other() {
    let refusing = Refusing::calls("settle");
    let rig = rig(&refusing, specs()).await;
    // Together; then the first of three alone, while the second has to wait.
    refusing.plan(&[ROW, ROW, Fate::Happens, LATER]);
    for _ in 0..3 {
        rig.publish().await;
    }
    rig.pass(SECOND).await;
    assert_eq!(rig.deliveries(DeliveryState::Delivered).await.len(), 2);
    let dead = rig.deliveries(DeliveryState::Dead).await;
    let cause = dead[0].cause.as_ref().expect("a cause");
    assert_eq!((dead.len(), &*cause.code), (1, "settlement_refused"));
    assert!(cause.detail.contains("ended as delivered"), "{}", cause.detail);
    assert!(rig.open().await.iter().any(|(kind, _)| kind == "dead_letters"), "{:?}", rig.open().await);
    rig.engine.retry(Tenant::default_tenant(), vec![dead[0].id]).await.expect("retried");
    rig.pass(SECOND).await;
    assert_eq!(rig.deliveries(DeliveryState::Delivered).await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_even_be_a_dead_letter_is_tried_again_until_it_can() {
    let refusing = Refusing::calls("settle");
    let rig = rig(&refusing, specs()).await;
    refusing.plan(&[ROW; 2]);
    rig.publish().await;
    rig.pass(SECOND / 4).await;
    assert_eq!(rig.deliveries(DeliveryState::InFlight).await.len(), 1);
    rig.publish().await;
    rig.pass(SECOND / 4).await;
    assert_eq!(rig.deliveries(DeliveryState::Delivered).await.len(), 1, "the others go on");
    refusing.plan(&[ROW; 3]);
    rig.pass(60 * SECOND).await;
    assert_eq!(rig.deliveries(DeliveryState::InFlight).await.len(), 0, "nothing is stuck");
    assert_eq!(rig.deliveries(DeliveryState::Delivered).await.len(), 1);
    assert_eq!(rig.deliveries(DeliveryState::Dead).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_told_of_although_the_answer_to_their_commit_was_lost() {
    let refusing = Refusing::calls("settle");
    let rig = rig(&refusing, specs()).await;
    rig.answer(500);
    refusing.plan(&[Fate::HappensUnheard; 3]);
    for _ in 0..3 {
        rig.publish().await;
    }
    rig.pass(60 * SECOND).await;
    assert_eq!(rig.deliveries(DeliveryState::Dead).await.len(), 3);
    let alerts = rig.alerts().await;
    let dead = alerts.iter().find(|alert| &*alert.kind == "dead_letters").expect("a person is told");
    assert_eq!((dead.count, dead.resolved_at), (3, None), "each once: {dead:?}");
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_the_store_cannot_answer_for_keeps_none_of_the_others() {
    let mut specs = specs();
    let mut other = route("crm");
    other.name = "other".parse().expect("a name");
    specs.routes.push(other);
    let refusing = Refusing::calls("claim_due");
    let rig = rig(&refusing, specs).await;
    rig.pass(SECOND).await;
    let tenant = Tenant::default_tenant();
    for name in ["app", "crm"] {
        rig.engine.pause(tenant.clone(), name.parse().expect("a name"), String::new()).await.expect("paused");
    }
    rig.publish().await;
    // Both together, then `app` alone; `crm` alone is answered.
    refusing.plan(&[ROW, ROW]);
    for name in ["app", "crm"] {
        rig.engine.resume(tenant.clone(), name.parse().expect("a name")).await.expect("resumed");
    }
    rig.engine.configure(rig_specs()).await.expect("valid");
    rig.pass(5 * SECOND).await;
    let delivered = rig.deliveries(DeliveryState::Delivered).await;
    assert_eq!(delivered.len(), 1, "{delivered:?}");
    rig.pass(60 * SECOND).await;
    assert_eq!(rig.deliveries(DeliveryState::Delivered).await.len(), 2);
}

fn rig_specs() -> engine::spec::Specs {
    let mut specs = specs();
    let mut other = route("crm");
    other.name = "other".parse().expect("a name");
    specs.routes.push(other);
    specs
}
