//! Each channel against a local server that is as strict as the service's own documents: what it would refuse, it refuses.

mod mail;

use std::collections::VecDeque;
use std::sync::Mutex;

use data_encoding::BASE64;
use domain::ChannelName;
use domain::alert::Severity;
use domain::alert::tell::Stage;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::clock::SystemClock;
use crate::spec::{PagerSpec, Secret, TelegramSpec};
use crate::transport::tests::loopback;
use crate::transport::tests::peer::Peer;
use crate::transport::{HttpTransport, TransportOptions};

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

pub(super) fn channel(way: Way) -> ChannelSpec {
    let name: ChannelName = "team".parse().expect("a name");
    ChannelSpec { name, least: Severity::Info, way }
}

pub(super) fn message(stage: Stage) -> Message {
    Message {
        id: "ntc_01h455vb4pex5vsknk084sn02q".to_owned(),
        key: "default/deliveries/app".to_owned(),
        thread: "alr_01h455vb4pex5vsknk084sn02q".to_owned(),
        stage,
        severity: Severity::Critical,
        kind: "dead_letters".to_owned(),
        object: "destination/app".to_owned(),
        source: "https://hooks.example".to_owned(),
        title: "Critical: <b>dead letters</b> & @everyone".to_owned(),
        facts: vec![
            ("What".to_owned(), "it answered *500* <!channel> [x](https://evil.example) übel".to_owned()),
            ("Next".to_owned(), "Look at it.".to_owned()),
        ],
        link: Some("https://hooks.example/alerts".to_owned()),
        at: "2026-01-14T12:00:00Z".parse().expect("a time"),
    }
}

pub(super) fn post_through(transport: HttpTransport) -> Post {
    Post { transport: Arc::new(transport), clock: SystemClock::shared(), egress: loopback() }
}

fn post() -> Post {
    post_through(HttpTransport::new(SystemClock::shared(), TransportOptions::default()).expect("a transport"))
}

/// A request as it came over the wire.
#[derive(Clone, Debug)]
struct Request {
    line: String,
    headers: Vec<(String, String)>,
    body: Value,
    bytes: Vec<u8>,
}

impl Request {
    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(own, _)| own == name);
        &found.unwrap_or_else(|| panic!("no {name}: {self:?}")).1
    }
}

/// A service that judges each request, and answers the ones it takes by a script.
struct Service {
    peer: Peer,
    got: Arc<Mutex<Vec<Request>>>,
}

type Judge = fn(&Request) -> Result<(), String>;

impl Service {
    async fn start(judge: Judge, answers: &[&str]) -> Self {
        let got: Arc<Mutex<Vec<Request>>> = Arc::default();
        let script: VecDeque<String> = answers.iter().map(|answer| (*answer).to_owned()).collect();
        let (kept, script) = (Arc::clone(&got), Arc::new(Mutex::new(script)));
        let serve = move |_, mut stream: TcpStream| {
            let (kept, script) = (Arc::clone(&kept), Arc::clone(&script));
            async move {
                let request = read(&mut stream).await;
                let answer = match judge(&request) {
                    Ok(()) => script.lock().expect("a script").pop_front().expect("an answer for each request"),
                    Err(problem) => whole("400 Bad Request", "", &problem),
                };
                kept.lock().expect("a list").push(request);
                stream.write_all(answer.as_bytes()).await.expect("a client");
            }
        };
        Self { peer: Peer::start(serve).await, got }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.peer.address)
    }

    fn got(&self) -> Vec<Request> {
        self.got.lock().expect("a list").clone()
    }
}

fn whole(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

async fn read(stream: &mut TcpStream) -> Request {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a request"));
    }
    let head = String::from_utf8(head).expect("a text");
    let mut lines = head.trim_end().split("\r\n");
    let line = lines.next().expect("a request line").to_owned();
    let pair = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    let headers: Vec<_> = lines.filter_map(pair).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length").expect("a length").1.parse().expect("one");
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await.expect("a body");
    Request { line, headers, body: serde_json::from_slice(&bytes).expect("JSON"), bytes }
}

fn is_json(request: &Request) -> Result<(), String> {
    match request.header("content-type") {
        "application/json" => Ok(()),
        other => Err(format!("not JSON: {other}")),
    }
}

