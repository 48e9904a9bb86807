//! Threats 22 and 24: secrets and payloads that everybody would recognise go through every path of the real process,
//! and are then looked for in its logs, metrics, answers and files.

use std::path::Path;

use data_encoding::{BASE64, HEXLOWER};
use serde_json::{Value, json};

use crate::api::Api;
use crate::gateway::{ADMIN_KEY, Home};
use crate::http;
use crate::oracle::panics;
use crate::payload::signature;
use crate::setup::{Setup, no_breaker, quick_retries};
use crate::sink::{Behaviour, Sink};
use crate::wait::until;

/// Of the destination in the file, and of one made by the API.
const FILE_SECRET: &str = "whsec_Q0FOQVJZLWZpbGUtZGVzdGluYXRpb24tc2VjcmV0ISE=";
const API_SECRET: &str = "whsec_Q0FOQVJZLWFwaS1kZXN0aW5hdGlvbi1zZWNyZXQhIQ==";
const FILE_SENDER: &str = "CANARY-file-sender-secret";
const API_SENDER: &str = "CANARY-api-sender-secret";
const FILE_HEADER: &str = "Bearer CANARY-file-header";
const API_HEADER: &str = "Bearer CANARY-api-header";
const TOKEN: &str = "CANARY-gitlab-token";
/// What a sender sends beside what is verified.
const SENT_AUTHORIZATION: &str = "Bearer CANARY-of-the-sender";
const SENT_COOKIE: &str = "session=CANARY-cookie";
/// The same of a stranger, who is rejected: kept for a later verification, sealed.
const STRANGE_AUTHORIZATION: &str = "Bearer CANARY-of-the-stranger";
const WRONG_KEY: &str = "trk_admin_CANARYwrongkeyCANARYwrongkeyCANARYwrongkey";
const PAYLOAD: &str = "CANARY-payload";

/// Never in a log, a metric or an answer, and in no file unless it is sealed.
const SECRETS: [&str; 9] = [
    FILE_SECRET,
    API_SECRET,
    FILE_SENDER,
    API_SENDER,
    "CANARY-file-header",
    "CANARY-api-header",
    TOKEN,
    ADMIN_KEY,
    "CANARYwrongkey",
];
/// Never in a log, a metric or an answer; the first three in no file either.
const PRIVATE: [&str; 4] = ["CANARY-of-the-sender", "CANARY-cookie", "CANARY-of-the-stranger", PAYLOAD];

struct Stage {
    sink: Sink,
    home: Home,
}

impl Stage {
    fn new() -> Self {
        let sink = Sink::start();
        sink.behave("broken", Behaviour::Status(500));
        let http = json!({ "secret": FILE_SECRET, "headers": { "authorization": FILE_HEADER } });
        let destination = json!({ "http": http, "retry": quick_retries(2), "breaker": no_breaker() });
        let setup = Setup::new()
            .source_of("github", &json!({ "webhook": { "provider": "github", "secret": FILE_SENDER } }))
            .source_of("gitlab", &json!({ "webhook": { "provider": "gitlab", "secret": TOKEN } }))
            .source_of("own", &json!({ "publish": true }))
            .destination("app", &sink, &destination)
            .destination("broken", &sink, &destination)
            .route("github", "app", &json!({ "when": "data.nothing.here = 'CANARY-payload' or true" }))
            .route("github", "broken", &json!({}))
            .route("gitlab", "app", &json!({ "map": "$error('CANARY-payload says no')" }))
            .route("own", "app", &json!({}));
        Self { home: Home::new(setup.value()), sink }
    }

    fn api(&self) -> Api {
        Api { address: self.home.address }
    }
}

/// Every answer that the process gave, with what was asked.
#[derive(Default)]
struct Answers(Vec<(String, String)>);

