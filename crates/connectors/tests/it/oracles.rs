//! Senders that have their address sign a challenge: what it signs for whoever asks is never a valid event.

use bytes::Bytes;
use connectors::provider::{Incoming, Judgement, Keys, Kind, Urls, Vector, catalogue, judge};

/// Headers and body.
type Forged = (Vec<(&'static str, String)>, String);

/// A request that puts what a challenge was answered with in the place of an event's signature.
struct Stolen {
    provider: &'static str,
    /// The challenge of the recipe's handshake vector.
    challenge: &'static str,
    /// The request, made of the challenge and the MAC that answered it.
    forged: fn(challenge: &str, answer: &str) -> Forged,
}

/// The longest run of letters and digits that a MAC may be in an answer.
fn mac(answer: &str) -> String {
    let is_part = |character: char| !(character.is_ascii_alphanumeric() || matches!(character, '+' | '/' | '='));
    answer.split(is_part).max_by_key(|part| part.len()).unwrap_or_default().trim_start_matches("sha256=").to_owned()
}

const STOLEN: [Stolen; 3] = [
    Stolen {
        provider: "braintree",
        challenge: "20f9f8ed05f77439fe955c977e4c8a53",
        forged: |challenge, answer| {
            let form = ("content-type", "application/x-www-form-urlencoded".to_owned());
            (vec![form], format!("bt_signature=k3y9p8q7r6s5t4v2%7C{}&bt_payload={challenge}", mac(answer)))
        },
    },
    Stolen {
        provider: "x",
        challenge: "OTdmYTQ3NGYtNzEyMC00YjE0LWE0NzEtODNjYzUyYjQ1ODRi",
        forged: |challenge, answer| {
            (vec![("x-twitter-webhooks-signature", format!("sha256={}", mac(answer)))], challenge.to_owned())
        },
    },
    Stolen {
        provider: "zoom",
        challenge: "qgg8vlvZRS6UYooatFL8Aw",
        forged: |challenge, answer| {
            let signature = ("x-zm-signature", format!("v0={}", mac(answer)));
            (vec![signature, ("x-zm-request-timestamp", "1769851800".to_owned())], challenge.to_owned())
        },
    },
];

fn keys(recipe: &connectors::provider::Recipe, vector: &Vector) -> Keys {
    Keys::compile(recipe, &vector.role_secrets(), &vector.settings).expect("a vector's keys")
}

#[test]
fn threat_05_what_a_challenge_makes_the_gateway_sign_is_never_a_valid_event() {
    for Stolen { provider, challenge, forged } in STOLEN {
        let recipe = catalogue().get(provider).expect("listed");
        let asks = |vector: &&Vector| {
            let body = String::from_utf8_lossy(&vector.body);
            vector.kind == Kind::Handshake && (vector.url.contains(challenge) || body.contains(challenge))
        };
        let vector = recipe.vectors().iter().find(asks).unwrap_or_else(|| panic!("{provider} asks nothing"));
        let keys = keys(&recipe, vector);
        let Judgement::Handshake(reply) = judge(&recipe, &keys, &vector.incoming(), vector.at) else {
            panic!("{provider} does not answer its challenge");
        };
        let answer = String::from_utf8(reply.body).expect("text");
        assert!(mac(&answer).len() >= 40, "{provider}: no MAC in {answer}");
        let (headers, body) = forged(challenge, &answer);
        let headers: Vec<_> = headers.into_iter().map(|(name, value)| (name.into(), Bytes::from(value))).collect();
        let url = "https://hooks.example/in/it";
        let urls = Urls { configured: url, received: url };
        let incoming = Incoming { method: "POST", urls, headers: &headers, body: body.as_bytes(), ..vector.incoming() };
        let judgement = judge(&recipe, &keys, &incoming, vector.at);
        let Judgement::Rejected(reason) = judgement else { panic!("{provider}: {judgement:?}") };
        let refused = ["challenge_refused", "signature_mismatch"].contains(&&*reason.code);
        assert!(refused, "{provider}: refused for its form only: {}", reason.code);
    }
}

#[test]
fn threat_05_an_events_message_is_no_challenge() {
    for Stolen { provider, .. } in STOLEN {
        let recipe = catalogue().get(provider).expect("listed");
        let refused = |vector: &&Vector| vector.expect.rejected.as_deref() == Some("challenge_refused");
        let vector = recipe.vectors().iter().find(refused).unwrap_or_else(|| panic!("{provider} has no such vector"));
        assert_eq!(vector.run(&recipe), Ok(()));
    }
}