fn at_most(text: &Value, chars: usize, what: &str) -> Result<(), String> {
    let text = text.as_str().ok_or_else(|| format!("{what} is no text"))?;
    let fits = !text.is_empty() && text.chars().count() <= chars;
    if fits { Ok(()) } else { Err(format!("{what} has {} characters", text.chars().count())) }
}

fn only(object: &Value, keys: &[&str]) -> Result<(), String> {
    let strange = object.as_object().ok_or("no object")?.keys().find(|key| !keys.contains(&key.as_str()));
    strange.map_or(Ok(()), |key| Err(format!("unknown field {key}")))
}

fn slack(request: &Request) -> Result<(), String> {
    is_json(request)?;
    if request.line != "POST /services/T0/B0/key HTTP/1.1" {
        return Err("no_service".to_owned());
    }
    only(&request.body, &["text", "blocks"])?;
    at_most(&request.body["text"], 40_000, "text")?;
    let [head, section] = request.body["blocks"].as_array().ok_or("no blocks")?.as_slice() else {
        return Err("invalid_blocks".to_owned());
    };
    if (&head["type"], &head["text"]["type"]) != (&json!("header"), &json!("plain_text")) {
        return Err("invalid_blocks".to_owned());
    }
    at_most(&head["text"]["text"], 150, "header")?;
    if (&section["type"], &section["text"]["type"]) != (&json!("section"), &json!("mrkdwn")) {
        return Err("invalid_blocks".to_owned());
    }
    at_most(&section["text"]["text"], 3_000, "section")
}

fn discord(request: &Request) -> Result<(), String> {
    is_json(request)?;
    only(&request.body, &["embeds", "allowed_mentions"])?;
    let embeds = request.body["embeds"].as_array().ok_or("no embeds")?;
    for embed in embeds {
        only(embed, &["title", "color", "fields", "timestamp", "url"])?;
        at_most(&embed["title"], 256, "title")?;
        embed["timestamp"].as_str().and_then(|at| at.parse::<Timestamp>().ok()).ok_or("no timestamp")?;
        let fields = embed["fields"].as_array().filter(|fields| fields.len() <= 25).ok_or("no fields")?;
        for field in fields {
            at_most(&field["name"], 256, "name")?;
            at_most(&field["value"], 1_024, "value")?;
        }
    }
    let silent = request.body["allowed_mentions"]["parse"] == json!([]);
    if embeds.len() == 1 && silent { Ok(()) } else { Err("mentions".to_owned()) }
}

fn telegram(request: &Request) -> Result<(), String> {
    is_json(request)?;
    if request.line != "POST /bot123:token/sendMessage HTTP/1.1" {
        return Err("Not Found".to_owned());
    }
    only(&request.body, &["chat_id", "text", "link_preview_options"])?;
    at_most(&request.body["text"], 4_096, "text")?;
    if request.body["chat_id"] == json!("-100") { Ok(()) } else { Err("chat not found".to_owned()) }
}

fn teams(request: &Request) -> Result<(), String> {
    is_json(request)?;
    only(&request.body, &["type", "attachments"])?;
    let [attachment] = request.body["attachments"].as_array().ok_or("no attachments")?.as_slice() else {
        return Err("one attachment".to_owned());
    };
    let (kind, card) = (&attachment["contentType"], &attachment["content"]);
    let right = *kind == json!("application/vnd.microsoft.card.adaptive")
        && card["type"] == json!("AdaptiveCard")
        && card["version"] == json!("1.4")
        && card["actions"][0]["type"] == json!("Action.OpenUrl")
        && request.bytes.len() <= 28 * 1024;
    if right { Ok(()) } else { Err("no card".to_owned()) }
}

fn pagerduty(request: &Request) -> Result<(), String> {
    is_json(request)?;
    let body = &request.body;
    only(body, &["routing_key", "event_action", "dedup_key", "payload", "client", "client_url", "links"])?;
    at_most(&body["dedup_key"], 255, "dedup_key")?;
    if request.line != "POST /v2/enqueue HTTP/1.1" || body["routing_key"] != json!("R0UT1NG") {
        return Err("invalid routing key".to_owned());
    }
    match body["event_action"].as_str() {
        Some("acknowledge" | "resolve") if body.get("payload").is_none() => Ok(()),
        Some("trigger") => {
            let payload = &body["payload"];
            only(payload, &["summary", "source", "severity", "timestamp", "component", "class", "custom_details"])?;
            at_most(&payload["summary"], 1_024, "summary")?;
            at_most(&payload["source"], 1_024, "source")?;
            let severities = ["critical", "error", "warning", "info"];
            let severity = payload["severity"].as_str().is_some_and(|severity| severities.contains(&severity));
            if severity { Ok(()) } else { Err("severity".to_owned()) }
        }
        _ => Err("event_action".to_owned()),
    }
}

