//! The demo's senders: samples of GitHub and Stripe, signed as those sign, now and then twice or tampered with.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use connectors::provider::{Moment, Recipe, RoleSecret, Settings, SignedSample, catalogue, sign_sample};
use engine::clock::SharedClock;
use engine::entropy::{SharedEntropy, SystemEntropy};
use http::Method;
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

use super::plan::Plan;
use crate::cli::send::headers;
use crate::client::Caller;
use crate::exit::{Failure, Outcome};

/// Most webhooks per second: this is to be watched, `trireme bench` is for speed.
pub const RATE_MAX: f64 = 100.0;
/// Every so many webhooks, the one before is sent once more.
const AGAIN_EVERY: u64 = 7;
/// Every so many webhooks, one is changed after it was signed.
const TAMPER_EVERY: u64 = 11;

/// Something that the store does not tell: a second arrival of what is known.
#[derive(Debug)]
pub struct Duplicate {
    pub source: &'static str,
    pub event: String,
    pub id: String,
}

struct Sender {
    name: &'static str,
    recipe: Arc<Recipe>,
    secret: RoleSecret,
    url: String,
}

pub struct Feeder {
    clock: SharedClock,
    entropy: SharedEntropy,
    caller: Caller,
    senders: Vec<Sender>,
    told: UnboundedSender<Duplicate>,
}

/// A request, and what it is.
#[derive(Clone)]
struct Webhook {
    source: &'static str,
    event: String,
    request: SignedSample,
}

impl Feeder {
    pub fn new(
        clock: SharedClock,
        plan: &Plan,
        gateway: SocketAddr,
        told: UnboundedSender<Duplicate>,
    ) -> Outcome<Self> {
        let sender = |name: &'static str, secret: &str| {
            let (secret, url) = (RoleSecret::plain(secret), format!("http://{gateway}/in/{name}"));
            let recipe = catalogue().get(name);
            let recipe =
                recipe.ok_or_else(|| Failure::general("no_recipe", format!("there is no recipe of {name}")))?;
            Ok(Sender { name, recipe, secret, url })
        };
        let senders = vec![sender("github", &plan.github_secret)?, sender("stripe", &plan.stripe_secret)?];
        let caller = Caller::new(SharedClock::clone(&clock))?;
        Ok(Self { clock, entropy: SystemEntropy::shared(), caller, senders, told })
    }

    /// Sends `rate` webhooks a second until it is dropped.
    pub async fn run(self, rate: f64) {
        let pause = Duration::from_secs_f64(1.0 / rate);
        let mut last: Option<Webhook> = None;
        for number in 0.. {
            let sent = match last.take().filter(|_| number % AGAIN_EVERY == AGAIN_EVERY - 1) {
                Some(again) => self.send(&again).await,
                None => self.send_new(number).await.map(|webhook| last = Some(webhook)),
            };
            if let Err(failure) = sent {
                tracing::debug!(code = failure.code, "a webhook of the demo was not taken: {}", failure.message);
            }
            self.clock.sleep(pause).await;
        }
    }

    async fn send_new(&self, number: u64) -> Outcome<Webhook> {
        let mut webhook = self.webhook(number)?;
        if number % TAMPER_EVERY == TAMPER_EVERY - 1 {
            webhook.request.body = tampered(&webhook.request.body);
        }
        self.send(&webhook).await?;
        Ok(webhook)
    }

    /// The senders take turns, and so do the samples of each.
    fn webhook(&self, number: u64) -> Outcome<Webhook> {
        let turn = number as usize;
        let sender = &self.senders[turn % self.senders.len()];
        let samples = sender.recipe.samples();
        let sample = samples.get(turn / self.senders.len() % samples.len().max(1));
        let sample = sample.ok_or_else(|| Failure::general("no_sample", format!("{} has no sample", sender.name)))?;
        let mut nonce = [0; 16];
        self.entropy.fill(&mut nonce);
        let moment = Moment { now: self.clock.now(), nonce: u128::from_ne_bytes(nonce) };
        let secrets = std::slice::from_ref(&sender.secret);
        let request = sign_sample(&sender.recipe, secrets, &Settings::default(), sample, &sender.url, moment)
            .map_err(|error| Failure::general("not_signable", error.to_string()))?;
        Ok(Webhook { source: sender.name, event: sample.event.clone(), request })
    }

    async fn send(&self, webhook: &Webhook) -> Outcome {
        let request = &webhook.request;
        let (headers, body) = (headers(&request.headers)?, request.body.clone());
        let response = self.caller.send(Method::POST, &request.url, headers, body).await?;
        let answer: Value = serde_json::from_slice(&response.body_head).unwrap_or_default();
        for event in answer["events"].as_array().into_iter().flatten().filter(|event| event["duplicate"] == true) {
            let id = event["id"].as_str().unwrap_or_default().to_owned();
            // Nobody listens once the demo ends.
            let _ = self.told.send(Duplicate { source: webhook.source, event: webhook.event.clone(), id });
        }
        Ok(())
    }
}

/// The body with one of its letters changed, as somebody on the way might do.
fn tampered(body: &Bytes) -> Bytes {
    let mut bytes = body.to_vec();
    if let Some(letter) = bytes.iter_mut().rev().find(|byte| byte.is_ascii_digit()) {
        *letter = if *letter == b'9' { b'8' } else { *letter + 1 };
    }
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tampering_keeps_json_json() {
        let body = Bytes::from_static(br#"{"amount":2009}"#);
        assert_eq!(tampered(&body), br#"{"amount":2008}"#[..]);
    }
}
