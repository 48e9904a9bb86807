//! Requests that were made to do harm, through the real port: never a crash, never a 500, bytes that are taken come
//! out bit for bit, and good requests beside them succeed.

mod bodies;
mod sockets;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::api::Api;
use crate::dice::Dice;
use crate::gateway::Home;
use crate::generator::{Generator, Plan};
use crate::http::{self, Response};
use crate::ledger::Ledger;
use crate::oracle::{Owed, check_database, judge_at_rest};
use crate::setup::{Setup, no_breaker, quick_retries};
use crate::sink::Sink;
use crate::wait::until;

/// Small, so that the bodies that break it need not be large.
const BODY_BYTES_MAX: usize = 12 * 1024 * 1024;
const OWED: [Owed; 1] = [Owed { route: "load-good", destination: "good", ordered: true }];

struct Stage {
    sink: Sink,
    home: Home,
}

impl Stage {
    /// One source for good messages, and one that takes anything, so that the poison gets as far as it can.
    fn new() -> Self {
        let sink = Sink::start();
        let retry = json!({ "retry": quick_retries(2), "breaker": no_breaker() });
        let setup = Setup::new()
            .source("load")
            .source_of("open", &json!({ "webhook": { "provider": "none" } }))
            .source_of("hidden", &json!({ "webhook": { "provider": "none" } }))
            .destination("good", &sink, &retry)
            .destination("raw", &sink, &json!({ "http": { "body": "raw" }, "breaker": no_breaker() }))
            .destination("wrapped", &sink, &retry)
            .destination("mapped", &sink, &retry)
            .route("load", "good", &json!({ "ordering": "subject" }))
            .route("open", "raw", &json!({ "assurance": "none" }))
            .route("open", "wrapped", &json!({ "assurance": "none" }))
            .route(
                "open",
                "mapped",
                &json!({ "assurance": "none", "when": "data.a != 5", "map": "{ 'all': $$, 'keys': $keys(data) }" }),
            )
            .with("limits", json!({ "body_bytes": "12MiB" }));
        Self { home: Home::new(setup.value()), sink }
    }
}

/// What came back from one piece of poison.
struct Outcome {
    name: String,
    response: Option<Response>,
}

impl Outcome {
    /// 0 if the connection was cut.
    fn status(&self) -> u16 {
        self.response.as_ref().map_or(0, |response| response.status)
    }
}

/// All faults at once: what breaks one parser often breaks its neighbours.
fn check(outcomes: &[Outcome], mut faults: Vec<String>, stage: &Stage) {
    let failed = outcomes.iter().filter(|outcome| outcome.status() >= 500);
    faults.extend(failed.map(|outcome| format!("{} was answered {:?}", outcome.name, outcome.response)));
    assert!(faults.is_empty(), "{} faults: {faults:#?}\n{}", faults.len(), stage.home.log_end());
}

fn good_load(home: &Home, ledger: &Arc<Ledger>, dice: &mut Dice) -> Generator {
    let plan = Plan { senders: 3, gap: Duration::from_millis(10), ..Plan::to(home.address, "/in/load") };
    Generator::start(&plan, ledger, dice)
}

fn judge_neighbours(stage: &Stage, ledger: &Ledger, generator: Generator) -> String {
    generator.stop();
    let verdict = judge_at_rest(&stage.home, ledger, &stage.sink, &OWED);
    assert!(verdict.delivered > 0 && verdict.dead == 0 && verdict.duplicates == 0, "{verdict}");
    assert_eq!((verdict.sent.unanswered, verdict.sent.refused.len()), (0, 0), "good requests suffered: {verdict}");
    verdict.to_string()
}

#[test]
fn threat_11_poison_bodies_harm_nobody_and_come_out_as_they_went_in() {
    let mut dice = Dice::of("poison bodies");
    let stage = Stage::new();
    stage.sink.keep_bodies();
    let mut gateway = stage.home.start();
    let ledger = Ledger::new();
    let generator = good_load(&stage.home, &ledger, &mut dice);
    let mut outcomes = Vec::new();
    let (mut taken, mut faults) = (Vec::new(), Vec::new());
    for poison in bodies::all(&mut dice) {
        let headers: Vec<_> = poison.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let response = http::once(stage.home.address, "POST", "/in/open", &headers, &poison.body);
        let status = response.as_ref().map_or(0, |response| response.status);
        if status == 200 {
            taken.push((poison.name.clone(), poison.body));
        } else if poison.must_be_taken {
            faults.push(format!("{} is an event and was answered {response:?}", poison.name));
        }
        outcomes.push(Outcome { name: poison.name, response: response.ok() });
    }
    until("what was taken is delivered", || stage.sink.distinct_at("raw") >= taken.len());
    let good = judge_neighbours(&stage, &ledger, generator);
    let bodies = stage.sink.bodies();
    let altered = taken.iter().filter(|(_, body)| !bodies.contains(body));
    faults.extend(altered.map(|(name, _)| format!("{name} did not come out as it went in")));
    check(&outcomes, faults, &stage);
    let dead = Api { address: stage.home.address }.all("/api/v1/dead-letters");
    assert_eq!(gateway.ended(), None);
    assert_eq!(gateway.terminate().code(), Some(0));
    check_database(&stage.home.database());
    let refused = outcomes.len() - taken.len();
    eprintln!(
        "poison bodies: {} taken and delivered bit for bit, {refused} refused, {} dead; {good}",
        taken.len(),
        dead.len()
    );
    assert!(!taken.is_empty() && refused > 0);
}

