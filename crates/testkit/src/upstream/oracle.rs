//! What must be true of the messages that a destination got, beside what really happened in a shop. It knows nothing of
//! how they came about, so it judges every way of learning a change alike.

mod fetched;
mod message;
mod order;
mod states;
mod twice;

use std::collections::BTreeMap;
use std::time::Duration;

use domain::Timestamp;

use super::shop::Shop;
use super::truth::{Change, Object};

pub use fetched::{Companions, Enriching};
pub use message::Message;

#[cfg(test)]
mod tests;

/// What the gateway was asked for, and so what it owes.
#[derive(Clone, Debug, Default)]
pub struct Promise {
    /// From when on the changes of an account's list are told: the end of its baseline, or the beginning of time. A list
    /// that is not here is not read.
    pub told_since: BTreeMap<(usize, Object), Timestamp>,
    /// Messages of one subject come one after another.
    pub ordered: bool,
    /// How long a record must stay as it is for its state to be told, whatever else happens; `None`: nothing but the
    /// last state and what a webhook told is promised.
    pub sight: Option<Duration>,
    /// From when on an account's list of activities is told; one that is not here is not read.
    pub activities_since: BTreeMap<usize, Timestamp>,
    /// Webhooks take their record along.
    pub whole: bool,
    /// What a second destination got, where there is one.
    pub companions: Option<Companions>,
    /// The gateway knew what the shop allows. Who has to learn it learns by being refused.
    pub limit_known: bool,
}

/// How much was judged: an oracle that saw nothing proves nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Records whose last state was compared.
    pub states: usize,
    /// Changes that had to be told.
    pub owed: usize,
    pub messages: usize,
    /// Arrivals of a message that had come before.
    pub again: usize,
    pub stale: usize,
    /// Requests that the shop got.
    pub visits: usize,
    /// Of those: answered that nothing had changed.
    pub unmodified: usize,
    /// Records that were fetched for messages.
    pub fetched: usize,
    /// Deliveries that died because no record could be had.
    pub dead: usize,
}

/// Judges all that arrived, in the order in which it did.
pub fn judge(shop: &Shop, messages: &[Message], promise: &Promise) -> Result<Figures, String> {
    let judged = Judged::new(shop, messages, promise);
    let findings = [
        budgets(shop, promise),
        refusals(shop),
        shop.doubled().to_vec(),
        twice::findings(&judged),
        states::findings(&judged),
        fetched::findings(&judged),
        if promise.ordered { order::findings(&judged) } else { Vec::new() },
    ]
    .concat();
    if findings.is_empty() {
        return Ok(judged.figures());
    }
    Err(findings.join("\n"))
}

/// No request too many, and none while the shop had asked to wait.
fn budgets(shop: &Shop, promise: &Promise) -> Vec<String> {
    let Some(limit) = shop.habits().limit else { return shop.ledger().impatience(false) };
    let overruns = if promise.limit_known { shop.ledger().overruns(&limit) } else { Vec::new() };
    // Whoever is not told of a limit cannot know whom it is shared with.
    [overruns, shop.ledger().impatience(limit.shared && promise.limit_known)].concat()
}

/// A webhook that the shop really sent is never answered with a 4xx.
fn refusals(shop: &Shop) -> Vec<String> {
    let refused = shop.emissions().iter().filter_map(|emission| Some((emission, emission.refused?)));
    refused.map(|(emission, status)| format!("webhook {} was refused with {status}", emission.id)).collect()
}

/// What arrived, by subject, each message at its first arrival.
struct Judged<'a> {
    shop: &'a Shop,
    promise: &'a Promise,
    arrivals: &'a [Message],
    /// Number of the arrival, and the message.
    of_subject: BTreeMap<(String, String), Vec<(usize, &'a Message)>>,
}

impl<'a> Judged<'a> {
    fn new(shop: &'a Shop, arrivals: &'a [Message], promise: &'a Promise) -> Self {
        let mut known = std::collections::BTreeSet::new();
        let mut of_subject = BTreeMap::<_, Vec<_>>::new();
        for (number, message) in arrivals.iter().enumerate() {
            if let Some(subject) = &message.subject
                && known.insert(&message.webhook_id)
            {
                of_subject.entry((message.connection.clone(), subject.clone())).or_default().push((number, message));
            }
        }
        Self { shop, promise, arrivals, of_subject }
    }

    /// Messages about a record that say what became of it, each at its first arrival.
    fn told(&self, change: &Change) -> impl Iterator<Item = &'a Message> {
        let account = &self.shop.habits().accounts[change.account];
        let found = self.of_subject.get(&(account.clone(), change.subject()));
        found.into_iter().flatten().map(|(_, message)| *message).filter(|message| message.action.is_some())
    }

    fn fetched(&self) -> usize {
        let companions = self.promise.companions.iter().flat_map(|companions| &companions.messages);
        let beside = companions.filter(|message| message.body["enriched"]["order"].is_object()).count();
        beside + self.arrivals.iter().filter(|message| message.is_whole()).count()
    }

    fn figures(&self) -> Figures {
        let mut ids: Vec<&str> = self.arrivals.iter().map(|message| message.webhook_id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        Figures {
            states: states::judged(self).count(),
            owed: states::owed(self).count(),
            messages: ids.len(),
            again: self.arrivals.len() - ids.len(),
            stale: self.arrivals.iter().filter(|message| message.stale).count(),
            visits: self.shop.ledger().visits().len(),
            unmodified: self.shop.ledger().visits().iter().filter(|visit| visit.status == 304).count(),
            fetched: self.fetched(),
            dead: self.promise.companions.as_ref().map_or(0, |companions| companions.dead.len()),
        }
    }
}
