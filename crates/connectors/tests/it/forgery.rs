//! Nothing that was not signed gets in: not with one bit changed, not by another sender's recipe.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bytes::Bytes;
use connectors::provider::{Incoming, Judgement, Keys, Kind, Recipe, RoleSecret, Scheme, Settings, Vector, judge};
use data_encoding::BASE64;
use domain::Assurance;
use proptest::prelude::*;

use crate::catalogue::recipes;

fn keys(recipe: &Recipe, vector: &Vector) -> Keys {
    Keys::compile(recipe, &vector.role_secrets(), &vector.settings).expect("a vector's keys")
}

fn schemes(recipe: &Recipe, vector: &Vector) -> Vec<Scheme> {
    recipe.schemes(&vector.settings).expect("a vector's settings")
}

/// Whether its sender proves nothing, by design.
fn takes_anything(recipe: &Recipe) -> bool {
    recipe.assurance(&Settings::default()) == Ok(Assurance::None)
}

/// Valid vectors with a signature over more than a token.
fn signed(recipe: &Recipe) -> impl Iterator<Item = &Vector> {
    recipe.vectors().iter().filter(|vector| {
        let covered = vector.expect.assurance.is_some_and(|assurance| assurance >= Assurance::Origin);
        vector.kind == Kind::Valid && covered
    })
}

/// Those of them whose whole body is covered, if only by a weak digest.
fn body_signed(recipe: &Recipe) -> impl Iterator<Item = &Vector> {
    signed(recipe).filter(|vector| {
        let partly = vector.expect.assurance == Some(Assurance::Partial);
        let whole = schemes(recipe, vector).iter().any(|scheme| scheme.covers_body);
        vector.expect.assurance == Some(Assurance::Body) || partly && whole
    })
}

/// Or kept waiting, for a key that its sender may publish some day.
fn is_refused(recipe: &Recipe, keys: &Keys, vector: &Vector, incoming: &Incoming<'_>) -> bool {
    matches!(vector.judge(recipe, keys, incoming), Judgement::Rejected(_) | Judgement::Pending(_))
}

/// `%2B` and `%2b` are the same form, and the form is what is signed.
fn is_same_form(body: &[u8], at: usize, bit: u8, vector: &Vector) -> bool {
    let is_form = vector
        .headers
        .iter()
        .any(|(name, value)| &**name == "content-type" && value.starts_with(b"application/x-www-form"));
    let in_escape = body[..at].iter().rev().take(2).any(|byte| *byte == b'%');
    is_form && in_escape && bit == 5 && body[at].is_ascii_alphabetic()
}

#[test]
fn threat_01_any_bit_flipped_in_a_body_is_refused() {
    let mut flips = 0;
    for recipe in recipes() {
        for vector in body_signed(&recipe) {
            let keys = keys(&recipe, vector);
            let covers_form = schemes(&recipe, vector).iter().any(|scheme| scheme.covers_form);
            // Public keys are slow without optimisation: every byte is still changed, in one bit of it.
            let is_public = vector.secrets.iter().any(|(role, _)| role.as_str() == "public");
            let bits = if is_public || !vector.fetched.is_empty() { 1 } else { 8 };
            for at in 0..vector.body.len() {
                for bit in (0..8u8).skip(at % 8).take(bits).chain(0..(bits as u8 - 1).min(at as u8 % 8)) {
                    if covers_form && is_same_form(&vector.body, at, bit, vector) {
                        continue;
                    }
                    let mut body = vector.body.to_vec();
                    body[at] ^= 1 << bit;
                    let incoming = Incoming { body: &body, ..vector.incoming() };
                    assert!(
                        is_refused(&recipe, &keys, vector, &incoming),
                        "{} '{}': bit {bit} of byte {at}",
                        recipe.name(),
                        vector.name
                    );
                    flips += 1;
                }
            }
        }
    }
    assert!(flips > 10_000, "only {flips} were tried");
}

/// Whether a header is part of what the recipe signs, or the signature.
fn is_signed(schemes: &[Scheme], header: &str) -> bool {
    schemes.iter().any(|scheme| scheme.headers.contains(header))
}

