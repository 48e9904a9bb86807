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
            .destination("good", &sink, &retry)
            .destination("raw", &sink, &json!({ "http": { "body": "raw" }, "breaker": no_breaker() }))
            .destination("wrapped", &sink, &retry)
            .destination("mapped", &sink, &retry)
            .route("load", "good", &json!({ "ordering": "subject" }))
            .route("open", "raw", &json!({}))
            .route("open", "wrapped", &json!({}))
            .route("open", "mapped", &json!({ "when": "data.a != 5", "map": "{ 'all': $$, 'keys': $keys(data) }" }))
            .with("limits", json!({ "body_bytes": BODY_BYTES_MAX, "inflated_bytes": BODY_BYTES_MAX }));
        Self { home: Home::new(setup.value()), sink }
    }
}

/// What came back from one piece of poison.
struct Outcome {
    name: String,
    response: Option<Response>,
}

fn check(outcomes: &[Outcome], stage: &Stage) {
    for Outcome { name, response } in outcomes {
        let status = response.as_ref().map_or(0, |response| response.status);
        assert!(status < 500, "{name} was answered {status}: {}\n{}", response_text(response), stage.home.log_end());
    }
}

fn response_text(response: &Option<Response>) -> String {
    response.as_ref().map_or_else(String::new, Response::text)
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
fn poison_bodies_harm_nobody_and_come_out_as_they_went_in() {
    let mut dice = Dice::of("poison bodies");
    let stage = Stage::new();
    stage.sink.keep_bodies();
    let mut gateway = stage.home.start();
    let ledger = Ledger::new();
    let generator = good_load(&stage.home, &ledger, &mut dice);
    let mut outcomes = Vec::new();
    let mut taken = Vec::new();
    for poison in bodies::all(&mut dice) {
        let headers: Vec<_> = poison.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let response = http::once(stage.home.address, "POST", "/in/open", &headers, &poison.body);
        let response = response.unwrap_or_else(|error| panic!("{}: {error}\n{}", poison.name, stage.home.log_end()));
        if response.status == 200 {
            taken.push((poison.name.clone(), poison.body));
        } else if poison.must_be_taken {
            panic!("{} was answered {}: {}", poison.name, response.status, response.text());
        }
        outcomes.push(Outcome { name: poison.name, response: Some(response) });
    }
    until("what was taken is delivered", || stage.sink.distinct_at("raw") >= taken.len());
    let good = judge_neighbours(&stage, &ledger, generator);
    let bodies = stage.sink.bodies();
    for (name, body) in &taken {
        assert!(bodies.contains(body), "{name} did not come out as it went in");
    }
    check(&outcomes, &stage);
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
fn poison_on_the_wire_harms_nobody() {
    let mut dice = Dice::of("poison on the wire");
    let stage = Stage::new();
    let mut gateway = stage.home.start();
    let ledger = Ledger::new();
    let generator = good_load(&stage.home, &ledger, &mut dice);
    let address: SocketAddr = stage.home.address;
    let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
        let threads: Vec<_> = sockets::all()
            .into_iter()
            .map(|poison| scope.spawn(move || (poison.name.to_owned(), poison.must_fail, poison.play(address))))
            .collect();
        let ends = threads.into_iter().map(|thread| thread.join().expect("the poisoner does not panic"));
        ends.map(|(name, must_fail, response)| {
            let status = response.as_ref().map_or(0, |response| response.status);
            assert!(!must_fail || !(200..300).contains(&status), "{name} was answered {status}");
            Outcome { name, response }
        })
        .collect()
    });
    check(&outcomes, &stage);
    let good = judge_neighbours(&stage, &ledger, generator);
    assert_eq!(gateway.ended(), None);
    assert_eq!(gateway.terminate().code(), Some(0));
    let answered = outcomes.iter().filter(|outcome| outcome.response.is_some()).count();
    eprintln!("poison on the wire: {} kinds, {answered} answered, the others cut off; {good}", outcomes.len());
    assert!(answered > 0 && outcomes.len() > answered);
}
