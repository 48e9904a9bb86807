//! Samples: filled in, signed as the sender would, and taken by the same recipe as the event they claim to be.

use connectors::provider::{
    Incoming, Judgement, Keys, Kind, Moment, Peer, Recipe, Role, RoleSecret, Sample, SignError, SignedSample, Urls,
    Vector, judge, sign_sample,
};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};

use crate::catalogue::recipes;
use crate::keys::{ED25519, P256, RSA, forms, pkcs8};
use crate::request::{NOW, URL};

/// A key pair in place of the sender's: the private half, and the public one in each form that senders show it in.
fn key_pairs() -> Vec<(&'static str, Vec<String>)> {
    let ed25519 = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&pkcs8(ED25519)).expect("a key");
    let rng = SystemRandom::new();
    let p256 = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8(P256), &rng).expect("a key");
    let rsa = RsaKeyPair::from_pkcs8(&pkcs8(RSA)).expect("a key");
    vec![
        (ED25519, forms("300506032b6570", ed25519.public_key().as_ref())),
        (P256, forms("301306072a8648ce3d020106082a8648ce3d030107", p256.public_key().as_ref())),
        (RSA, forms("300d06092a864886f70d0101010500", rsa.public_key().as_ref())),
    ]
}

/// The secrets of a vector, with each key pair of ours in place of the sender's where it has a public key.
fn signable(vector: &Vector) -> Vec<Vec<RoleSecret>> {
    if vector.secrets.iter().all(|(role, _)| *role != Role::Public) {
        return vec![vector.role_secrets()];
    }
    let others = || vector.secrets.iter().filter(|(role, _)| *role != Role::Public);
    let with_pair = |private: &str, public: &str| {
        let others = others().map(|(role, value)| RoleSecret::new(Some(*role), value.clone()));
        let pair = [RoleSecret::new(Some(Role::Private), private), RoleSecret::new(Some(Role::Public), public)];
        others.chain(pair).collect()
    };
    let pairs = key_pairs();
    let all = pairs.iter().flat_map(|(private, forms)| forms.iter().map(move |public| (*private, public)));
    all.map(|(private, public)| with_pair(private, public)).collect()
}

/// A signed sample with the keys that take it, by the first of these secrets that fits.
pub fn signed(
    recipe: &Recipe,
    vector: &Vector,
    sample: &Sample,
    nonce: u128,
) -> Option<(SignedSample, connectors::provider::Accepted)> {
    signable(vector).iter().find_map(|secrets| {
        let signed = sign_sample(recipe, secrets, &vector.settings, sample, URL, Moment { now: NOW, nonce }).ok()?;
        let public: Vec<_> = secrets.iter().filter(|own| own.role() != Some(Role::Private)).cloned().collect();
        let keys = Keys::compile(recipe, &public, &vector.settings).ok()?;
        match judged(recipe, &keys, &signed) {
            Judgement::Accepted(accepted) => Some((signed, accepted)),
            _ => None,
        }
    })
}

/// Whether this way of signing is by keys that are fetched, so that nobody else can make a sample.
fn only_the_sender_signs(recipe: &Recipe, vector: &Vector, sample: &Sample) -> bool {
    let secrets = vector.role_secrets();
    let signed = sign_sample(recipe, &secrets, &vector.settings, sample, URL, Moment { now: NOW, nonce: 1 });
    let asks = !vector.fetched.is_empty() && matches!(signed, Err(SignError::NeedsPrivateKey { .. }));
    asks || matches!(signed, Err(SignError::OnlyTheSender { .. }))
}

/// Whether every way of signing is such a way: these have no samples.
fn only_fetches(recipe: &Recipe) -> bool {
    let mut valid = recipe.vectors().iter().filter(|vector| vector.kind == Kind::Valid);
    valid.all(|vector| {
        let schemes = recipe.schemes(&vector.settings).unwrap_or_default();
        !vector.fetched.is_empty() && schemes.iter().any(|scheme| !scheme.key_hosts.is_empty())
    })
}

fn judged(recipe: &Recipe, keys: &Keys, signed: &SignedSample) -> Judgement {
    let urls = Urls { configured: &signed.url, received: &signed.url };
    let incoming =
        Incoming { method: &signed.method, urls, headers: &signed.headers, body: &signed.body, peer: Peer::default() };
    judge(recipe, keys, &incoming, NOW)
}

#[test]
fn every_sample_is_taken_as_the_event_it_claims_to_be_under_every_kind_of_secret() {
    for recipe in recipes() {
        assert_eq!(recipe.samples().is_empty(), only_fetches(&recipe), "{}: samples that can be signed", recipe.name());
        for sample in recipe.samples() {
            let mut signable = 0;
            for vector in recipe.vectors().iter().filter(|vector| vector.kind == Kind::Valid) {
                if only_the_sender_signs(&recipe, vector, sample) {
                    continue;
                }
                signable += 1;
                let Some((_, accepted)) = signed(&recipe, vector, sample, 7) else {
                    panic!("{} '{}' under the secrets of '{}'", recipe.name(), sample.event, vector.name);
                };
                // Where a setting says which header names the type, a sample cannot know it.
                if vector.settings.is_empty() {
                    assert_eq!(*accepted.events[0].event_type, *sample.event, "{}", recipe.name());
                }
            }
            assert!(signable > 0, "{}: no way to sign '{}'", recipe.name(), sample.event);
        }
    }
}

#[test]
fn another_nonce_makes_another_event() {
    for recipe in recipes() {
        let Some(sample) = recipe.sample(None) else { continue };
        let mut valid = recipe.vectors().iter().filter(|vector| vector.kind == Kind::Valid);
        let vector = valid.find(|vector| !only_the_sender_signs(&recipe, vector, sample)).expect("a way to sign");
        let (one, two) = (signed(&recipe, vector, sample, 1), signed(&recipe, vector, sample, 2));
        let (Some((one, _)), Some((two, _))) = (one, two) else { panic!("{} signs no sample", recipe.name()) };
        assert_eq!(one.headers.len(), two.headers.len());
        assert_ne!((one.body, one.headers), (two.body, two.headers), "{}", recipe.name());
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
fn nobody_but_the_sender_signs_by_keys_that_are_fetched() {
    let recipe = connectors::provider::catalogue().get("paypal").expect("listed");
    let vector = recipe.vectors().first().expect("listed");
    let sample = recipe.sample(None).expect("listed");
    let private = [RoleSecret::new(Some(Role::Private), RSA)];
    let signed = sign_sample(&recipe, &private, &vector.settings, sample, URL, Moment { now: NOW, nonce: 1 });
    assert_eq!(signed, Err(SignError::OnlyTheSender { provider: "paypal".to_owned() }));
}

#[test]
fn samples_are_found_by_their_event() {
    let recipe = connectors::provider::catalogue().get("github").expect("listed");
    assert_eq!(recipe.sample(Some("issues.opened")).map(|sample| sample.event.as_str()), Some("issues.opened"));
    assert_eq!(recipe.sample(None).map(|sample| sample.event.as_str()), Some("push"));
    assert_eq!(recipe.sample(Some("nothing")), None);
}