impl Answers {
    fn ask(&mut self, stage: &Stage, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> u16 {
        let response = http::once(stage.home.address, method, path, headers, body);
        let response = response.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let headers: String = response.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        self.0.push((format!("{method} {path}"), format!("{headers}\n{}", response.text())));
        response.status
    }

    fn with_key(&mut self, stage: &Stage, method: &str, path: &str, body: Option<&Value>) -> u16 {
        let key = format!("Bearer {ADMIN_KEY}");
        let headers = [("authorization", &*key), ("content-type", "application/json")];
        let body = body.map(Value::to_string).unwrap_or_default();
        self.ask(stage, method, path, &headers, body.as_bytes())
    }
}

fn send(stage: &Stage, answers: &mut Answers) -> usize {
    let body = format!("{{\"action\":\"edited\",\"issue\":{{\"id\":1}},\"text\":\"{PAYLOAD}\"}}");
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, FILE_SENDER.as_bytes());
    let right = format!("sha256={}", HEXLOWER.encode(ring::hmac::sign(&key, body.as_bytes()).as_ref()));
    let wrong = signature(body.as_bytes());
    let github = |signature, authorization, cookie| {
        [
            ("x-github-event", "issues"),
            ("x-github-delivery", PAYLOAD),
            ("x-hub-signature-256", signature),
            ("authorization", authorization),
            ("cookie", cookie),
        ]
    };
    let gitlab = |token| [("x-gitlab-event", "Issue Hook"), ("x-gitlab-token", token)];
    let known = github(&*right, SENT_AUTHORIZATION, SENT_COOKIE);
    let strange = github(&*wrong, STRANGE_AUTHORIZATION, STRANGE_AUTHORIZATION);
    let noise = [PAYLOAD.as_bytes(), b"\xff\0"].concat();
    let sent = [
        answers.ask(stage, "POST", "/in/github", &known, body.as_bytes()),
        answers.ask(stage, "POST", "/in/github?token=CANARY-of-the-stranger", &strange, body.as_bytes()),
        answers.ask(stage, "POST", "/in/gitlab", &gitlab(TOKEN), body.as_bytes()),
        answers.ask(stage, "POST", "/in/gitlab", &gitlab("CANARY-of-the-stranger"), &noise),
        answers.ask(stage, "POST", "/in/CANARY-payload/CANARY-payload", &[], body.as_bytes()),
    ];
    assert_eq!(sent, [200, 401, 200, 401, 404]);
    sent.len()
}

/// Objects, errors and lists of the API.
fn manage(stage: &Stage, answers: &mut Answers) -> usize {
    let before = answers.0.len();
    let source = json!({ "webhook": { "provider": "github", "secret": API_SENDER } });
    let http =
        json!({ "url": stage.sink.url("api"), "secret": API_SECRET, "headers": { "authorization": API_HEADER } });
    let made = [
        answers.with_key(stage, "PUT", "/api/v1/sources/made", Some(&source)),
        answers.with_key(stage, "PUT", "/api/v1/destinations/made", Some(&json!({ "http": http }))),
        answers.with_key(stage, "PUT", "/api/v1/routes/made-made", Some(&json!({ "from": "made", "to": "made" }))),
    ];
    assert!(made.iter().all(|status| (200..300).contains(status)), "{made:?} {:?}", &answers.0[before..]);
    let data = json!({ "source": "own", "type": "x", "data": { "text": PAYLOAD } });
    assert_eq!(answers.with_key(stage, "POST", "/api/v1/events", Some(&data)), 201);
    // Mistakes with secrets in them.
    let wrong =
        json!({ "http": { "url": "http://u:CANARY-of-the-sender@[", "secret": API_SECRET, "secrte": FILE_SECRET } });
    answers.with_key(stage, "PUT", "/api/v1/destinations/wrong", Some(&wrong));
    answers.with_key(stage, "PUT", "/api/v1/sources/wrong", Some(&json!({ "webhook": { "secret": [API_SENDER, 7] } })));
    answers.with_key(stage, "PUT", "/api/v1/sources/github", Some(&source));
    let stranger = format!("Bearer {WRONG_KEY}");
    for path in ["/api/v1/events", "/api/v1/nothing", "/", "/metrics", "/readyz"] {
        answers.ask(stage, "GET", path, &[("authorization", &stranger), ("cookie", SENT_COOKIE)], b"");
    }
    for list in
        ["sources", "destinations", "routes", "deliveries", "dead-letters", "requests", "alerts", "api-keys", "nodes"]
    {
        assert_eq!(answers.with_key(stage, "GET", &format!("/api/v1/{list}"), None), 200, "{list}");
    }
    for one in ["sources/made", "sources/github", "sources/gitlab", "destinations/made", "destinations/app"] {
        assert_eq!(answers.with_key(stage, "GET", &format!("/api/v1/{one}"), None), 200, "{one}");
    }
    for page in ["/metrics", "/readyz", "/healthz", "/openapi.json"] {
        answers.ask(stage, "GET", page, &[], b"");
    }
    answers.0.len() - before
}

