//! No recipe costs an allocation per byte: a large body is verified with as many allocations as a small one.

use connectors::provider::{
    Incoming, Judgement, Keys, Kind, Moment, Peer, Recipe, Sample, Settings, SignedSample, Urls, Vector, judge,
    sign_sample,
};

use crate::catalogue::recipes;
use crate::request::{NOW, URL};

const SMALL: usize = 1024;
const LARGE: usize = 1024 * 1024;

/// The recipe's own sample with a body of this size, signed.
fn signed(recipe: &Recipe, vector: &Vector, bytes: usize) -> Option<SignedSample> {
    let body = format!(r#"{{"filling":"{}"}}"#, "x".repeat(bytes));
    let sample = Sample { body, ..recipe.sample(None)?.clone() };
    let moment = Moment { now: NOW, nonce: 7 };
    sign_sample(recipe, &vector.role_secrets(), &vector.settings, &sample, URL, moment).ok()
}

fn allocations(recipe: &Recipe, keys: &Keys, signed: &SignedSample) -> Option<u64> {
    let urls = Urls { configured: &signed.url, received: &signed.url };
    let incoming =
        Incoming { method: &signed.method, urls, headers: &signed.headers, body: &signed.body, peer: Peer::default() };
    let mut accepted = false;
    let counted = allocation_counter::measure(|| {
        accepted = matches!(judge(recipe, keys, &incoming, NOW), Judgement::Accepted(_));
    });
    accepted.then_some(counted.count_total)
}

#[test]
fn verifying_a_large_body_allocates_no_more_often_than_a_small_one() {
    let mut tried = 0;
    for recipe in recipes() {
        let covers = |settings: &Settings| {
            let schemes = recipe.schemes(settings).unwrap_or_default();
            schemes.iter().any(|scheme| scheme.text.starts_with("hmac") && scheme.covers_body && !scheme.covers_form)
        };
        let valid = recipe.vectors().iter().find(|vector| vector.kind == Kind::Valid && covers(&vector.settings));
        let Some(vector) = valid else { continue };
        let keys = Keys::compile(&recipe, &vector.role_secrets(), &vector.settings).expect("a vector's keys");
        let count = |bytes| allocations(&recipe, &keys, &signed(&recipe, vector, bytes)?);
        // Where the body has to have a form of its own, another one is not what its sender signs.
        let (Some(small), Some(large)) = (count(SMALL), count(LARGE)) else { continue };
        assert_eq!(small, large, "{}", recipe.name());
        assert!(small < 100, "{} allocates {small} times", recipe.name());
        tried += 1;
    }
    assert!(tried >= 30, "only {tried} were tried");
}

/// A vector's request whose body is made longer by its own means: in one text of it, or by ever more of what it consists
/// of. Nobody signed it, so that most are refused, after all of it was looked at.
fn longer(vector: &Vector, how: How, bytes: usize) -> Option<Vec<u8>> {
    let body = std::str::from_utf8(&vector.body).ok()?;
    let times = |unit: &str| unit.repeat(bytes / unit.len());
    let longer = match how {
        How::Text => {
            let plain = |byte: char| byte.is_ascii_alphanumeric();
            let run = body.split(|byte| !plain(byte)).max_by_key(|run| run.len()).filter(|run| !run.is_empty())?;
            body.replacen(run, &times(run), 1)
        }
        How::Members if body.starts_with('{') => {
            format!(r#"{{"filling":[{}0],{}"#, times(r#"{"a":[1]},"#), body.strip_prefix('{')?)
        }
        How::Members if body.starts_with('[') => format!("[{}{}", times("0,"), body.strip_prefix('[')?),
        How::Members if body.contains("<") => body.replacen("</", &format!("{}</", times("<a/>")), 1),
        How::Members if body.contains('=') => format!("{}{body}", times("a=b&")),
        How::Members => return None,
    };
    Some(longer.into_bytes())
}

#[derive(Clone, Copy, Debug)]
enum How {
    Text,
    Members,
}

/// Allocations of what a longer one costs, whatever becomes of it.
fn cost(recipe: &Recipe, keys: &Keys, vector: &Vector, how: How, bytes: usize) -> Option<u64> {
    let body = longer(vector, how, bytes)?;
    let incoming = Incoming { body: &body, ..vector.incoming() };
    Some(allocation_counter::measure(|| drop(vector.judge(recipe, keys, &incoming))).count_total)
}

#[test]
fn no_recipe_allocates_by_the_byte_whether_it_takes_a_request_or_not() {
    // Lists grow by doubling, and what a person is told of a refusal is a text.
    const SLACK: u64 = 40;
    let (mut tried, mut dear) = (0, Vec::new());
    for recipe in recipes() {
        for vector in recipe.vectors().iter().filter(|vector| vector.kind == Kind::Valid) {
            let keys = Keys::compile(&recipe, &vector.role_secrets(), &vector.settings).expect("a vector's keys");
            for how in [How::Text, How::Members] {
                let count = |bytes| cost(&recipe, &keys, vector, how, bytes);
                let (Some(small), Some(large)) = (count(SMALL), count(256 * SMALL)) else { continue };
                if large > small + SLACK {
                    dear.push(format!("{} '{}' {how:?}: {small} -> {large}", recipe.name(), vector.name));
                }
                tried += 1;
            }
        }
    }
    assert!(dear.is_empty(), "{}", dear.join("\n"));
    assert!(tried >= 300, "only {tried} were tried");
}
