//! Recipes: their own text, and what anybody may send to a source that uses one.

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;

use bolero::check;
use bytes::Bytes;
use connectors::provider::{
    Incoming, Judgement, Keys, Kind, Moment, Peer, Recipe, Role, RoleSecret, Settings, SignedSample, Urls, catalogue,
    judge, sign_sample,
};
use data_encoding::BASE64;
use domain::{Assurance, Timestamp};

use crate::mutation::{Edit, Tally, damaged, effort};

const NOW: Timestamp = Timestamp::from_secs(1_769_851_800);
const URL: &str = "https://hooks.example/in/x";

fn judged(recipe: &Recipe, keys: &Keys, request: &SignedSample) -> Judgement {
    let urls = Urls { configured: &request.url, received: &request.url };
    let incoming = Incoming {
        method: &request.method,
        urls,
        headers: &request.headers,
        body: &request.body,
        peer: Peer::default(),
    };
    judge(recipe, keys, &incoming, NOW)
}

/// A recipe with keys of its own vectors.
struct Subject {
    recipe: Arc<Recipe>,
    secrets: Vec<RoleSecret>,
    settings: Settings,
    keys: Keys,
}

impl Subject {
    fn all() -> Vec<Self> {
        let recipes = catalogue().names().map(|name| catalogue().get(name).expect("the catalogue lists it"));
        recipes.flat_map(|recipe| Self::of(&recipe)).collect()
    }

    /// One for each way of being configured that its valid vectors show.
    fn of(recipe: &Arc<Recipe>) -> Vec<Self> {
        let valid = recipe.vectors().iter().filter(|vector| vector.kind == Kind::Valid);
        valid
            .filter_map(|vector| {
                let secrets = vector.role_secrets();
                let keys = Keys::compile(recipe, &secrets, &vector.settings).ok()?;
                Some(Self { recipe: Arc::clone(recipe), secrets, settings: vector.settings.clone(), keys })
            })
            .collect()
    }

    /// Whether a request whose body was changed, and that lacks the secret, has to be refused.
    fn refuses_strangers(&self) -> bool {
        matches!(self.recipe.assurance(&self.settings), Ok(Assurance::Body | Assurance::Shared))
    }

    /// What its sender would send, with the body damaged before it was signed.
    fn signed(&self, pick: u8, edits: &[Edit]) -> Option<SignedSample> {
        let samples = self.recipe.samples();
        // Nobody but the sender can sign for some.
        let mut sample = samples.get(usize::from(pick) % samples.len().max(1))?.clone();
        sample.body = String::from_utf8_lossy(&damaged(sample.body.as_bytes(), edits)).into_owned();
        let all: Vec<_> = self.secrets.iter().cloned().chain(private(&self.recipe)).collect();
        sign_sample(&self.recipe, &all, &self.settings, &sample, URL, Moment { now: NOW, nonce: 7 }).ok()
    }
}

/// The private half of the public key in the vectors of those who sign with one (RFC 8032 and P-256 test keys).
fn private(recipe: &Recipe) -> Option<RoleSecret> {
    const ED25519: &str = "MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
    const P256: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJCrze+hRANCAARHHD51jEkEKFu6flMRjtD1JK3rB1fSW9L457DXbfpxTN1SD3rKiouResw39R3o8Mm7462Fg4LnAtwloS0J96hY";
    let key = match recipe.name() {
        "discord" | "standard-webhooks" => ED25519,
        "sendgrid" => P256,
        _ => return None,
    };
    Some(RoleSecret::new(Some(Role::Private), key))
}

#[test]
fn texts_of_recipes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../catalogue/providers");
    let files = std::fs::read_dir(folder).expect("the catalogue is there").map(|file| file.expect("a file").path());
    let texts: Vec<Vec<u8>> = files.map(|file| std::fs::read(file).expect("a file of the catalogue")).collect();
    let tally = Tally::default();
    let (time, inputs) = effort(600);
    check!().with_test_time(time).with_iterations(inputs).with_type::<(u8, Vec<Edit>)>().for_each(|(pick, edits)| {
        let bytes = damaged(&texts[usize::from(*pick) % texts.len()], &edits[..edits.len().min(4)]);
        let recipe = Recipe::from_yaml("fuzz.yaml", &String::from_utf8_lossy(&bytes));
        tally.note(recipe.is_ok());
        match recipe {
            // What loads can be compiled and asked without a panic.
            Ok(recipe) => drop(Keys::compile(&recipe, &[RoleSecret::plain("secret")], &Settings::default())),
            Err(errors) => assert!(!errors.to_string().is_empty()),
        }
    });
    tally.check("texts of recipes");
}

