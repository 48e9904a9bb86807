//! Records that were fetched for a message: each is one that the shop really had, at least as new as what it goes with,
//! and as the shop held it when it was asked.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::Timestamp;
use engine::spec::OnEnrichError;
use serde_json::Value as Json;

use super::Judged;
use super::message::Message;
use crate::upstream::habits::Faults;
use crate::upstream::lists::is_buried;
use crate::upstream::shop::Shop;
use crate::upstream::truth::{Change, Object};

/// How a destination gets the order of each event beside it, as `enriched.order`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enriching {
    pub on_error: OnEnrichError,
    pub max_age: Option<Duration>,
    pub confirm: bool,
}

/// What a second destination got, to which everything went with its order.
#[derive(Clone, Debug)]
pub struct Companions {
    pub how: Enriching,
    pub messages: Vec<Message>,
    /// Events whose delivery to it is dead.
    pub dead: BTreeSet<String>,
}

/// A record of the shop, and when somebody may have asked for it.
struct Asked<'a> {
    shop: &'a Shop,
    account: usize,
    id: u64,
    from: Timestamp,
    until: Timestamp,
}

pub(super) fn findings(judged: &Judged<'_>) -> Vec<String> {
    let mut findings = Vec::new();
    if judged.promise.whole {
        let whole = judged.of_subject.values().flatten().filter_map(|(_, message)| not_whole(judged.shop, message));
        findings.extend(whole);
    }
    if let Some(companions) = &judged.promise.companions {
        findings.extend(missing(judged, companions));
        findings.extend(companions.messages.iter().filter_map(|message| wrong(judged.shop, companions.how, message)));
    }
    findings
}

/// Everything that reached the first destination reached the second, or died where it was asked to.
fn missing(judged: &Judged<'_>, companions: &Companions) -> Vec<String> {
    let came: BTreeSet<&str> = companions.messages.iter().map(|message| message.event.as_str()).collect();
    let told: BTreeSet<&str> = judged.arrivals.iter().map(|message| message.event.as_str()).collect();
    let may_die = companions.how.on_error == OnEnrichError::DeadLetter && may_fail(judged.shop);
    let is_there = |event: &str| came.contains(event) || (may_die && companions.dead.contains(event));
    told.into_iter()
        .filter(|event| !is_there(event))
        .map(|event| format!("event {event} was not told with its order"))
        .collect()
}

/// Whether a request for one record can ever come to nothing.
fn may_fail(shop: &Shop) -> bool {
    shop.habits().faults != Faults::default() || shop.habits().limit.is_some()
}

/// What is wrong with the record beside a message.
fn wrong(shop: &Shop, how: Enriching, message: &Message) -> Option<String> {
    let record = &message.body["enriched"]["order"];
    let problem = |what: &str| Some(format!("{}: {what}: {}", message.webhook_id, message.body));
    let Some((account, id)) = order_of(shop, message) else {
        return if record.is_null() { None } else { problem("an order was fetched for what is about none") };
    };
    let age = how.max_age.filter(|_| !how.confirm).unwrap_or_default();
    let asked = Asked { shop, account, id, from: message.received_at() - age, until: message.at };
    if record.is_null() {
        let says_so = message.action.is_some() && !message.is_deleted();
        let may_be_without = how.on_error == OnEnrichError::DeliverWithout && may_fail(shop);
        return if may_be_without || asked.was_gone(says_so) {
            None
        } else {
            problem("its order was there, and is missing")
        };
    }
    if !asked.is_as_new_as(record, message.version) {
        return problem("its order is older than what it goes with, or never was like that");
    }
    let must_be_asked = how.confirm || message.version.is_none();
    if must_be_asked && !asked.was_answered(record) { problem("the shop was not asked for that in time") } else { None }
}

/// A webhook about an order takes the whole order along, unless that is gone.
fn not_whole(shop: &Shop, message: &Message) -> Option<String> {
    let (account, id) = order_of(shop, message)?;
    if !message.is_native() || message.action.is_none() || message.is_deleted() {
        return None;
    }
    let asked = Asked { shop, account, id, from: message.received_at(), until: message.at };
    let is_right = match message.is_whole() {
        true => asked.is_as_new_as(&message.data, message.version),
        false => asked.was_gone(true),
    };
    (!is_right).then(|| format!("{} does not have its order as it should: {}", message.webhook_id, message.body))
}

fn order_of(shop: &Shop, message: &Message) -> Option<(usize, u64)> {
    let account = shop.habits().accounts.iter().position(|account| *account == message.connection)?;
    let id = message.subject.as_deref()?.strip_prefix("order/")?.parse().ok()?;
    Some((account, id))
}

impl Asked<'_> {
    fn history(&self) -> impl Iterator<Item = &Change> {
        self.shop.truth().history(self.account, Object::Orders, self.id)
    }

    fn is_there(&self, change: &Change) -> bool {
        !change.is_deleted() || is_buried(self.shop.habits(), Object::Orders)
    }

    /// Whether the order once looked like this, in this version or a later one.
    fn is_as_new_as(&self, record: &Json, version: Option<Timestamp>) -> bool {
        let is_it = |change: &&Change| change.record == *record && self.is_there(change) && change.at <= self.until;
        self.history().filter(is_it).any(|change| version.is_none_or(|version| change.version >= version))
    }

    /// When the shop was asked for the order and may have answered, within the time.
    fn visits(&self) -> impl Iterator<Item = Timestamp> {
        let path = format!("/orders/{}", self.id);
        let visits = self.shop.ledger().visits().iter();
        let of_it = visits.filter(move |visit| visit.account == Some(self.account) && visit.target == path);
        let answered = of_it.filter(|visit| matches!(visit.status, 200 | 304 | 404 | 410));
        answered.map(|visit| visit.at).filter(|at| (self.from..=self.until).contains(at))
    }

    /// Whether a change was what the shop, or a replica of it, answered at some time.
    fn was_told(&self, change: &Change, at: Timestamp) -> bool {
        let ended = self.shop.truth().after(change).map_or(Timestamp::NEVER, |next| next.at);
        change.at <= at && ended > at - self.lag()
    }

    fn was_answered(&self, record: &Json) -> bool {
        let mut visits = self.visits();
        visits.any(|at| self.history().any(|change| change.record == *record && self.was_told(change, at)))
    }

    /// By how much an answer may be of before.
    fn lag(&self) -> Duration {
        let faults = self.shop.habits().faults;
        if faults.lagging > 0 { faults.lag_max } else { Duration::ZERO }
    }

    /// Whether somebody who asked may have heard that there is no such order. Where the event says that there is one, a
    /// replica that has not heard of it yet is asked again.
    fn was_gone(&self, event_says_so: bool) -> bool {
        let mut visits = self.visits();
        let lag = if event_says_so { Duration::ZERO } else { self.lag() };
        visits.any(|at| {
            let gone = self.history().any(|change| !self.is_there(change) && self.was_told(change, at));
            gone || self.history().next().is_none_or(|first| first.at > at - lag)
        })
    }
}
