//! The shop's webhooks: who subscribed, what is sent to whom and when, and what was lost on the way. Signed by the
//! Standard Webhooks recipe; each try is signed anew, as its time is.

use std::time::Duration;

use bytes::Bytes;
use data_encoding::{BASE64, HEXLOWER};
use domain::Timestamp;
use ring::hmac;
use serde_json::{Value as Json, json};

use super::habits::HookHabits;
use super::truth::Change;
use crate::simulation::Dice;

/// Somebody who wants to hear of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    pub id: String,
    pub account: usize,
    pub url: String,
    pub secret: String,
    pub active: bool,
    /// The shop forgets it then.
    pub expires_at: Option<Timestamp>,
    /// The object that it hears of; `None`: of all.
    pub object: Option<String>,
}

impl Subscription {
    pub(super) fn shown(&self) -> Json {
        json!({ "id": self.id, "url": self.url, "active": self.active })
    }

    fn hears(&self, change: &Change) -> bool {
        let is_its = self.object.as_ref().is_none_or(|object| *object == change.object.singular());
        self.active && self.account == change.account && is_its
    }
}

/// One try of a webhook, to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    pub url: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
    /// What `Hooks::told` wants to know it by.
    pub number: usize,
}

/// A webhook that the shop meant to send to one subscriber, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emission {
    /// The event's id: the same for every subscriber and every try.
    pub id: String,
    pub account: usize,
    pub topic: String,
    /// The change it tells.
    pub change: usize,
    pub lost: bool,
    pub acknowledged: bool,
    /// A status that no sender tries again after.
    pub refused: Option<u16>,
    body: Bytes,
    url: String,
    secret: String,
    tries: u32,
    /// It was sent, and no answer has come yet.
    under_way: bool,
    due: Option<Timestamp>,
    /// It will be sent once more at this time, although it was acknowledged.
    again: Option<Timestamp>,
}

/// All that were meant to be sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Hooks {
    pub subscriptions: Vec<Subscription>,
    pub emissions: Vec<Emission>,
    made: u64,
}

impl Hooks {
    pub fn subscribe(&mut self, account: usize, url: &str, secret: Option<String>) -> &Subscription {
        self.made += 1;
        let secret = secret.unwrap_or_else(|| own_secret(self.made));
        let (id, url) = (format!("sub_{}", self.made), url.to_owned());
        self.subscriptions.push(Subscription {
            id,
            account,
            url,
            secret,
            active: true,
            expires_at: None,
            object: None,
        });
        self.subscriptions.last().expect("it was just pushed")
    }

    /// The one of this id is for one object only.
    pub fn limit(&mut self, id: &str, object: Option<&str>) {
        let own = self.subscriptions.iter_mut().find(|own| own.id == id);
        own.into_iter().for_each(|own| own.object = object.map(str::to_owned));
    }

    pub fn unsubscribe(&mut self, account: usize, id: &str) -> bool {
        let before = self.subscriptions.len();
        self.subscriptions.retain(|subscription| (subscription.account, subscription.id.as_str()) != (account, id));
        self.subscriptions.len() < before
    }

    /// One that is not for ever lasts from now on until then; gives whether there is such a one.
    pub fn prolong(&mut self, account: usize, id: &str, until: Option<Timestamp>) -> bool {
        let own = self.subscriptions.iter_mut().find(|own| (own.account, own.id.as_str()) == (account, id));
        own.map(|own| own.expires_at = until).is_some()
    }

    pub fn expire(&mut self, now: Timestamp) {
        self.subscriptions.retain(|own| own.expires_at.is_none_or(|at| at > now));
    }

    pub fn disable(&mut self, account: usize) {
        self.subscriptions.iter_mut().filter(|own| own.account == account).for_each(|own| own.active = false);
    }

    pub fn drop_all(&mut self, account: usize) {
        self.subscriptions.retain(|subscription| subscription.account != account);
    }

