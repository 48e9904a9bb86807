//! What verifying a request of one kibibyte costs, by each recipe that signs the body with an HMAC: alone, and with
//! reading what it holds. Prints CPU microseconds; compares nothing and fails only if a request is judged wrongly.
//!
//! Alone means that one byte of the body was changed: the signature is computed and compared all the same, and then
//! nothing is read. Making the refusal is in it, so it is an upper bound.

#![expect(clippy::print_stdout, reason = "what it measured is what it is for")]

use std::hint::black_box;

use bench::stopwatch::thread_cpu;
use connectors::provider::{
    Incoming, Judgement, Keys, Kind, Moment, Peer, Recipe, SignedSample, Urls, catalogue, judge, sign_sample,
};
use domain::Timestamp;

const BODY_BYTES: usize = 1024;
const GOAL_US: f64 = 3.0;
const TIMES: u32 = 20_000;
/// Runs of each recipe; the quickest counts, because everything else on the machine only adds.
const RUNS: usize = 5;
const NOW: Timestamp = Timestamp::from_secs(1_769_851_800);
const URL: &str = "https://hooks.example/in/x";

/// What one recipe costs, in microseconds for one request.
struct Cost {
    name: String,
    alone: f64,
    whole: f64,
}

fn main() {
    let recipes = catalogue().names().filter_map(|name| catalogue().get(name));
    let costs: Vec<Cost> = recipes.filter_map(|recipe| cost(&recipe)).collect();
    assert!(costs.len() >= 30, "only {} recipes could be measured", costs.len());
    println!("a signed body of {BODY_BYTES} bytes, CPU µs, {} recipes", costs.len());
    print("verify alone", &costs, |cost| cost.alone);
    print("verify and read", &costs, |cost| cost.whole);
}

fn print(what: &str, costs: &[Cost], of: impl Fn(&Cost) -> f64) {
    let mut sorted: Vec<&Cost> = costs.iter().collect();
    sorted.sort_by(|one, other| of(one).total_cmp(&of(other)));
    println!("{what}");
    for (word, cost) in [("least", sorted[0]), ("median", sorted[sorted.len() / 2]), ("most", sorted[sorted.len() - 1])]
    {
        println!("  {word:<7} {:5.2}  {}", of(cost), cost.name);
    }
    if let Some(cost) = costs.iter().find(|cost| cost.name == "github") {
        println!("  github  {:5.2}", of(cost));
    }
    println!("  over {GOAL_US} µs: {} recipes", costs.iter().filter(|cost| of(cost) > GOAL_US).count());
}

/// `None` where the recipe signs no body with an HMAC, or its sample is no JSON object.
fn cost(recipe: &Recipe) -> Option<Cost> {
    let vector = recipe.vectors().iter().find(|vector| vector.kind == Kind::Valid)?;
    let schemes = recipe.schemes(&vector.settings).ok()?;
    if !schemes.iter().any(|scheme| scheme.covers_body && scheme.text.starts_with("hmac")) {
        return None;
    }
    let mut sample = recipe.sample(None)?.clone();
    let body = sample.body.trim_end().strip_suffix('}')?.to_owned();
    let rest = BODY_BYTES.checked_sub(body.len() + r#","padding":""}"#.len())?;
    sample.body = format!(r#"{body},"padding":"{}"}}"#, "x".repeat(rest));
    let moment = Moment { now: NOW, nonce: 7 };
    let signed = sign_sample(recipe, &vector.role_secrets(), &vector.settings, &sample, URL, moment).ok()?;
    let keys = Keys::compile(recipe, &vector.role_secrets(), &vector.settings).ok()?;
    let mut tampered = signed.body.to_vec();
    let padding = tampered.len() - 3;
    tampered[padding] = b'y';
    let least = |body: &[u8], is_right: fn(&Judgement) -> bool| {
        let runs = (0..RUNS).map(|_| run(recipe, &keys, &signed, body, is_right));
        runs.collect::<Option<Vec<_>>>()?.into_iter().min_by(f64::total_cmp)
    };
    Some(Cost {
        name: recipe.name().to_owned(),
        whole: least(&signed.body, |judgement| matches!(judgement, Judgement::Accepted(_)))?,
        alone: least(&tampered, |judgement| matches!(judgement, Judgement::Rejected(_)))?,
    })
}

fn run(
    recipe: &Recipe,
    keys: &Keys,
    signed: &SignedSample,
    body: &[u8],
    is_right: fn(&Judgement) -> bool,
) -> Option<f64> {
    let urls = Urls { configured: &signed.url, received: &signed.url };
    let incoming = Incoming { method: &signed.method, urls, headers: &signed.headers, body, peer: Peer::default() };
    if !is_right(&judge(recipe, keys, &incoming, NOW)) {
        return None;
    }
    let before = thread_cpu();
    for _ in 0..TIMES {
        black_box(judge(recipe, keys, black_box(&incoming), NOW));
    }
    Some((thread_cpu() - before).as_secs_f64() * 1e6 / f64::from(TIMES))
}
