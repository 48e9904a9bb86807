//! Replays that cannot go on.

use std::time::Duration;

use domain::{ReplayId, Tenant};
use store::people::{Replay, ReplaySelection, ReplayState};
use store::read::{EventFilter, Page};

use crate::rig::Rig;

#[tokio::test(start_paused = true)]
async fn a_replay_that_the_store_will_never_take_ends_and_is_told() {
    let rig = Rig::start().await;
    rig.publish().await;
    let tenant = Tenant::default_tenant();
    let listed = rig.store.events(tenant.clone(), EventFilter::default(), Page::first(1)).await.expect("events");
    let event = listed.rows[0].event.id;
    let id: ReplayId = "rpl_00000000000000000000000001".parse().expect("an id");
    // No way in makes such a job: one event twice cannot owe two deliveries along one route.
    let selection = ReplaySelection::Events(vec![event, event]);
    let replay = Replay {
        id,
        tenant: tenant.clone(),
        selection,
        destination: None,
        rate: None,
        new_ids: false,
        state: ReplayState::Running,
        planned: 2,
        events_done: 0,
        deliveries_made: 0,
        position: None,
        created_at: rig.clock.now(),
        finished_at: None,
    };
    rig.store.create_replay(replay).await.expect("written down");
    assert_eq!(rig.engine.resume_replays().await.expect("begun"), 1);
    rig.pass(Duration::from_secs(5)).await;
    let ended = rig.store.replay(tenant, id).await.expect("read").expect("it is there");
    assert_eq!((ended.state, ended.deliveries_made), (ReplayState::Cancelled, 0));
    assert_eq!(rig.open().await, [("store_failing".to_owned(), "store".to_owned())]);
}