    /// Tells a change to everybody who subscribed.
    pub fn tell(&mut self, change: &Change, topic: &str, habits: &HookHabits, dice: &mut Dice) {
        let id = format!("ev_{}_{}", change.number, topic.replace('.', "_"));
        let body: Bytes = payload(change, topic, habits.thin).to_string().into();
        for subscriber in self.subscriptions.iter().filter(|own| own.hears(change)) {
            let delay = if dice.percent(habits.delayed) { below(dice, habits.delay_max) } else { below(dice, PROMPT) };
            let lost = dice.percent(habits.lost);
            let again = dice.percent(habits.doubled).then(|| change.at + delay + below(dice, habits.delay_max));
            self.emissions.push(Emission {
                id: id.clone(),
                account: change.account,
                topic: topic.to_owned(),
                change: change.number,
                lost,
                acknowledged: false,
                refused: None,
                body: body.clone(),
                url: subscriber.url.clone(),
                secret: subscriber.secret.clone(),
                tries: 0,
                under_way: false,
                due: (!lost).then(|| change.at + delay),
                again: again.filter(|_| !lost),
            });
        }
    }

    /// When something is to be sent next.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.emissions.iter().filter_map(|emission| emission.due).min()
    }

    /// Takes out what is to be sent now. Each is out until [`told`](Self::told).
    pub fn due(&mut self, now: Timestamp) -> Vec<Hook> {
        let due =
            self.emissions.iter_mut().enumerate().filter(|(_, emission)| emission.due.is_some_and(|at| at <= now));
        due.map(|(number, emission)| {
            emission.due = None;
            emission.under_way = true;
            emission.tries += 1;
            emission.signed(number, now)
        })
        .collect()
    }

    /// What a try came to; `None`: there was no answer.
    pub fn told(&mut self, number: usize, status: Option<u16>, habits: &HookHabits, now: Timestamp) {
        let emission = &mut self.emissions[number];
        emission.under_way = false;
        match status {
            Some(200..300) => {
                emission.acknowledged = true;
                emission.due = emission.again.take().map(|at| at.max(now));
            }
            Some(status @ 400..500) => emission.refused = Some(status),
            _ if emission.tries < habits.tries_max => emission.due = Some(now + habits.retry_after),
            _ => emission.lost = !emission.acknowledged,
        }
    }

    /// The receiver is gone: none of what is under way will be answered.
    pub fn broken_off(&mut self, habits: &HookHabits, now: Timestamp) {
        for number in 0..self.emissions.len() {
            if self.emissions[number].under_way {
                self.told(number, None, habits, now);
            }
        }
    }

    /// Whether everything was sent and answered that will be.
    pub fn is_quiet(&self) -> bool {
        self.emissions.iter().all(|emission| emission.due.is_none() && !emission.under_way)
    }
}

/// How long an undelayed webhook takes at most.
const PROMPT: Duration = Duration::from_secs(2);

fn below(dice: &mut Dice, limit: Duration) -> Duration {
    Duration::from_micros(dice.below(u64::try_from(limit.as_micros()).unwrap_or(u64::MAX)))
}

fn payload(change: &Change, topic: &str, thin: bool) -> Json {
    let mut data = if thin { json!({ "id": change.id }) } else { change.record.clone() };
    if change.object == super::Object::Orders {
        data["updated_at"] = json!(change.version);
    }
    json!({ "type": topic, "timestamp": change.at, "data": data })
}

fn own_secret(number: u64) -> String {
    format!("whsec_{}", BASE64.encode(HEXLOWER.encode(&number.to_be_bytes()).repeat(2).as_bytes()))
}

impl Emission {
    fn signed(&self, number: usize, now: Timestamp) -> Hook {
        let key = self.secret.trim_start_matches("whsec_");
        let key = BASE64.decode(key.as_bytes()).expect("a subscriber's secret is whsec_ and base64");
        let (id, seconds) = (&self.id, now.as_secs());
        let signed = [format!("{id}.{seconds}.").as_bytes(), &self.body].concat();
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &signed);
        let headers = vec![
            ("content-type", "application/json".to_owned()),
            ("webhook-id", self.id.clone()),
            ("webhook-timestamp", seconds.to_string()),
            ("webhook-signature", format!("v1,{}", BASE64.encode(tag.as_ref()))),
        ];
        Hook { url: self.url.clone(), headers, body: self.body.clone(), number }
    }
}
