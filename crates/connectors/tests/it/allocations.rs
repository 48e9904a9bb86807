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
