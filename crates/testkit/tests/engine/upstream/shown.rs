//! Sources that repeat in their errors what they gave: neither tokens nor what replaces the secrets of a configuration is
//! shown to anybody, whatever the connector's specification calls a secret.

use std::sync::Arc;

use engine::upstream::Ended;
use serde_json::{Value as Json, json};
use store::Store;

use super::Asking;
use crate::rig::memory;

/// One stream, whose source's own words are what its errors say. Of what is written into the configuration only the
/// refresh token is called a secret.
const MANIFEST: &str = r##"
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
        authenticator: $AUTH
        error_handler:
          type: DefaultErrorHandler
          response_filters:
            - { type: HttpResponseFilter, http_codes: [403], action: FAIL, error_message: "it says {{ response['message'] }}" }
spec:
  type: Spec
  connection_specification:
    type: object
    properties:
      refresh_token: { type: string, airbyte_secret: $MARKED }
"##;

const OAUTH: &str = r#"{ type: OAuthAuthenticator, token_refresh_endpoint: $BASE/token, client_id: me,
          client_secret: hush, refresh_token: "{{ config['refresh_token'] }}",
          refresh_token_updater: { refresh_token_config_path: [refresh_token], access_token_config_path: [made, access_token],
                                   token_expiry_date_config_path: [made, expires] } }"#;

const SESSION: &str = r"{ type: SessionTokenAuthenticator, session_token_path: [session],
          login_requester: { type: HttpRequester, url_base: $BASE, path: login, http_method: POST },
          request_authentication: { type: Bearer } }";

fn manifest(auth: &str, is_marked: bool) -> String {
    MANIFEST.replace("$AUTH", auth).replace("$MARKED", if is_marked { "true" } else { "false" })
}

fn config() -> Json {
    json!({ "refresh_token": "refresh-zero" })
}

/// Tokens are given as in these replies; whoever asks with one is told of all.
fn script(given: &[Json], message: &str) -> String {
    let given: Vec<String> = given.iter().map(|json| format!("{{ json: {json} }}")).collect();
    let refusal = format!("{{ status: 403, json: {{ message: \"{message}\" }} }}");
    format!(
        "routes:\n  - {{ on: POST /token, reply: [{tokens}] }}\n  - {{ on: POST /login, reply: [{tokens}] }}\n  \
         - {{ on: GET /items, reply: {refusal} }}\n",
        tokens = given.join(", ")
    )
}

/// Everything that is told to somebody who reads the stream or tries the connection.
async fn told(asking: &Asking) -> Vec<String> {
    let engine = &asking.rig.engine;
    let (_, Ended::Failed(failure)) = asking.read("items", Json::Null).await else { panic!("it was read") };
    let live = engine.read_records(&asking.account, "items", 10).await.expect_err("it is refused");
    let checked = engine.check_connection(&asking.account).await.expect("it is tried");
    vec![failure.message, failure.detail.unwrap_or_default(), live.to_string(), checked.why.expect("it does not work")]
}

fn assert_hidden(told: &[String], secrets: &[&str]) {
    for secret in secrets {
        assert!(told.iter().all(|text| !text.contains(secret)), "{secret}: {told:#?}");
    }
    assert!(told.iter().filter(|text| text.contains("it says ****")).count() >= 3, "{told:#?}");
}

#[tokio::test(start_paused = true)]
async fn tokens_that_were_got_are_hidden_before_and_after_a_restart() {
    let given = json!({ "access_token": "access-one", "refresh_token": "refresh-one", "expires_in": 36_000 });
    let script = script(&[given], "access-one came of refresh-zero, refresh-one is next");
    let secrets = ["access-one", "refresh-zero", "refresh-one"];
    let store: Arc<dyn Store> = memory();
    let before = Asking::on(Arc::clone(&store), None, &manifest(OAUTH, true), &script, config()).await;
    assert_hidden(&told(&before).await, &secrets);
    let clock = Arc::clone(&before.rig.clock);
    before.rig.engine.stopping().cancel();
    // All that is known of them now is what the store kept.
    let after = Asking::on(store, Some(clock), &manifest(OAUTH, false), &script, config()).await;
    assert_hidden(&told(&after).await, &secrets);
    assert_eq!(after.asked("/token"), 0);
}

#[tokio::test(start_paused = true)]
async fn tokens_of_before_are_hidden_as_well() {
    let given = |token: &str| json!({ "session": token });
    // Each request logs in for a session of its own.
    let tokens = ["session-one", "session-two", "session-three", "session-four", "session-five"];
    let script = script(&tokens.map(given), "session-one is over, as is session-two");
    let asking = Asking::start(&manifest(SESSION, true), &script, config()).await;
    told(&asking).await;
    assert!(asking.asked("/login") >= 2);
    assert_hidden(&told(&asking).await, &["session-one", "session-two"]);
}
