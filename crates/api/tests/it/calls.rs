//! Calls to sources: listed with how each source does.

use std::sync::Arc;
use std::time::Duration;

use domain::{ConnectionName, Purpose, Tenant};
use serde_json::json;

use crate::gateway::{Call, Gateway};

fn asked(gateway: &Gateway, stream: &str, status: Option<u16>, millis: u64) -> domain::Call {
    domain::Call {
        tenant: Tenant::default_tenant(),
        source: "shop".parse().expect("a name"),
        connection: ConnectionName::default_connection(),
        stream: Some(stream.into()),
        purpose: Purpose::Poll,
        method: "GET".into(),
        url: "https://api.example/orders".to_owned(),
        started_at: gateway.engine.clock().now(),
        duration: Duration::from_millis(millis),
        status,
        error: status.is_none().then(|| "timeout".into()),
        bytes: 10,
        budget_left: None,
    }
}

#[tokio::test]
async fn calls_are_listed_with_the_error_rate_and_p95_of_each_source() {
    let gateway = Gateway::start().await;
    let ledger = Arc::clone(gateway.engine.ledger());
    for number in 0..19 {
        ledger.call(asked(&gateway, "orders", Some(200), 10 + number));
    }
    ledger.call(asked(&gateway, "refunds", None, 1_000));
    ledger.flush().await;
    let page = gateway.call(Call::get("/api/v1/calls?source=shop&failed=true")).await.json();
    assert_eq!(page["data"].as_array().map(Vec::len), Some(1), "{page}");
    assert_eq!(page["data"][0]["stream"], "refunds");
    assert_eq!((&page["data"][0]["error"], &page["data"][0]["status"]), (&json!("timeout"), &json!(null)));
    let shop = &page["sources"][0];
    assert_eq!((&shop["source"], &shop["calls"], &shop["failed"]), (&json!("shop"), &json!(20), &json!(1)));
    assert_eq!(shop["error_rate"], json!(0.05));
    let p95 = shop["p95_ms"].as_f64().expect("a number");
    assert!((25.0..32.0).contains(&p95), "{p95}: the slowest of twenty is not the p95");
    let first = gateway.call(Call::get("/api/v1/calls?limit=15&over=1h")).await.json();
    let rest = Call::get(&format!("/api/v1/calls?limit=15&over=7d&cursor={}", first["next"].as_str().expect("more")));
    assert_eq!(gateway.call(rest).await.json()["data"].as_array().map(Vec::len), Some(5));
    assert_eq!(gateway.call(Call::get("/api/v1/calls?over=2h")).await.code(), "invalid_parameter");
}