#[test]
fn threat_24_no_secret_and_no_payload_shows_anywhere() {
    let (mut lines, mut files, mut asked) = (0, 0, 0);
    for form in ["human", "json"] {
        let stage = Stage::new();
        let options = ["--log", form, "--log-filter", "trace"];
        let gateway = stage.home.ready(stage.home.spawn_with(&options));
        let mut answers = Answers::default();
        send(&stage, &mut answers);
        manage(&stage, &mut answers);
        until("every delivery has ended", || stage.api().is_quiet());
        until("the broken one has its dead letter", || {
            !stage.api().is_empty("/api/v1/dead-letters?destination=broken")
        });
        answers.with_key(&stage, "GET", "/api/v1/dead-letters", None);
        assert_eq!(gateway.terminate().code(), Some(0));
        asked += answers.0.len();
        check_answers(&answers);
        lines += check_log(&stage.home.log(), form);
        files += check_files(stage.home.data());
    }
    eprintln!(
        "secrets: {asked} answers, {lines} lines of logs and {files} files searched for {} canaries",
        SECRETS.len() + PRIVATE.len()
    );
    assert!(asked > 0 && lines > 0 && files > 0);
}

fn check_answers(answers: &Answers) {
    for (asked, answer) in &answers.0 {
        // What a person asks for by name is shown to them; nothing here asks for one event.
        for canary in SECRETS.iter().chain(&PRIVATE) {
            let echoes_payload = *canary == PAYLOAD
                && (asked.contains("/api/v1/dead-letters")
                    || asked.contains("requests")
                    || asked.contains("routes")
                    || asked.contains("deliveries"));
            assert!(echoes_payload || !answer.contains(canary), "{asked} shows {canary}:\n{answer}");
        }
    }
}

fn check_log(log: &str, form: &str) -> usize {
    assert!(panics(log).is_empty(), "{:?}", panics(log));
    for line in log.lines() {
        for canary in SECRETS.iter().chain(&PRIVATE) {
            assert!(!line.contains(canary), "the {form} log shows {canary}: {line}");
        }
    }
    log.lines().count()
}

/// No file holds a secret in any spelling that a dump would show.
fn check_files(folder: &Path) -> usize {
    let mut files = 0;
    for entry in std::fs::read_dir(folder).expect("the data folder is there") {
        let path = entry.expect("a file of the data folder").path();
        let Ok(bytes) = std::fs::read(&path) else { continue };
        files += 1;
        for secret in SECRETS.iter().chain(&PRIVATE[..3]) {
            let raw = secret.strip_prefix("whsec_").and_then(|text| BASE64.decode(text.as_bytes()).ok());
            let spellings = [secret.as_bytes().to_vec(), BASE64.encode(secret.as_bytes()).into_bytes()];
            for spelling in spellings.into_iter().chain(raw) {
                assert!(http::find(&bytes, &spelling).is_none(), "{} holds {secret} in plain", path.display());
            }
        }
    }
    files
}
