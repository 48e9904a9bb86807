//! What verifying a request of one kibibyte costs, by each recipe that signs the body with an HMAC. Prints CPU
//! microseconds; compares nothing and fails only if a request is refused.

#![expect(clippy::print_stdout, reason = "what it measured is what it is for")]

use std::hint::black_box;

use bench::stopwatch::thread_cpu;
use connectors::provider::{
    Incoming, Judgement, Keys, Kind, Moment, Peer, Recipe, SignedSample, Urls, catalogue, judge, sign_sample,
};
use domain::Timestamp;

const BODY_BYTES: usize = 1024;
const TIMES: u32 = 20_000;
/// Runs of each recipe; the quickest counts, because everything else on the machine only adds.
const RUNS: usize = 5;
const NOW: Timestamp = Timestamp::from_secs(1_769_851_800);
const URL: &str = "https://hooks.example/in/x";

fn main() {
    let recipes = catalogue().names().filter_map(|name| catalogue().get(name));
    let mut costs: Vec<(f64, String)> =
        recipes.filter_map(|recipe| Some((cost(&recipe)?, recipe.name().to_owned()))).collect();
    costs.sort_by(|one, other| one.0.total_cmp(&other.0));
    assert!(costs.len() >= 30, "only {} recipes could be measured", costs.len());
    let (least, median, most) = (&costs[0], &costs[costs.len() / 2], &costs[costs.len() - 1]);
    println!("verify and read a signed body of {BODY_BYTES} bytes, CPU µs, {} recipes", costs.len());
    for (word, (us, name)) in [("least", least), ("median", median), ("most", most)] {
        println!("{word:<7} {us:5.2}  {name}");
    }
    if let Some((us, _)) = costs.iter().find(|(_, name)| name == "github") {
        println!("github  {us:5.2}");
    }
}

/// Microseconds for one request, or `None` where the recipe signs no body with an HMAC, or its sample is no JSON object.
fn cost(recipe: &Recipe) -> Option<f64> {
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
    (0..RUNS).map(|_| run(recipe, &keys, &signed)).collect::<Option<Vec<_>>>()?.into_iter().min_by(f64::total_cmp)
}

fn run(recipe: &Recipe, keys: &Keys, signed: &SignedSample) -> Option<f64> {
    let urls = Urls { configured: &signed.url, received: &signed.url };
    let incoming =
        Incoming { method: &signed.method, urls, headers: &signed.headers, body: &signed.body, peer: Peer::default() };
    if !matches!(judge(recipe, keys, &incoming, NOW), Judgement::Accepted(_)) {
        return None;
    }
    let before = thread_cpu();
    for _ in 0..TIMES {
        black_box(judge(recipe, keys, black_box(&incoming), NOW));
    }
    Some((thread_cpu() - before).as_secs_f64() * 1e6 / f64::from(TIMES))
}
