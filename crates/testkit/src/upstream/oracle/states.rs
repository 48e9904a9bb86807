//! Nothing is missing: the destination's last word about each record is how it is, and every change came that had to.

use std::time::Duration;

use domain::Timestamp;

use super::Judged;
use super::message::Message;
use crate::upstream::lists::activity;
use crate::upstream::shop::SECOND_TOPIC;
use crate::upstream::truth::{Change, Object};

pub(super) fn findings(judged: &Judged<'_>) -> Vec<String> {
    let last = self::judged(judged).filter_map(|change| last_state(judged, change));
    let missing = owed(judged).filter(|change| !is_told(judged, change)).map(|change| {
        let (number, told) = (change.number, all_told(judged, change));
        format!("change {number} was never told: {}\n  told was {told:#?}", described(judged, change))
    });
    last.chain(missing).chain(unheard_topics(judged)).chain(activities(judged)).collect()
}

/// The last changes of the records whose last state the destination must know.
pub(super) fn judged<'a>(judged: &'a Judged<'_>) -> impl Iterator<Item = &'a Change> {
    judged.shop.truth().finals().filter(|change| is_promised(judged, change))
}

/// Whether changes are told of its list since before it happened.
fn is_promised(judged: &Judged<'_>, change: &Change) -> bool {
    let since = judged.promise.told_since.get(&(change.account, change.object));
    since.is_some_and(|since| change.at > *since)
}

/// What the destination believes of a record in the end, if that is wrong.
fn last_state(judged: &Judged<'_>, truth: &Change) -> Option<String> {
    let mut told = judged.told(truth).filter(|message| !message.stale);
    let newest = if judged.promise.ordered {
        told.last()
    } else if truth.object == Object::Orders {
        // In whatever order they came, the latest version counts; of equal ones and those without, one must be right.
        let told: Vec<&Message> = told.collect();
        let newest = told.iter().map(|message| message.version).max().flatten();
        let newest = told.into_iter().filter(|message| message.version.is_none() || message.version == newest);
        newest.max_by_key(|message| message.tells(truth))
    } else {
        told.find(|message| message.tells(truth))
    };
    match newest {
        Some(message) if message.tells(truth) || is_tied(judged, truth, message) => None,
        Some(message) => {
            let (told, history) = (all_told(judged, truth), history(judged, truth));
            Some(format!("the destination believes {}\n  it is {history:#?}\n  told was {told:#?}", shown(message)))
        }
        None if was_so_before(judged, truth) => None,
        None => Some(format!("the destination was told nothing of {}", described(judged, truth))),
    }
}

/// Whether the last word is a webhook that told another change of the same version: of two webhooks of one version nobody
/// can say which is the later, and if only one of them came, the first reading after it is taken for what it told.
fn is_tied(judged: &Judged<'_>, truth: &Change, last: &Message) -> bool {
    let mut changes = judged.shop.truth().history(truth.account, truth.object, truth.id);
    let mut told = judged.told(truth).filter(|message| message.is_native() && message.version == Some(truth.version));
    last.is_native()
        && (told.any(|message| message.tells(truth)) || !is_acknowledged(judged, truth))
        && changes.any(|other| other.number != truth.number && other.version == truth.version && last.tells(other))
}

/// The first scan may have begun so long before it ended, and read from a replica that was behind.
const FIRST_SCAN: Duration = Duration::from_secs(60);

/// Whether this is how a record without a version was, or was not, when its list was first read: what goes away and
/// comes back between two looks leaves nothing to tell.
fn was_so_before(judged: &Judged<'_>, truth: &Change) -> bool {
    if truth.object == Object::Orders && !truth.is_deleted() {
        return false;
    }
    let since = judged.promise.told_since[&(truth.account, truth.object)];
    let history = || judged.shop.truth().history(truth.account, truth.object, truth.id);
    let unknown_then = history().next().is_none_or(|first| first.at > since - FIRST_SCAN);
    let around = history().filter(|change| {
        let until = judged.shop.truth().after(change).map_or(Timestamp::NEVER, |next| next.at);
        change.at <= since && until > since - FIRST_SCAN
    });
    (unknown_then && truth.is_deleted()) || around.into_iter().any(|change| looks_like(change, truth))
}