/// Nobody without the key gets an event in, whatever they send.
#[test]
fn requests_of_strangers() {
    let subjects = AssertUnwindSafe(Subject::all());
    let tally = Tally::default();
    type Input = (u8, u8, u8, Vec<(u8, Vec<u8>)>, Vec<u8>, Vec<Edit>);
    let (time, inputs) = effort(6_000);
    check!().with_test_time(time).with_iterations(inputs).with_type::<Input>().for_each(
        |(pick, method, like, headers, body, edits)| {
            let subject = &subjects[usize::from(*pick) % subjects.len()];
            let methods = ["POST", "POST", "POST", "GET", "HEAD", "OPTIONS", "PUT", ""];
            let mut request = strange(subject, *like, headers, body, edits);
            methods[usize::from(*method) % methods.len()].clone_into(&mut request.method);
            let judgement = judged(&subject.recipe, &subject.keys, &request);
            let accepted = matches!(judgement, Judgement::Accepted(_));
            tally.note(accepted);
            assert!(
                !accepted || !subject.refuses_strangers(),
                "{} accepted a stranger: {request:?}",
                subject.recipe.name()
            );
        },
    );
    tally.check("requests of strangers");
}

/// A request in the shape of the recipe's own, with values of the stranger's choice.
fn strange(subject: &Subject, like: u8, headers: &[(u8, Vec<u8>)], body: &[u8], edits: &[Edit]) -> SignedSample {
    let vectors = subject.recipe.vectors();
    let vector = &vectors[usize::from(like) % vectors.len()];
    // A stranger knows what requests look like, but not the secret that some of them carry.
    let known = vector.headers.iter().filter(|(_, value)| !tells_a_secret(subject, value));
    let mut found: Vec<(Arc<str>, Bytes)> = known.cloned().collect();
    for (which, value) in headers.iter().take(6) {
        match found.len() {
            0 => found.push(("x-signature".into(), Bytes::copy_from_slice(value))),
            count => found[usize::from(*which) % count].1 = Bytes::copy_from_slice(value),
        }
    }
    let mut bytes = if tells_a_secret(subject, &vector.body) { Vec::new() } else { damaged(&vector.body, edits) };
    // Always other bytes than any vector has, so that no true signature can fit.
    bytes.extend_from_slice(b" stranger");
    bytes.extend_from_slice(body);
    let mut url = vector.url.clone();
    if tells_a_secret(subject, url.as_bytes()) {
        url.truncate(url.find('?').unwrap_or(url.len()));
    }
    url.push_str("?bodySHA256=00&hub.challenge=1");
    SignedSample { method: String::new(), url, headers: found, body: bytes.into() }
}

fn tells_a_secret(subject: &Subject, value: &[u8]) -> bool {
    let secrets = subject.recipe.vectors().iter().flat_map(|vector| &vector.secrets);
    let mut spelt = secrets.flat_map(|(_, secret)| [secret.clone(), BASE64.encode(secret.as_bytes())]);
    spelt.any(|secret| value.windows(secret.len()).any(|part| part == secret.as_bytes()))
}

/// A sender whose key is right but whose bodies are not: everything behind the verification.
#[test]
fn signed_bodies_of_any_kind() {
    let subjects = AssertUnwindSafe(Subject::all());
    let tally = Tally::default();
    let (time, inputs) = effort(6_000);
    check!().with_test_time(time).with_iterations(inputs).with_type::<(u8, u8, Vec<Edit>)>().for_each(
        |(pick, sample, edits)| {
            let subject = &subjects[usize::from(*pick) % subjects.len()];
            let Some(request) = subject.signed(*sample, &edits[..edits.len().min(6)]) else { return };
            let judgement = judged(&subject.recipe, &subject.keys, &request);
            if let Judgement::Accepted(accepted) = judgement {
                tally.note(accepted.events.iter().any(|event| event.subject.is_some()));
                for event in &accepted.events {
                    assert!(
                        event.payload.bytes(&request.body).len() <= request.body.len().max(2),
                        "a payload out of nothing"
                    );
                    assert!(!event.event_type.is_empty(), "an event without a type");
                }
            }
        },
    );
    tally.check("subjects in signed bodies");
}
