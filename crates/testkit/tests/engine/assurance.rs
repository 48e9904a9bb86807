//! What a request proved: it stands on its event, `when` can ask for it, and a route can require a level.

use std::sync::atomic::Ordering;

use domain::{Assurance, DeliveryState};
use engine::spec::{RouteSpec, Specs};

use crate::rig::{Rig, SECRET, memory, route, specs};

fn named(name: &str, assurance: Option<Assurance>, when: Option<&str>) -> RouteSpec {
    RouteSpec {
        name: name.parse().expect("a name"),
        from: "github".parse().expect("a name"),
        assurance,
        when: when.map(str::to_owned),
        ..route("app")
    }
}

fn routed(routes: Vec<RouteSpec>) -> Specs {
    Specs { routes, ..specs() }
}

#[tokio::test(start_paused = true)]
async fn an_expression_sees_what_was_proved_and_a_route_can_require_it() {
    let routes = vec![
        named("required", Some(Assurance::Body), None),
        named("asked", None, Some("assurance = 'body'")),
        named("doubted", None, Some("assurance = 'none'")),
    ];
    let rig = Rig::with(memory(), routed(routes)).await;
    rig.webhook(SECRET).await;
    rig.pass(std::time::Duration::from_secs(1)).await;
    let of = |rows: Vec<store::read::DeliveryRow>| {
        let mut names: Vec<String> = rows.iter().map(|row| row.route.to_string()).collect();
        names.sort();
        names
    };
    assert_eq!(of(rig.deliveries(DeliveryState::Delivered).await), ["asked", "required"]);
    assert_eq!(of(rig.deliveries(DeliveryState::Filtered).await), ["doubted"]);
    assert_eq!(rig.network.sent.load(Ordering::SeqCst), 2);
}
