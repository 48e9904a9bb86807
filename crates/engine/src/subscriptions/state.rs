//! What is kept of one connection's subscriptions. Pure: no store, no clock; secrets stand in it only sealed.

use std::collections::BTreeSet;

use connectors::manifest::extension::Place;
use domain::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::FORMER_FOR;

/// Former secrets that are kept at once: a source that loses its subscription every hour must not fill the key set.
const FORMER_MAX: usize = 8;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct State {
    /// The connector that it was subscribed with, as its owner named it.
    pub connector: String,
    /// Digest of what is kept to end it with.
    pub kit: String,
    /// Of our own making, for all places of the connection; sealed.
    pub secret: Option<String>,
    pub former: Vec<Former>,
    pub subscriptions: Vec<Subscription>,
    /// Nothing is wanted any more since then.
    pub leaving_since: Option<Timestamp>,
}

/// A secret of a subscription that is no more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Former {
    pub sealed: String,
    pub until: Timestamp,
}

/// One place of a connection, and the subscription for it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Subscription {
    pub place: Map<String, Json>,
    /// At the source; `None`: there is none yet, as far as is known.
    pub id: Option<String>,
    /// Where it sends.
    pub url: String,
    /// It was asked for, and nothing is known of the answer.
    pub begun: bool,
    /// Of the source's making; sealed.
    pub secret: Option<String>,
    pub since: Option<Timestamp>,
    pub renewed_at: Option<Timestamp>,
    /// The source sends, as far as is known.
    pub works: bool,
    pub wanted: bool,
    pub problem: Option<Problem>,
}

/// Why one does not stand as it should.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub code: String,
    pub message: String,
    pub since: Timestamp,
}

impl State {
    /// Takes over which places are wanted; what is kept of others is to go.
    pub fn arrange(&mut self, places: &[Place]) {
        for kept in &mut self.subscriptions {
            kept.wanted = places.iter().any(|place| *place.fields() == kept.place);
        }
        for place in places {
            if !self.subscriptions.iter().any(|kept| kept.place == *place.fields()) {
                let place = place.fields().clone();
                self.subscriptions.push(Subscription { place, wanted: true, ..Subscription::default() });
            }
        }
    }

    /// Ids of other places than this one.
    pub fn ids_but(&self, index: usize) -> Vec<&str> {
        let others = self.subscriptions.iter().enumerate().filter(|(at, _)| *at != index);
        others.filter_map(|(_, kept)| kept.id.as_deref()).collect()
    }

    /// A subscription is no more. What signed it counts for a while, for webhooks that are on their way.
    pub fn part_with(&mut self, index: usize, now: Timestamp) {
        let kept = &mut self.subscriptions[index];
        (kept.id, kept.begun, kept.works) = (None, false, false);
        let own = kept.secret.take();
        // Ours is shared by all places: it goes with the last.
        let is_last = self.subscriptions.iter().all(|kept| kept.id.is_none() && !kept.begun);
        let shared = if is_last { self.secret.take() } else { None };
        for sealed in own.into_iter().chain(shared) {
            self.former.push(Former { sealed, until: now + FORMER_FOR });
        }
        let over = self.former.len().saturating_sub(FORMER_MAX);
        self.former.drain(..over);
    }

    /// Lets go of what counts no more; gives whether anything changed.
    pub fn prune(&mut self, now: Timestamp) {
        self.former.retain(|former| now <= former.until);
        self.subscriptions.retain(|kept| kept.wanted || kept.id.is_some() || kept.begun || kept.problem.is_some());
    }

    /// Nothing is left of it at the source.
    pub fn is_gone(&self) -> bool {
        self.subscriptions.iter().all(|kept| kept.id.is_none() && !kept.begun)
    }

    /// Every place that is wanted has a subscription that works.
    pub fn works(&self) -> bool {
        let mut wanted = self.subscriptions.iter().filter(|kept| kept.wanted).peekable();
        wanted.peek().is_some() && wanted.all(|kept| kept.works)
    }

    /// Sealed secrets that sign, each with the end of its time.
    pub fn secrets(&self) -> Vec<(&str, Option<Timestamp>)> {
        let own = self.subscriptions.iter().filter_map(|kept| kept.secret.as_deref());
        let now: BTreeSet<&str> = self.secret.as_deref().into_iter().chain(own).collect();
        let former = self.former.iter().map(|former| (former.sealed.as_str(), Some(former.until)));
        now.into_iter().map(|sealed| (sealed, None)).chain(former).collect()
    }

    /// Every sealed text, for sealing anew.
    pub fn sealed_mut(&mut self) -> impl Iterator<Item = &mut String> {
        let own = self.subscriptions.iter_mut().filter_map(|kept| kept.secret.as_mut());
        self.secret.iter_mut().chain(own).chain(self.former.iter_mut().map(|former| &mut former.sealed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn place(name: &str) -> Place {
        Place::of(Map::from_iter([("repository".to_owned(), Json::from(name))]))
    }

    fn standing(state: &mut State, index: usize) {
        let kept = &mut state.subscriptions[index];
        (kept.id, kept.works) = (Some(format!("s{index}")), true);
    }

    #[test]
    fn all_wanted_places_work_or_none_does() {
        let mut state = State::default();
        assert!(!state.works(), "nothing wanted is nothing that works");
        state.arrange(&[place("a"), place("b")]);
        standing(&mut state, 0);
        assert!(!state.works());
        standing(&mut state, 1);
        assert!(state.works());
        state.arrange(&[place("a")]);
        state.part_with(1, NOW);
        assert!(state.works(), "what is not wanted does not matter");
        state.prune(NOW);
        assert_eq!(state.subscriptions.len(), 1);
    }

    #[test]
    fn our_secret_goes_with_the_last_subscription_and_counts_for_a_while_longer() {
        let mut state = State { secret: Some("ours".to_owned()), ..State::default() };
        state.arrange(&[place("a"), place("b")]);
        standing(&mut state, 0);
        standing(&mut state, 1);
        state.part_with(0, NOW);
        assert_eq!(state.secrets(), [("ours", None)], "the other place still uses it");
        state.part_with(1, NOW);
        assert_eq!(state.secrets(), [("ours", Some(NOW + FORMER_FOR))]);
        state.prune(NOW + FORMER_FOR);
        assert_eq!(state.secrets().len(), 1);
        state.prune(NOW + FORMER_FOR + FORMER_FOR);
        assert!(state.secrets().is_empty());
    }

    #[test]
    fn former_secrets_are_bounded_and_the_latest_stay() {
        let mut state = State::default();
        state.arrange(&[place("a")]);
        for number in 0..20 {
            state.subscriptions[0].secret = Some(format!("{number:02}"));
            state.part_with(0, NOW);
        }
        let kept: Vec<&str> = state.secrets().into_iter().map(|(sealed, _)| sealed).collect();
        assert_eq!((kept.len(), kept.last().copied()), (FORMER_MAX, Some("19")));
    }
}