/// Whether both are base64 of an object with one signature by one key: what else it says is nobody's word.
fn is_same_object(one: &[u8], other: &[u8]) -> bool {
    let counts = |text: &[u8]| {
        let object: serde_json::Value = serde_json::from_slice(&BASE64.decode(text).ok()?).ok()?;
        Some((object.get("signature")?.as_str()?.to_owned(), object.get("kid")?.as_str()?.to_owned()))
    };
    counts(one).is_some_and(|one| counts(other) == Some(one))
}

#[test]
fn threat_01_any_bit_flipped_in_a_signature_a_time_or_a_signed_id_is_refused() {
    let mut flips = 0;
    for recipe in recipes() {
        // Of a header with several signatures, the others may change: the ones with a single one are tried.
        for vector in signed(&recipe).filter(|vector| !vector.name.contains("signatures")) {
            let (keys, schemes) = (keys(&recipe, vector), schemes(&recipe, vector));
            for index in 0..vector.headers.len() {
                let (name, value) = &vector.headers[index];
                if !is_signed(&schemes, name) {
                    continue;
                }
                for (at, bit) in (0..value.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
                    let mut changed = value.to_vec();
                    changed[at] ^= 1 << bit;
                    if is_same_object(value, &changed) {
                        continue;
                    }
                    let mut headers = vector.headers.clone();
                    headers[index].1 = Bytes::from(changed);
                    let incoming = Incoming { headers: &headers, ..vector.incoming() };
                    assert!(
                        is_refused(&recipe, &keys, vector, &incoming),
                        "{} '{}': bit {bit} of byte {at} of {name}",
                        recipe.name(),
                        vector.name
                    );
                    flips += 1;
                }
            }
        }
    }
    assert!(flips > 10_000, "only {flips} were tried");
}