fn webhook(request: &Request) -> Result<(), String> {
    is_json(request)?;
    let (id, at) = (request.header("webhook-id"), request.header("webhook-timestamp"));
    let mut signed = format!("{id}.{at}.").into_bytes();
    signed.extend_from_slice(&request.bytes);
    let key = BASE64.decode(KEY.trim_start_matches("whsec_").as_bytes()).expect("base64");
    let tag = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &key), &signed);
    let expected = format!("v1,{}", BASE64.encode(tag.as_ref()));
    if request.header("webhook-signature") == expected { Ok(()) } else { Err("signature".to_owned()) }
}

fn ways(service: &Service, which: &str) -> Way {
    let secret = |path: &str| Secret::new(service.url(path));
    match which {
        "slack" => Way::Slack(secret("/services/T0/B0/key")),
        "discord" => Way::Discord(secret("/api/webhooks/1/key")),
        "teams" => Way::Teams(secret("/workflows/1?sig=key")),
        "telegram" => Way::Telegram(TelegramSpec {
            server: service.url(""),
            token: Secret::new("123:token".to_owned()),
            chat: "-100".to_owned(),
        }),
        "pagerduty" => Way::PagerDuty(PagerSpec { server: service.url(""), key: Secret::new("R0UT1NG".to_owned()) }),
        "webhook" => Way::Webhook { url: service.url("/alerts"), secrets: vec![Secret::new(KEY.to_owned())] },
        other => panic!("{other}"),
    }
}

