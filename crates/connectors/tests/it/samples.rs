//! Samples: filled in, signed as the sender would, and taken by the same recipe as the event they claim to be.

use connectors::provider::{
    Incoming, Judgement, Keys, Kind, Moment, Peer, Recipe, Role, RoleSecret, Sample, SignError, SignedSample, Urls,
    Vector, judge, sign_sample,
};
use data_encoding::{BASE64, HEXLOWER};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};

use crate::catalogue::recipes;
use crate::request::{NOW, URL};

const ED25519: &str = "MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
const P256: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJCrze+hRANCAARHHD51jEkEKFu6flMRjtD1JK3rB1fSW9L457DXbfpxTN1SD3rKiouResw39R3o8Mm7462Fg4LnAtwloS0J96hY";

const RSA: &str = "\
    MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQCljEqsYo4jkfpRtOxkIBGdSHs4dv9vhb7InOaFXUG32B25U3Qc5D+P0da9iK\
    F3ZRs49suKIGM/D5g6AeQ1uUdCjMdLF8Rt0Pf9gTt84S1SXAMtOG6MXsVv7/Ku76HdPPI9U8lNObQTSneyBBBvid5BZdQelF3jrrdDH4M+ewLr\
    904P4XezL1NrA0hjMOpiYCUaWBT1fRlxGsag6250c0ZjbiHt287aaKgXMYJPV5AvEPe+UQr/Y8blvt3Dcsf2xs+Evr8jWXFn8XpxqEyO/4ncf0\
    bXISkM4iEERGMTY9yYFf50JWXHqr9kMaEMDaaG1nzsdytf3zfkUwqDdW+Sd4x7AgMBAAECggEAKIzdua4GbRYTv7HWeYwVZHZdoG4dkX6sRc2Q\
    9bfrIhIw7bVQasdJ/nuC4zg1fN5qNaDWKIZYaRjzy7ms4a/5kYaURoOS3Odj51ehb6xkgpkBOjFper64E/wtcMZH2r5UA8ujMmRhBJyoBxXRxN\
    B7fX9o3viuqtegEjQE3OgaxhuPgzrg1nrhl92AH9c7xlMdmGBGjQgPkv5/xiaEU5veRWcnOwg1ZeS7gMDPkkxt5tT8N/g5UmnEtfE4zRakr2a4\
    0cCvjbp1XrUt4znwnaOmn6Odxus7C5C9X9Vpu07p3WVh0UVNrR2ssSI+gkYPKrBNoqwTJoNGXhIUadYs6LJdAQKBgQDd7cVEgxyHVHSCmdkfO9\
    R10dIU+MUBYwEaUay0DZev+wOo3lgO14ZcC4i1AnSwm1j2IRm1zhQRa6Zns929/pt6ebNq0vXXTXDOdTTfwGE4l2/O1zpCOs4HLL44C0LbsCiA\
    KtVBdlfMUjvVPF18wmSfMK7vw87BTwIVRyYZLJZE+wKBgQC+9qXa2cWUb7+uyQSu2fP/F1ABBNOTxbsYFg3HVTunvPYIT6WtxB0ixDobgOfo0n\
    0YvP3nAODbrM8DOGZde+sX7Q41/ej7icHezaYPUMZnixi6OD5CxnjvlrPEm4Sz2CLVTLlMYuBTAuxICBF7U0KcCBP8GT4rc1uKBijsv/4+gQKB\
    gQDEnpbKZ1rMLy/2UXXCrVBDfjyhJfHsk5lzhu76qpw8ZqjMYQklRR+dxv48WEun+Eot7g+IOmcfM/+/GuUXIk7/iHlD6Fm0gcCyuba5kgjQia\
    KeX6MW8GB+jM6OerOmTYDkZI6Bq+aHeEfYWN3+3X8mZoxmklVIgMY4sct4PD96JwKBgEwe7YYLgOLmmLYHk0JPxx9MH6wITH5/N1EmmV937kuy\
    2y/878IQhryxE6ia/dak8RDHZT6L7xYiEHLsLIHfP5tN93g2OoTqKMmzmBpKzIvBup2ghdEAZHy8yfP5OjCmW1xDNSnp0BnG9IDSFoXebpLb9X\
    tsZIfVeAvQ4Mde0O4BAoGAGotJchbAsaKiX/tmQshYaITB9JhZnZdQep1BUuyIMXYQ9FaQKnl1o3IcIfvM0eMqPEIfteelgzPaI5s70QmJfCqd\
    P4Y/L0W+JLpj3o4Np3bBlzxtyFg73PqkumU/+8DCUM8kHZgQPU6RQbkAZ2rYR/xhiqOCpSLbrITGHEUJw8Q=";

/// A key pair in place of the sender's: the private half, and the public one in each form that senders show it in.
fn key_pairs() -> Vec<(&'static str, Vec<String>)> {
    let pkcs8 = |text: &str| BASE64.decode(text.as_bytes()).expect("base64");
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

fn forms(algorithm: &str, key: &[u8]) -> Vec<String> {
    let bits = [&[0], key].concat();
    let algorithm = HEXLOWER.decode(algorithm.as_bytes()).expect("hex");
    let spki = BASE64.encode(&element(0x30, &[algorithm, element(0x03, &bits)].concat()));
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{spki}\n-----END PUBLIC KEY-----\n");
    let raw = BASE64.encode(key);
    vec![format!("whpk_{raw}"), raw, HEXLOWER.encode(key), spki, pem]
}

fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = u16::try_from(contents.len()).expect("keys are short").to_be_bytes();
    [&[tag, 0x82], &length[..], contents].concat()
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
fn signed(
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

fn judged(recipe: &Recipe, keys: &Keys, signed: &SignedSample) -> Judgement {
    let urls = Urls { configured: &signed.url, received: &signed.url };
    let incoming =
        Incoming { method: &signed.method, urls, headers: &signed.headers, body: &signed.body, peer: Peer::default() };
    judge(recipe, keys, &incoming, NOW)
}

#[test]
fn every_sample_is_taken_as_the_event_it_claims_to_be_under_every_kind_of_secret() {
    for recipe in recipes() {
        assert!(!recipe.samples().is_empty(), "{} has no sample", recipe.name());
        for sample in recipe.samples() {
            for vector in recipe.vectors().iter().filter(|vector| vector.kind == Kind::Valid) {
                let Some((_, accepted)) = signed(&recipe, vector, sample, 7) else {
                    panic!("{} '{}' under the secrets of '{}'", recipe.name(), sample.event, vector.name);
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
        let sample = recipe.sample(None).expect("each has one");
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
fn samples_are_found_by_their_event() {
    let recipe = connectors::provider::catalogue().get("github").expect("listed");
    assert_eq!(recipe.sample(Some("issues.opened")).map(|sample| sample.event.as_str()), Some("issues.opened"));
    assert_eq!(recipe.sample(None).map(|sample| sample.event.as_str()), Some("push"));
    assert_eq!(recipe.sample(Some("nothing")), None);
}