#[test]
fn threat_10_poison_on_the_wire_harms_nobody() {
    let mut dice = Dice::of("poison on the wire");
    let stage = Stage::new();
    let mut gateway = stage.home.start();
    let ledger = Ledger::new();
    let generator = good_load(&stage.home, &ledger, &mut dice);
    let address: SocketAddr = stage.home.address;
    let played: Vec<(Outcome, bool)> = std::thread::scope(|scope| {
        let play = |poison: sockets::Wire| {
            let response = poison.play(address);
            (Outcome { name: poison.name.to_owned(), response }, poison.must_fail)
        };
        let threads: Vec<_> = sockets::all().into_iter().map(|poison| scope.spawn(move || play(poison))).collect();
        threads.into_iter().map(|thread| thread.join().expect("the poisoner does not panic")).collect()
    });
    let taken = played.iter().filter(|(outcome, must_fail)| *must_fail && (200..300).contains(&outcome.status()));
    let faults = taken.map(|(outcome, _)| format!("{} was taken: {}", outcome.name, outcome.status())).collect();
    let outcomes: Vec<Outcome> = played.into_iter().map(|(outcome, _)| outcome).collect();
    check(&outcomes, faults, &stage);
    let good = judge_neighbours(&stage, &ledger, generator);
    let api = Api { address };
    assert!(api.is_empty("/api/v1/events?source=hidden"), "a request hidden in another was carried out");
    assert_eq!(gateway.ended(), None);
    assert_eq!(gateway.terminate().code(), Some(0));
    let answered = outcomes.iter().filter(|outcome| outcome.response.is_some()).count();
    eprintln!("poison on the wire: {} kinds, {answered} answered, the others cut off; {good}", outcomes.len());
    assert!(answered > 0 && outcomes.len() > answered);
}

/// What a caller with a key may put into a path, a query or a body of the API.
#[test]
fn poison_parameters_are_told_and_never_a_500() {
    let mut dice = Dice::of("poison parameters");
    let stage = Stage::new();
    let gateway = stage.home.start();
    let ledger = Ledger::new();
    let plan = Plan { messages: Some(60), ..Plan::to(stage.home.address, "/in/load") };
    Generator::start(&plan, &ledger, &mut dice).wait();
    let api = Api { address: stage.home.address };
    let cursor = api.get("/api/v1/events?limit=3")["next"].as_str().expect("there are more than three").to_owned();
    let (mut asked, mut faults) = (0, Vec::new());
    let mut ask = |method: &str, path: &str, body: &[u8]| {
        let status = api.ask(method, path, &[("content-type", "application/json")], body).status;
        asked += 1;
        if !(200..500).contains(&status) {
            faults.push(format!("{method} {path}: {status}"));
        }
    };
    for _ in 0..400 {
        let mut damaged = cursor.clone().into_bytes();
        for _ in 0..=dice.index(3) {
            let at = dice.index(damaged.len());
            damaged[at] = b"ABCxyz019-_"[dice.index(11)];
        }
        damaged.truncate(damaged.len() - dice.index(4));
        ask("GET", &format!("/api/v1/events?limit=3&cursor={}", String::from_utf8_lossy(&damaged)), b"");
    }
    for wild in bodies::WILD_PARAMETERS {
        for list in ["events", "deliveries", "dead-letters", "requests", "replays", "alerts"] {
            for name in ["cursor", "limit", "since", "until", "source", "subject", "type", "q", "state", "nonsense"] {
                ask("GET", &format!("/api/v1/{list}?{name}={wild}"), b"");
            }
            ask("GET", &format!("/api/v1/{list}/{wild}"), b"");
        }
        ask("POST", &format!("/api/v1/deliveries/{wild}/retry"), b"");
        ask("PUT", &format!("/api/v1/sources/{wild}"), b"{}");
    }
    for poison in bodies::all(&mut dice) {
        ask("POST", "/api/v1/replays", &poison.body[..poison.body.len().min(500_000)]);
        ask("PUT", "/api/v1/destinations/made", &poison.body[..poison.body.len().min(500_000)]);
    }
    assert!(faults.is_empty(), "{} of {asked}: {faults:#?}\n{}", faults.len(), stage.home.log_end());
    let verdict = judge_at_rest(&stage.home, &ledger, &stage.sink, &OWED);
    assert_eq!(gateway.terminate().code(), Some(0));
    eprintln!("poison parameters: {asked} requests, none a 500; {verdict}");
    assert!(asked > 400 && verdict.delivered > 0);
}