/// Name, judge, what the service answers when it takes a message, and what is made of that.
const SERVICES: [(&str, Judge, (&str, &str), &str); 6] = [
    ("slack", slack, ("200 OK", "ok"), "200 ok"),
    ("discord", discord, ("204 No Content", ""), "204"),
    ("teams", teams, ("202 Accepted", ""), "202"),
    ("telegram", telegram, ("200 OK", r#"{"ok":true,"result":{"message_id":42,"text":"…"}}"#), "200 message 42"),
    (
        "pagerduty",
        pagerduty,
        ("202 Accepted", r#"{"status":"success","dedup_key":"k"}"#),
        r#"202 {"status":"success","dedup_key":"k"}"#,
    ),
    ("webhook", webhook, ("200 OK", ""), "200"),
];

#[tokio::test]
async fn each_service_takes_every_stage_and_texts_of_any_length() {
    for (name, judge, (status, body), said) in SERVICES {
        let answer = whole(status, "", body);
        let service = Service::start(judge, &[answer.as_str(); 6]).await;
        let channel = channel(ways(&service, name));
        for stage in Stage::ALL {
            let spoken =
                post().send(&channel, &message(stage)).await.unwrap_or_else(|trouble| panic!("{name}: {trouble}"));
            assert_eq!(spoken, Spoken { said: said.to_owned(), complaint: None }, "{name}");
        }
        let long = "x".repeat(50_000);
        let mut message = message(Stage::Opened);
        message.title.clone_from(&long);
        message.facts[0].1.clone_from(&long);
        post().send(&channel, &message).await.unwrap_or_else(|trouble| panic!("{name}: {trouble}"));
        assert_eq!(service.got().len(), 6, "{name}");
    }
}

#[tokio::test]
async fn nothing_that_a_sender_wrote_becomes_markup_or_calls_anybody() {
    for (name, judge, (status, body), _) in &SERVICES[..3] {
        let service = Service::start(*judge, &[&whole(status, "", body)]).await;
        post().send(&channel(ways(&service, name)), &message(Stage::Opened)).await.expect("taken");
        let body = service.got()[0].body.clone();
        // Slack's header is plain text. Elsewhere it makes bold what stands between stars, and takes nothing but its own
        // brackets for a call or a link.
        let text = if *name == "slack" { format!("{}{}", body["text"], body["blocks"][1]) } else { body.to_string() };
        let raw: &[&str] = match *name {
            "slack" => &["<!channel>", "<b>"],
            "discord" | "teams" => &["answered *500*", "[x](https"],
            other => panic!("{other}"),
        };
        assert!(raw.iter().all(|raw| !text.contains(raw)), "{name}: {text}");
    }
}

#[tokio::test]
async fn pagerduty_has_one_incident_for_all_messages_of_a_cause() {
    let answer = whole("202 Accepted", "", "{}");
    let service = Service::start(pagerduty, &[answer.as_str(); 4]).await;
    let channel = channel(ways(&service, "pagerduty"));
    for stage in [Stage::Opened, Stage::Worse, Stage::Acknowledged, Stage::Resolved] {
        post().send(&channel, &message(stage)).await.expect("taken");
    }
    let got = service.got();
    let actions: Vec<_> = got.iter().map(|request| request.body["event_action"].as_str().expect("a text")).collect();
    assert_eq!(actions, ["trigger", "trigger", "acknowledge", "resolve"]);
    assert!(got.iter().all(|request| request.body["dedup_key"] == json!("default/deliveries/app")));
    assert_eq!(got[0].body["links"][0]["href"], json!("https://hooks.example/alerts"));
}

#[tokio::test]
async fn a_service_that_has_enough_says_when_to_come_back_and_one_that_refuses_stays_so() {
    let header = "retry-after: 30\r\n";
    let body = |json: Value| json.to_string();
    let cases = [
        ("slack", whole("429 Too Many Requests", header, "rate_limited"), "rate_limited", false, Some(30.0)),
        (
            "discord",
            whole("429 Too Many Requests", header, &body(json!({ "retry_after": 1.5, "global": false }))),
            "rate_limited",
            false,
            Some(1.5),
        ),
        (
            "telegram",
            whole(
                "429 Too Many Requests",
                "",
                &body(json!({ "ok": false, "error_code": 429, "parameters": { "retry_after": 7 } })),
            ),
            "rate_limited",
            false,
            Some(7.0),
        ),
        ("teams", whole("429 Too Many Requests", header, ""), "rate_limited", false, Some(30.0)),
        ("pagerduty", whole("429 Too Many Requests", "", "{}"), "rate_limited", false, None),
        ("webhook", whole("503 Service Unavailable", header, ""), "refused", false, Some(30.0)),
        ("slack", whole("404 Not Found", "", "no_service"), "refused", true, None),
        (
            "telegram",
            whole("401 Unauthorized", "", &body(json!({ "ok": false, "description": "Unauthorized" }))),
            "refused",
            true,
            None,
        ),
        ("teams", whole("200 OK", "", "Webhook message delivery failed with error: 413"), "refused", false, None),
        ("webhook", whole("302 Found", "location: http://elsewhere.example/\r\n", ""), "refused", true, None),
    ];
    for (name, answer, code, lasting, wait) in cases {
        let judge = SERVICES.iter().find(|service| service.0 == name).expect("a service").1;
        let service = Service::start(judge, &[&answer]).await;
        let trouble = post().send(&channel(ways(&service, name)), &message(Stage::Opened)).await.expect_err(name);
        assert_eq!((trouble.code, trouble.lasting), (code, lasting), "{name}: {trouble:?}");
        assert_eq!(trouble.wait.map(|wait| wait.as_secs_f64()), wait, "{name}");
        for secret in ["/services/T0", "123:token", "sig=key", "R0UT1NG"] {
            assert!(!trouble.problem.contains(secret), "{name}: {}", trouble.problem);
        }
    }
}

#[tokio::test]
async fn what_cannot_be_reached_or_may_not_be_is_told_without_the_secret() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let slack = channel(Way::Slack(Secret::new(format!("http://{nobody}/services/key"))));
    let trouble = post().send(&slack, &message(Stage::Opened)).await.expect_err("nobody listens");
    assert_eq!((trouble.code, trouble.lasting), ("connect_failed", false));
    let private = Post { egress: Arc::default(), ..post() };
    let trouble = private.send(&slack, &message(Stage::Opened)).await.expect_err("it is not public");
    assert_eq!((trouble.code, trouble.lasting), ("egress_refused", true));
    let mistaken = channel(Way::Discord(Secret::new("ftp://secret-key.example/x".to_owned())));
    let trouble = post().send(&mistaken, &message(Stage::Opened)).await.expect_err("no HTTP");
    assert!(!trouble.problem.contains("secret-key"), "{}", trouble.problem);
}
