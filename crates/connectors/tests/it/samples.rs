//! Samples: filled in, signed as the sender would, and taken by the same recipe as the event they claim to be.

use connectors::provider::{
    Incoming, Judgement, Keys, Kind, Moment, Recipe, Role, RoleSecret, SignError, SignedSample, Urls, judge,
    sign_sample,
};

use crate::catalogue::recipes;
use crate::request::{NOW, URL};

const ED25519: &str = "MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
const P256: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJCrze+hRANCAARHHD51jEkEKFu6flMRjtD1JK3rB1fSW9L457DXbfpxTN1SD3rKiouResw39R3o8Mm7462Fg4LnAtwloS0J96hY";

/// The private half of the public key in a recipe's vectors.
fn private(recipe: &Recipe) -> Option<RoleSecret> {
    let key = match recipe.name() {
        "discord" | "standard-webhooks" => ED25519,
        "sendgrid" => P256,
        _ => return None,
    };
    Some(RoleSecret::new(Some(Role::Private), key))
}

fn judged(recipe: &Recipe, keys: &Keys, signed: &SignedSample) -> Judgement {
    let urls = Urls { configured: &signed.url, received: &signed.url };
    let incoming = Incoming { method: &signed.method, urls, headers: &signed.headers, body: &signed.body };
    judge(recipe, keys, &incoming, NOW)
}

#[test]
fn every_sample_is_taken_as_the_event_it_claims_to_be_under_every_kind_of_secret() {
    for recipe in recipes() {
        assert!(!recipe.samples().is_empty(), "{} has no sample", recipe.name());
        for sample in recipe.samples() {
            for vector in recipe.vectors().iter().filter(|vector| vector.kind == Kind::Valid) {
                let configured = vector.role_secrets();
                let all: Vec<_> = configured.iter().cloned().chain(private(&recipe)).collect();
                let moment = Moment { now: NOW, nonce: 7 };
                let signed = sign_sample(&recipe, &all, &vector.settings, sample, URL, moment);
                let signed = signed.unwrap_or_else(|error| panic!("{error}"));
                let keys = Keys::compile(&recipe, &configured, &vector.settings).expect("a vector's keys");
                let Judgement::Accepted(accepted) = judged(&recipe, &keys, &signed) else {
                    panic!("{} '{}': {:?}", recipe.name(), sample.event, judged(&recipe, &keys, &signed));
                };
                // Where a setting says which header names the type, a sample cannot know it.
                if vector.settings.is_empty() {
                    assert_eq!(*accepted.events[0].event_type, *sample.event, "{}", recipe.name());
                }
            }
        }
    }
}

#[test]
fn another_nonce_makes_another_event() {
    for recipe in recipes() {
        let Some(vector) = recipe.vectors().iter().find(|vector| vector.kind == Kind::Valid) else { continue };
        let secrets: Vec<_> = vector.role_secrets().into_iter().chain(private(&recipe)).collect();
        let sample = recipe.sample(None).expect("each has one");
        let sign = |nonce| {
            sign_sample(&recipe, &secrets, &vector.settings, sample, URL, Moment { now: NOW, nonce }).expect("signs")
        };
        assert_eq!(sign(1).headers.len(), sign(2).headers.len());
        assert_ne!((sign(1).body, sign(1).headers), (sign(2).body, sign(2).headers), "{}", recipe.name());
    }
}

#[test]
fn only_a_test_key_can_sign_for_a_sender_with_a_public_key() {
    let recipe = connectors::provider::catalogue().get("discord").expect("listed");
    let vector = recipe.vectors().first().expect("listed");
    let sample = recipe.sample(Some("interaction.2")).expect("listed");
    let sign = |secrets: &[RoleSecret]| {
        sign_sample(&recipe, secrets, &vector.settings, sample, URL, Moment { now: NOW, nonce: 1 })
    };
    assert!(matches!(sign(&vector.role_secrets()), Err(SignError::NeedsPrivateKey { .. })));
    let wrong = [vector.role_secrets(), vec![RoleSecret::new(Some(Role::Private), P256)]].concat();
    assert_eq!(sign(&wrong), Err(SignError::UnusablePrivateKey));
}

#[test]
fn samples_are_found_by_their_event() {
    let recipe = connectors::provider::catalogue().get("github").expect("listed");
    assert_eq!(recipe.sample(Some("issues.opened")).map(|sample| sample.event.as_str()), Some("issues.opened"));
    assert_eq!(recipe.sample(None).map(|sample| sample.event.as_str()), Some("push"));
    assert_eq!(recipe.sample(Some("nothing")), None);
}
