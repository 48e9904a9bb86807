//! Nothing is told twice: a fact is one event with one id, however often and by whichever way it was learned.

use std::collections::{BTreeMap, BTreeSet};

use domain::Timestamp;
use serde_json::Value as Json;

use super::Judged;
use super::message::Message;
use crate::upstream::lists::activity;
use crate::upstream::truth::{Object, Truth};

pub(super) fn findings(judged: &Judged<'_>) -> Vec<String> {
    [other_bytes(judged), two_ids(judged), same_webhook(judged), same_version(judged), same_state(judged), rows(judged)]
        .concat()
}

/// A message that comes again is the same message.
fn other_bytes(judged: &Judged<'_>) -> Vec<String> {
    let mut first = BTreeMap::new();
    let mut findings = Vec::new();
    for message in judged.arrivals {
        let known = first.entry(&message.webhook_id).or_insert(message);
        if known.body != message.body {
            findings.push(format!("{} came with two bodies: {} and {}", message.webhook_id, known.body, message.body));
        }
    }
    findings
}

/// An event is one message.
fn two_ids(judged: &Judged<'_>) -> Vec<String> {
    let mut ids = BTreeMap::<&str, BTreeSet<&str>>::new();
    for message in judged.arrivals {
        ids.entry(&message.event).or_default().insert(&message.webhook_id);
    }
    let several = ids.into_iter().filter(|(_, ids)| ids.len() > 1);
    several.map(|(event, ids)| format!("event {event} came as {ids:?}")).collect()
}

/// A webhook is one event, however often it came.
fn same_webhook(judged: &Judged<'_>) -> Vec<String> {
    let mut events = BTreeMap::<_, BTreeSet<&str>>::new();
    for message in judged.arrivals.iter().filter(|message| message.is_native()) {
        let Some(at) = message.happened_at() else { continue };
        let what = (&message.connection, &message.topic, &message.subject, at);
        events.entry(what).or_default().insert(&message.event);
    }
    let several = events.into_iter().filter(|(_, events)| events.len() > 1);
    several.map(|(what, events)| format!("the webhook {what:?} is several events: {events:?}")).collect()
}

/// One version of a record is told once, by webhook or by reading: more often only if it really changed more often
/// within one tick.
fn same_version(judged: &Judged<'_>) -> Vec<String> {
    let truth = judged.shop.truth();
    let mut findings = Vec::new();
    for ((connection, subject), messages) in &judged.of_subject {
        let Some((account, Object::Orders, id)) = judged.record_of(connection, subject) else { continue };
        let mut told = BTreeMap::<(Timestamp, bool), (usize, usize)>::new();
        let mut before: Option<&Message> = None;
        for (_, message) in messages.iter().filter(|(_, message)| message.action.is_some()) {
            let Some(version) = message.version else { continue };
            let (native, read) = told.entry((version, message.is_deleted())).or_default();
            let corrects = |before: &Message| {
                is_corrected_by(before, message) || (*read > 0 && is_repeated_after(before, message))
            };
            if before.replace(message).is_some_and(corrects) {
                continue;
            }
            *(if message.is_native() { native } else { read }) += 1;
        }
        for ((version, deleted), (native, read)) in told {
            let changes = truth.history(account, Object::Orders, id);
            let real = changes.filter(|change| (change.version, change.is_deleted()) == (version, deleted)).count();
            if read + native.min(1) > real {
                findings.push(format!(
                    "{subject} of {connection} in version {version} (deleted: {deleted}) was told by {native} webhooks \
                     and {read} readings, and changed {real} times"
                ));
            }
        }
    }
    findings
}

/// Whether a reading says that a record is back, or was never gone, after it was told to be gone in the same version: of
/// what a webhook or a list of deletions says of one tick nobody can tell what came later, until the record is read.
fn is_corrected_by(told: &Message, reading: &Message) -> bool {
    !reading.is_native() && told.version == reading.version && told.is_deleted() && !reading.is_deleted()
}

/// Whether a reading is the last word after a webhook of its version, which may have come late: a reading of that version
/// had been told before, and no one can say whether the webhook's change came before that or after.
fn is_repeated_after(told: &Message, reading: &Message) -> bool {
    !reading.is_native() && told.is_native() && told.version == reading.version && !told.is_deleted()
}

/// Two readings that are told one after another tell different states; and nothing goes more often than it went.
fn same_state(judged: &Judged<'_>) -> Vec<String> {
    let mut findings = Vec::new();
    for ((connection, subject), messages) in &judged.of_subject {
        let messages: Vec<&Message> = messages.iter().map(|(_, message)| *message).collect();
        let told: Vec<&Message> = messages.iter().copied().filter(|message| message.action.is_some()).collect();
        for pair in told.windows(2) {
            let both_read = !pair[0].is_native() && !pair[1].is_native();
            if both_read && state(pair[0]) == state(pair[1]) && judged.promise.ordered {
                findings.push(format!(
                    "{subject} of {connection} was told twice as it is: events {} and {}",
                    pair[0].event, pair[1].event
                ));
            }
        }
        let Some((account, object, id)) = judged.record_of(connection, subject) else {
            findings.push(format!("{connection} has no {subject}, and it was told"));
            continue;
        };
        let (real, in_a_row) = (deletions_of(judged.shop.truth(), account, object, id), deletions_in_a_row(&told));
        if in_a_row > real && judged.promise.ordered {
            findings.push(format!("{subject} of {connection} was deleted {real} times, and told so {in_a_row} times"));
        }
    }
    findings
}

/// What is gone again has gone at another time.
fn state(message: &Message) -> (bool, Option<Timestamp>, Option<&Json>) {
    let deleted = message.is_deleted();
    (deleted, message.version.filter(|_| deleted), (!deleted).then(|| message.record()))
}

/// The most messages of a deletion between which nothing else was told.
fn deletions_in_a_row(told: &[&Message]) -> usize {
    told.split(|message| !message.is_deleted()).map(<[_]>::len).max().unwrap_or(0)
}

fn deletions_of(truth: &Truth, account: usize, object: Object, id: u64) -> usize {
    truth.history(account, object, id).filter(|change| change.is_deleted()).count()
}

/// Rows without a key: none more often than it is in the list.
fn rows(judged: &Judged<'_>) -> Vec<String> {
    let mut told = BTreeMap::<(&str, String), (&Json, BTreeSet<&str>)>::new();
    for message in judged.arrivals.iter().filter(|message| message.data["what"].is_string()) {
        let row = told.entry((&message.connection, message.data.to_string()));
        row.or_insert((&message.data, BTreeSet::new())).1.insert(&message.event);
    }
    let mut findings = Vec::new();
    for ((connection, _), (row, events)) in told {
        let changes = judged.shop.truth().changes().iter();
        let real = changes
            .filter(|change| judged.shop.habits().accounts[change.account] == connection)
            .filter(|change| activity(change) == *row)
            .count();
        if events.len() > real {
            findings.push(format!("the activity {row} of {connection} happened {real} times, told: {events:?}"));
        }
    }
    findings
}

impl Judged<'_> {
    /// The record that a subject is, if there ever was such a one.
    fn record_of(&self, connection: &str, subject: &str) -> Option<(usize, Object, u64)> {
        let account = self.shop.habits().accounts.iter().position(|account| account == connection)?;
        let (name, id) = subject.split_once('/')?;
        let object = Object::ALL.into_iter().find(|object| object.singular() == name)?;
        let id: u64 = id.parse().ok()?;
        self.shop.truth().history(account, object, id).next().map(|_| (account, object, id))
    }
}
