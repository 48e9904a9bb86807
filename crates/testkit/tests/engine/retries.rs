//! A sender's retry is the same event for as long as its recipe says: what vectors say of their events coming again, by
//! a gateway that receives them again.

use std::sync::Arc;

use connectors::provider::{Again, Kind, Recipe, Vector, catalogue};
use domain::Timestamp;
use domain::request::InboundRequest;
use engine::receive::Receipt;
use engine::spec::{RoleSecret, Secret, Specs};
use testkit::sim_clock::SimClock;

use crate::rig::{Rig, listening, memory};

fn specs(recipe: &Recipe, vector: &Vector) -> Specs {
    let secret = |(index, (role, value)): (usize, &(connectors::provider::Role, String))| RoleSecret {
        name: vector.secret_names.get(index).cloned().flatten(),
        ..RoleSecret::new(role.as_str().to_owned(), Secret::new(value.clone()))
    };
    let secrets = vector.secrets.iter().enumerate().map(secret).collect();
    let mut source = listening("sender", recipe.name(), secrets);
    let settings = vector.settings.iter().map(|(name, value)| (name.to_owned(), value.into()));
    source.webhook.as_mut().expect("it listens").settings = settings.collect();
    Specs { sources: vec![source], ..Specs::default() }
}

/// Which of the events were known already; `None` if the request was not accepted.
async fn receive(rig: &Rig, vector: &Vector, received_at: Timestamp) -> Option<Vec<bool>> {
    let request = InboundRequest {
        method: vector.method.as_str().into(),
        url: vector.url.as_str().into(),
        received_at,
        ..rig.request("sender", vector.headers.clone(), vector.body.clone())
    };
    match rig.engine.receive(request).await {
        Receipt::Accepted { events, .. } => Some(events.into_iter().map(|(_, duplicate)| duplicate).collect()),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn threat_03_what_comes_again_is_the_same_event_for_as_long_as_its_vector_says() {
    let (mut same, mut other, mut dated) = (0, 0, 0);
    for recipe in catalogue().names().filter_map(|name| catalogue().get(name)) {
        let says = |vector: &&Vector| vector.kind == Kind::Valid && !vector.again.is_empty();
        for vector in recipe.vectors().iter().filter(says) {
            for again in &vector.again {
                let clock = Arc::new(SimClock::starting_at(vector.at));
                let rig = Rig::at(memory(), specs(&recipe, vector), clock).await;
                let what = format!("{} '{}' after {:?}", recipe.name(), vector.name, again.after);
                let first = receive(&rig, vector, vector.at).await.unwrap_or_else(|| panic!("{what}"));
                assert!(first.iter().all(|known| !known), "{what}: {first:?}");
                // A signature that dates the request holds for less than retries go on: each is signed anew.
                let Some(second) = receive(&rig, vector, vector.at + again.after).await else {
                    dated += 1;
                    continue;
                };
                let Again { same: expected, .. } = *again;
                assert_eq!(second, vec![expected; first.len()], "{what}");
                if expected { same += 1 } else { other += 1 }
            }
        }
    }
    assert!(same >= 30 && other >= 40, "{same} were the same, {other} were not");
    assert!(dated < (same + other) / 2, "{dated} could not be sent again");
}