#[test]
fn threat_01_a_signed_header_that_is_gone_empty_or_repeated_is_refused() {
    let mut tried = 0;
    for recipe in recipes() {
        // Where a weaker way is configured as well, a request without a signature may still pass by that one, and where
        // there are several signatures by another.
        let single = |vector: &&Vector| {
            let one_role = vector.secrets.windows(2).all(|pair| pair[0].0 == pair[1].0);
            one_role && !vector.name.contains("signatures in")
        };
        for vector in signed(&recipe).filter(single) {
            let (keys, schemes) = (keys(&recipe, vector), schemes(&recipe, vector));
            for index in (0..vector.headers.len()).filter(|index| is_signed(&schemes, &vector.headers[*index].0)) {
                let (mut gone, mut empty, mut twice) =
                    (vector.headers.clone(), vector.headers.clone(), vector.headers.clone());
                gone.remove(index);
                empty[index].1 = Bytes::new();
                twice.push(vector.headers[index].clone());
                for headers in [gone, empty, twice] {
                    let incoming = Incoming { headers: &headers, ..vector.incoming() };
                    assert!(
                        is_refused(&recipe, &keys, vector, &incoming),
                        "{} '{}': {headers:?}",
                        recipe.name(),
                        vector.name
                    );
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 50, "only {tried} were tried");
}

#[test]
fn threat_04_no_recipe_takes_the_requests_of_another_with_the_same_secret() {
    let recipes = recipes();
    let own = Settings::default();
    let texts = |recipe: &Recipe, settings: &Settings| -> BTreeSet<String> {
        recipe.schemes(settings).into_iter().flatten().map(|scheme| scheme.text).collect()
    };
    let mut tried = 0;
    for from in &recipes {
        for vector in from.vectors().iter().filter(|vector| vector.kind == Kind::Valid && !vector.secrets.is_empty()) {
            // One that takes anything has nothing to refuse by.
            for to in recipes.iter().filter(|to| to.name() != from.name() && !takes_anything(to)) {
                for (role, _) in to.roles() {
                    let secrets = vector.secrets.iter().map(|(_, value)| RoleSecret::new(Some(role), value.clone()));
                    let secrets: Vec<_> = secrets.collect();
                    // What the other publishes is what verifies there.
                    let published = to.vectors().iter().flat_map(|vector| vector.fetched.clone());
                    let vector = &Vector {
                        fetched: vector.fetched.iter().cloned().chain(published).collect(),
                        ..vector.clone()
                    };
                    // A secret that is not even a key for the other recipe cannot verify anything.
                    let Ok(keys) = Keys::compile(to, &secrets, &own) else { continue };
                    let refused = is_refused(to, &keys, vector, &vector.incoming());
                    assert!(
                        refused || !texts(from, &vector.settings).is_disjoint(&texts(to, &own)),
                        "{} takes '{}' of {}, and is not the same scheme:\n{:#?}\n{:#?}",
                        to.name(),
                        vector.name,
                        from.name(),
                        texts(from, &vector.settings),
                        texts(to, &own)
                    );
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 100, "only {tried} were tried");
}

/// Senders that sign alike, so that each takes the other's requests under the same key: told to whoever reads the
/// list, because nothing but the source's own address tells such requests apart.
#[test]
fn senders_of_the_same_scheme_are_listed() {
    let mut senders: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for recipe in recipes() {
        for scheme in recipe.schemes(&Settings::default()).into_iter().flatten() {
            senders.entry(scheme.text).or_default().insert(recipe.name().to_owned());
        }
    }
    let mut list =
        String::from("# Senders that sign alike, by what is verified. Made by the tests of crates/connectors.\n");
    for (scheme, names) in senders.iter().filter(|(_, names)| names.len() > 1) {
        list.push_str(&format!("{scheme}\n"));
        names.iter().for_each(|name| list.push_str(&format!("    {name}\n")));
    }
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/providers-same-scheme.txt");
    if std::fs::read_to_string(&committed).ok().as_deref() != Some(list.as_str()) {
        let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join("providers-same-scheme.txt");
        std::fs::write(&made, list).expect("a folder for what tests write");
        panic!(
            "docs/providers-same-scheme.txt is out of date; look at the difference, then: \
             cp {} docs/providers-same-scheme.txt",
            made.display()
        );
    }
}

#[test]
fn threat_04_a_secret_of_one_role_is_never_a_key_of_another() {
    for recipe in recipes() {
        for vector in recipe.vectors().iter().filter(|vector| vector.kind == Kind::Valid) {
            for (other, _) in recipe.roles().filter(|(role, _)| vector.secrets.iter().any(|(has, _)| has != role)) {
                let secrets: Vec<_> =
                    vector.secrets.iter().map(|(_, value)| RoleSecret::new(Some(other), value.clone())).collect();
                let single = vector.secrets.len() == 1;
                let Ok(keys) = Keys::compile(&recipe, &secrets, &vector.settings) else { continue };
                assert!(
                    !single || is_refused(&recipe, &keys, vector, &vector.incoming()),
                    "{} '{}' as {other}",
                    recipe.name(),
                    vector.name
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever bytes come, a verdict comes: and without a signature it is never an acceptance.
    #[test]
    fn arbitrary_requests_are_refused_without_a_panic(
        body in prop::collection::vec(any::<u8>(), 0..256),
        values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 12),
        url in ".{0,40}",
    ) {
        for name in connectors::provider::catalogue().names() {
            let recipe = connectors::provider::catalogue().get(name).expect("listed");
            if takes_anything(&recipe) {
                continue;
            }
            let vector = recipe.vectors().iter().find(|vector| vector.kind == Kind::Valid).expect("each has one");
            if vector.expect.assurance == Some(Assurance::None) {
                continue;
            }
            let keys = keys(&recipe, vector);
            let headers: Vec<_> = vector.headers.iter().zip(&values)
                .map(|((name, own), value)| (name.clone(), if &**name == "content-type" { own.clone() } else { Bytes::from(value.clone()) }))
                .collect();
            let incoming = Incoming { headers: &headers, body: &body, urls: connectors::provider::Urls { configured: &url, received: &url }, ..vector.incoming() };
            prop_assert!(is_refused(&recipe, &keys, vector, &incoming), "{name}");
        }
    }

    /// Behind a valid signature (here: none wanted) any bytes are exactly one event.
    #[test]
    fn arbitrary_bodies_are_events(body in prop::collection::vec(any::<u8>(), 0..512)) {
        let recipe = connectors::provider::catalogue().get("none").expect("listed");
        let keys = Keys::compile(&recipe, &[], &Settings::default()).expect("no keys");
        let incoming = Incoming { method: "POST", urls: connectors::provider::Urls { configured: "", received: "" }, headers: &[], body: &body, peer: connectors::provider::Peer::default() };
        match judge(&recipe, &keys, &incoming, domain::Timestamp::EPOCH) {
            Judgement::Accepted(accepted) => {
                prop_assert_eq!(accepted.events.len(), 1);
                prop_assert_eq!(accepted.events[0].payload.bytes(&Bytes::from(body.clone())), Bytes::from(body));
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }
}
