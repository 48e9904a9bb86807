//! Several nodes: each page says of a destination only what its own node knows, and else who knows.

use std::sync::Arc;
use std::time::Duration;

use domain::{DeliveryState, Tenant};
use serde_json::json;

use crate::desk::Browser;
use crate::live::ground;

/// Until nodes have heard of one another and of what was configured, and one is in charge.
const SETTLED: Duration = Duration::from_secs(120);

#[tokio::test(start_paused = true)]
async fn a_destination_that_another_node_looks_after_is_said_to_be_its() {
    let (clock, store) = ground();
    let mut nodes = Vec::new();
    for name in ["n1", "n2"] {
        let mut node = Browser::node(name, Arc::clone(&store), Arc::clone(&clock)).await;
        node.enter(&["operate"]).await;
        nodes.push(node);
    }
    nodes[0].furnish().await;
    clock.sleep(SETTLED).await;
    let app = "app".parse().expect("a name");
    let keeper = nodes[0].engine.node_of(&Tenant::default_tenant(), &app).await.expect("asked");
    let keeper = keeper.expect("somebody is in charge");
    if keeper == "n2" {
        nodes.reverse();
    }
    let [here, there] = &mut nodes[..] else { unreachable!("there are two") };
    here.publishes("broken", None, &json!({})).await;
    here.until(DeliveryState::Dead, 1).await;
    let said = format!("looked after by {keeper}");
    for path in ["/destinations", "/dead-letters/plan"] {
        let (own, other) = (here.get(path).await, there.get(path).await);
        assert_eq!((own.status, other.status), (200, 200), "{path}");
        assert!(own.text.contains(">closed<") && !own.text.contains("looked after"), "{path}: {}", own.text);
        assert!(other.text.contains(&said) && !other.text.contains(">closed<"), "{path}: {}", other.text);
        assert!(!other.text.contains("not used since the start"), "{path}: {}", other.text);
    }
    let (own, other) = (here.get("/destinations/app").await.text, there.get("/destinations/app").await.text);
    assert!(own.contains("Under way") && !own.contains("Looked after by"), "{own}");
    assert!(
        !other.contains("Under way") && other.contains(&format!("<dt>Looked after by</dt><dd>{keeper}</dd>")),
        "{other}"
    );
}
