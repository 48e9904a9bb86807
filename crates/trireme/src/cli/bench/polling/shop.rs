//! A day of a shop with fifty new orders an hour: polled every ten seconds, with and without ETags, and told by webhooks
//! with a reconciliation an hour.

use std::collections::BTreeSet;
use std::time::Duration;

use bench::scenario::Day;
use bytes::Bytes;
use domain::Timestamp;
use domain::event::Origin;
use domain::request::InboundRequest;
use engine::entropy::{Entropy, SeededEntropy};
use engine::sign::Signer;
use engine::spec::{PollSpec, ReconcileSpec, RoleSecret, Schedule, Secret, Start, StreamSpec, WebhookSpec};
use serde_json::json;

use super::Failed;
use super::source::poisson;
use super::world::{BEGINS, SOURCE, Scene, World, connection};

const ORDERS_PER_HOUR: f64 = 50.0;
const POLLED_EVERY: Duration = Duration::from_secs(10);
const HOUR: Duration = Duration::from_secs(3_600);
/// What the shop takes to send a webhook, and the share of them that are never sent.
const WEBHOOK_DELAY: Duration = Duration::from_secs(1);
const LOST: f64 = 0.01;
/// The first scan is not of the day.
const BEFORE: Duration = Duration::from_secs(60);
/// The last changes of the day are given this time to be told: a poll's, and a reconciliation's with its grace.
const AFTER_POLLED: Duration = Duration::from_secs(60);
const AFTER_HOOKED: Duration = Duration::from_secs(2 * 3_600);
const SECRET: &str = "whsec_YmVuY2ggYmVuY2ggYmVuY2ggYmVuY2ggYmVuY2ghISE=";

/// Polled every ten seconds.
pub fn polled(hours: u64, seed: u64, validates: bool) -> Result<Day, Failed> {
    let stream = StreamSpec { poll: Some(PollSpec::On(Schedule::Every(POLLED_EVERY))), ..StreamSpec::default() };
    let scene = Scene { stream, webhook: None, lists: vec![orders(hours, seed)], validates };
    scene.run(BEFORE + HOUR * hours_of(hours) + AFTER_POLLED, async |_| {}, async |world| day(world, hours).await)
}

/// Told by webhooks, and looked after once an hour.
pub fn hooked(hours: u64, seed: u64) -> Result<Day, Failed> {
    let schedule = Schedule::Every(HOUR);
    let reconcile = ReconcileSpec { schedule, lookback: Some(HOUR * 2), grace: None, max_deletes: None };
    let stream = StreamSpec { reconcile: Some(reconcile), start: Start::All, ..StreamSpec::default() };
    let webhook = WebhookSpec {
        provider: "standard-webhooks".to_owned(),
        secrets: vec![RoleSecret::new(String::new(), Secret::new(SECRET.to_owned()))],
        settings: [].into(),
        dedupe_within: None,
        allow_from: None,
        reply: None,
    };
    let times = orders(hours, seed);
    let scene = Scene { stream, webhook: Some(webhook), lists: vec![times.clone()], validates: false };
    let beside = async |world: &World| send(world, &times, seed).await;
    scene.run(BEFORE + HOUR * hours_of(hours) + AFTER_HOOKED, beside, async |world| day(world, hours).await)
}

fn hours_of(hours: u64) -> u32 {
    u32::try_from(hours).unwrap_or(u32::MAX)
}

fn orders(hours: u64, seed: u64) -> Vec<Timestamp> {
    poisson(seed, ORDERS_PER_HOUR, BEGINS + BEFORE, HOUR * hours_of(hours))
}

async fn send(world: &World, times: &[Timestamp], seed: u64) {
    let chance = SeededEntropy::new(seed);
    let signer = Signer::new([SECRET]).expect("the secret is one of 32 bytes");
    for (number, at) in times.iter().enumerate() {
        world.clock.sleep((*at + WEBHOOK_DELAY).since(world.clock.now())).await;
        if chance.unit() >= LOST {
            // What is answered does not matter: an event that is not there is missed in the end.
            let _ = world.engine.receive(webhook(world, &signer, number)).await;
        }
    }
}

fn webhook(world: &World, signer: &Signer, number: usize) -> InboundRequest {
    let now = world.clock.now();
    let body = json!({ "type": "order.created", "data": world.source.record(0, number) }).to_string();
    let id = format!("msg_{number}");
    let signature = signer.sign(&id, now, body.as_bytes()).unwrap_or_default();
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("webhook-id", id),
        ("webhook-timestamp", now.as_secs().to_string()),
        ("webhook-signature", signature),
    ];
    InboundRequest {
        id: world.engine.new_request_id(),
        tenant: domain::Tenant::default_tenant(),
        source: SOURCE.parse().expect("a plain word is a name"),
        connection: connection(0).map(|name| name.as_str().into()).unwrap_or_default(),
        method: "POST".into(),
        url: "https://hooks.example/in/shop/c0".into(),
        headers: headers.into_iter().map(|(name, value)| (name.into(), Bytes::from(value))).collect(),
        body: Bytes::from(body),
        remote: "192.0.2.1".into(),
        received_at: now,
    }
}

async fn day(world: &World, hours: u64) -> Result<Day, Failed> {
    let (since, until) = (BEGINS + BEFORE, BEGINS + BEFORE + HOUR * hours_of(hours));
    let told = world.told(since, until).await?;
    let changes = world.source.records_between(since, until);
    if told.len() as u64 != changes {
        return Err(format!("{} of {changes} changes were told", told.len()).into());
    }
    let visits: Vec<_> = world.source.visits_since(since).into_iter().filter(|visit| visit.at < until).collect();
    let in_full = visits.iter().filter(|visit| visit.in_full).count();
    // What one reading finds is told at one moment.
    let read = told.iter().filter(|told| told.origin != Origin::Native);
    let found: BTreeSet<Timestamp> = read.map(|told| told.told_at).collect();
    let (requests, hours) = (visits.len() as f64, hours as f64);
    Ok(Day {
        changes,
        requests_per_h: requests / hours,
        full_per_h: in_full as f64 / hours,
        wasted: 1.0 - found.len() as f64 / requests.max(1.0),
        mean_delay_s: told.iter().map(|told| told.delay_s()).sum::<f64>() / told.len().max(1) as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_costs_and_tells_what_it_is_said_to() {
        let day = |day: Result<Day, Failed>| day.unwrap_or_else(|error| panic!("{error}"));
        let polled = day(polled(1, 7, false));
        assert!((355.0..=361.0).contains(&polled.requests_per_h) && polled.full_per_h >= 355.0, "{polled:?}");
        assert!((0.80..=0.93).contains(&polled.wasted) && (3.0..=7.0).contains(&polled.mean_delay_s), "{polled:?}");
        let conditional = day(super::polled(1, 7, true));
        assert!(conditional.full_per_h < 150.0 && conditional.changes == polled.changes, "{conditional:?}");
        let hooked = day(hooked(1, 7));
        assert!(hooked.requests_per_h <= 2.0 && hooked.mean_delay_s < 120.0, "{hooked:?}");
    }
}
