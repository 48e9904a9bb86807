//! Several tokens with a quota each: while one of them has room, a reading goes on, whatever the source says to another.

use std::time::Duration;

use engine::upstream::Ended;
use futures_util::future::join;
use serde_json::{Value as Json, json};

use super::Asking;

/// A source that may be waited for no longer than five seconds.
const TOKENS: &str = r##"
version: 7.0.0
type: DeclarativeSource
check: { type: CheckStream, stream_names: [items] }
streams:
  - type: DeclarativeStream
    name: items
    retriever:
      type: SimpleRetriever
      record_selector: { type: RecordSelector, extractor: { type: DpathExtractor, field_path: [] } }
      requester:
        type: HttpRequester
        url_base: $BASE
        path: items
        authenticator:
          type: RateLimitedMultipleTokenAuthenticator
          tokens: "{{ config['tokens'] }}"
          token_delimiter: ","
          auth_method: token
          quota_status_source: { type: QuotaStatusSource, url: $BASE/quota }
          quotas:
            - { type: TokenQuota, name: core, remaining_path: [remaining], reset_path: [reset], exhaustion_status_codes: [429] }
        error_handler:
          type: DefaultErrorHandler
          backoff_strategies:
            - { type: WaitTimeFromHeader, header: Retry-After, max_waiting_time_in_seconds: 5 }
spec: { type: Spec, connection_specification: { type: object, properties: {} } }
"##;

/// Each token has calls left, says the source; those whose requests it refuses it asks to wait an hour.
fn script(refused: &[&str]) -> String {
    let mut script =
        "routes:\n  - { on: GET /quota, reply: { json: { remaining: 5000, reset: 4102444800 } } }\n".to_owned();
    for token in refused {
        script += &format!(
            "  - {{ on: GET /items, when: {{ headers: {{ authorization: token {token} }} }}, reply: {{ status: 429, headers: {{ Retry-After: \"3600\" }}, json: {{}} }} }}\n"
        );
    }
    script + "  - { on: GET /items, reply: { json: [{ id: 1 }] } }\n"
}

async fn asking(refused: &[&str]) -> Asking {
    Asking::start(TOKENS, &script(refused), json!({ "tokens": "first,second" })).await
}

/// The tokens that records were asked for with, in turn.
fn sent(asking: &Asking) -> Vec<String> {
    let requests = asking.upstream.requests();
    let items = requests.iter().filter(|request| request["path"] == "/items");
    items.map(|request| request["headers"]["authorization"].as_str().unwrap_or("none").to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_token_that_has_to_wait_too_long_gives_way_to_another() {
    let asking = asking(&["first"]).await;
    let began = asking.rig.clock.monotonic();
    let (pages, ended) = asking.read("items", Json::Null).await;
    assert_eq!((pages.ids(), ended), (vec![1], Ended::Whole));
    assert_eq!(sent(&asking), ["token first", "token second"]);
    let took = asking.rig.clock.monotonic() - began;
    assert!((Duration::from_secs(1)..Duration::from_secs(2)).contains(&took), "a moment, not {took:?}");
}

#[tokio::test(start_paused = true)]
async fn without_a_token_that_has_room_the_wait_is_too_long() {
    let asking = asking(&["first", "second"]).await;
    let (pages, ended) = asking.read("items", Json::Null).await;
    assert_eq!((pages.ids(), sent(&asking)), (vec![], vec!["token first".to_owned(), "token second".to_owned()]));
    let Ended::Failed(failure) = ended else { panic!("{ended:?}") };
    assert!(failure.message.contains("asks to wait 3600 s"), "{failure:?}");
}

#[tokio::test(start_paused = true)]
async fn what_one_token_has_left_holds_nobody_back_while_another_has_room() {
    let script = script(&[]).replace(
        "on: GET /items, reply: {",
        "on: GET /items, reply: { headers: { x-ratelimit-remaining: \"0\", x-ratelimit-reset: \"3600\" },",
    );
    let asking = Asking::start(TOKENS, &script, json!({ "tokens": "first,second" })).await;
    let began = asking.rig.clock.monotonic();
    for _ in 0..3 {
        assert_eq!(asking.records("items").await, [json!({ "id": 1 })]);
    }
    assert!(asking.rig.clock.monotonic() - began < Duration::from_secs(1), "each is counted by itself");
}

#[tokio::test(start_paused = true)]
async fn what_one_token_has_to_wait_for_keeps_nobody_waiting_who_has_another() {
    let asking = asking(&["first"]).await;
    let clock = &asking.rig.clock;
    let another = async {
        clock.sleep(Duration::from_millis(500)).await;
        let began = clock.monotonic();
        assert_eq!(asking.records("items").await, [json!({ "id": 1 })]);
        clock.monotonic() - began
    };
    let ((_, ended), took) = join(asking.read("items", Json::Null), another).await;
    assert_eq!(ended, Ended::Whole);
    assert!(took < Duration::from_millis(100), "{took:?}");
    assert_eq!(sent(&asking), ["token first", "token second", "token second"]);
}