fn looks_like(one: &Change, other: &Change) -> bool {
    one.is_deleted() == other.is_deleted() && (one.is_deleted() || one.record == other.record)
}

/// Changes that must have been told: acknowledged webhooks, and what stayed long enough to be seen.
pub(super) fn owed<'a>(judged: &'a Judged<'_>) -> impl Iterator<Item = &'a Change> {
    let truth = judged.shop.truth();
    truth
        .changes()
        .iter()
        .filter(move |change| is_acknowledged(judged, change) || is_promised(judged, change) && is_seen(judged, change))
}

fn is_acknowledged(judged: &Judged<'_>, change: &Change) -> bool {
    let mut emissions = judged.shop.emissions().iter();
    emissions.any(|own| own.change == change.number && own.acknowledged && is_mapped(&own.topic))
}

/// Whether every poll had time to see it, and it is not what the one before saw.
fn is_seen(judged: &Judged<'_>, change: &Change) -> bool {
    let Some(sight) = judged.promise.sight else { return false };
    let truth = judged.shop.truth();
    let stayed = |change: &Change| truth.after(change).map_or(Duration::MAX, |next| next.at.since(change.at)) >= sight;
    let history = truth.history(change.account, change.object, change.id);
    let before = history.take_while(|other| other.number < change.number).filter(|other| stayed(other)).last();
    let is_news = before.map_or(!change.is_deleted(), |before| !looks_like(before, change));
    stayed(change) && is_news
}

/// Whether it came, or another change that cannot be told from it: a webhook and a reading of one version are one event.
fn is_told(judged: &Judged<'_>, change: &Change) -> bool {
    let same_version =
        |message: &Message| message.version == Some(change.version) && message.is_deleted() == change.is_deleted();
    let is_seen = is_promised(judged, change) && is_seen(judged, change);
    judged.told(change).any(|message| message.tells(change) || (!is_seen && same_version(message)))
}

fn is_mapped(topic: &str) -> bool {
    topic != SECOND_TOPIC
}

/// Topics that are facts of their own: each acknowledged one has a message of its own, whatever else was told.
fn unheard_topics(judged: &Judged<'_>) -> Vec<String> {
    let unmapped = judged.shop.emissions().iter().filter(|own| own.acknowledged && !is_mapped(&own.topic));
    let unheard = unmapped.filter(|emission| {
        let at = judged.shop.truth().changes()[emission.change].at;
        let account = &judged.shop.habits().accounts[emission.account];
        !judged.arrivals.iter().any(|message| {
            message.topic == emission.topic && message.connection == *account && message.happened_at() == Some(at)
        })
    });
    unheard.map(|emission| format!("webhook {} was acknowledged and never told", emission.id)).collect()
}

/// Rows of the list of activities, which have no key: as many of each as there were.
fn activities(judged: &Judged<'_>) -> Vec<String> {
    let mut findings = Vec::new();
    for change in judged.shop.truth().changes() {
        let since = judged.promise.activities_since.get(&change.account);
        if since.is_none_or(|since| change.at <= *since) {
            continue;
        }
        let row = activity(change);
        let account = &judged.shop.habits().accounts[change.account];
        let told = judged.arrivals.iter().any(|message| message.connection == *account && message.data == row);
        if !told {
            findings.push(format!("the activity {row} of {account} was never told"));
        }
    }
    findings
}

fn all_told(judged: &Judged<'_>, change: &Change) -> Vec<String> {
    judged.told(change).map(shown).collect()
}

fn history(judged: &Judged<'_>, change: &Change) -> Vec<String> {
    let history = judged.shop.truth().history(change.account, change.object, change.id);
    history.map(|change| described(judged, change)).collect()
}

fn shown(message: &Message) -> String {
    let version = message.version.map_or_else(|| "no version".to_owned(), |version| version.to_string());
    let (received, stale) = (&message.body["received_at"], if message.stale { " stale" } else { "" });
    format!("{received}{stale} {} {} {version} {}", message.origin, message.event_type, message.record())
}

fn described(judged: &Judged<'_>, change: &Change) -> String {
    let account = &judged.shop.habits().accounts[change.account];
    let (subject, action) = (change.subject(), change.action.as_str());
    format!("{subject} of {account}, {action} at {} as {} ({})", change.at, change.version, change.record)
}
