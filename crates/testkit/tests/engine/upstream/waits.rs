//! Waits that a source asks for, in whatever way its connector knows: what one request is told is kept by all others.

use std::time::Duration;

use engine::upstream::Ended;
use futures_util::future::join;
use serde_json::{Value as Json, json};

use super::Asking;

const SECOND: Duration = Duration::from_secs(1);

/// A source that does not say for how long it takes nothing: its documentation does.
const LIMITED: &str = r##"
version: 7.0.0
type: DeclarativeSource
check: { type: CheckStream, stream_names: [items] }
definitions:
  requester:
    type: HttpRequester
    url_base: $BASE
    error_handler:
      type: DefaultErrorHandler
      max_retries: $RETRIES
      response_filters: [{ type: HttpResponseFilter, http_codes: [$STATUS], action: RATE_LIMITED }]
      backoff_strategies: [{ type: ConstantBackoffStrategy, backoff_time_in_seconds: 30 }]
  selector: { type: RecordSelector, extractor: { type: DpathExtractor, field_path: [] } }
streams:
  - type: DeclarativeStream
    name: items
    retriever:
      type: SimpleRetriever
      record_selector: { $ref: "#/definitions/selector" }
      requester: { $ref: "#/definitions/requester", path: items }
  - type: DeclarativeStream
    name: others
    retriever:
      type: SimpleRetriever
      record_selector: { $ref: "#/definitions/selector" }
      requester: { $ref: "#/definitions/requester", path: others }
spec: { type: Spec, connection_specification: { type: object, properties: {} } }
"##;

async fn asking(status: u16, retries: u32) -> Asking {
    let script = format!(
        "routes:\n  - {{ on: GET /items, reply: [{{ status: {status}, json: {{}} }}, {{ json: [{{ id: 1 }}] }}] }}\n  \
         - {{ on: GET /others, reply: {{ json: [{{ id: 2 }}] }} }}\n"
    );
    let manifest = LIMITED.replace("$STATUS", &status.to_string()).replace("$RETRIES", &retries.to_string());
    Asking::start(&manifest, &script, json!({})).await
}

/// Somebody else asks five seconds later: when there was an answer. What the budget says is seen meanwhile.
async fn another(asking: &Asking) -> Duration {
    let (clock, began) = (&asking.rig.clock, asking.rig.clock.monotonic());
    clock.sleep(5 * SECOND).await;
    let views = asking.rig.engine.budget_views(&asking.account.tenant).await.expect("views");
    let stopped = views[0].stopped_until.expect("it is seen that the source takes nothing").since(clock.now());
    assert!((20 * SECOND..30 * SECOND).contains(&stopped), "for {stopped:?} more");
    assert_eq!(asking.records("others").await, [json!({ "id": 2 })]);
    clock.monotonic() - began
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_only_the_error_handler_knows_is_kept_by_all() {
    for status in [429, 403, 420] {
        let asking = asking(status, 5).await;
        let (items, took) = join(asking.records("items"), another(&asking)).await;
        assert_eq!(items, [json!({ "id": 1 })], "{status}");
        assert!((30 * SECOND..33 * SECOND).contains(&took), "{status}: {took:?}");
        assert_eq!((asking.asked("/items"), asking.asked("/others")), (2, 1), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_ask_again_leaves_the_wait_to_the_others() {
    let asking = asking(429, 0).await;
    let (_, ended) = asking.read("items", Json::Null).await;
    assert!(matches!(ended, Ended::Failed(_)), "{ended:?}");
    let took = another(&asking).await;
    assert!((29 * SECOND..32 * SECOND).contains(&took), "{took:?}");
}
