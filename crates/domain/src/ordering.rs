//! Lanes: which deliveries wait for one another, and which of them goes first.

use serde::{Deserialize, Serialize};

use crate::{ConnectionName, SourceName, Subject, Version};

/// What a route promises about order at its destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ordering {
    #[default]
    None,
    /// Events of one subject, one after another.
    Subject,
    /// All events, one after another.
    Destination,
}

/// What a dead head does to its lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDead {
    /// The next one goes.
    #[default]
    Continue,
    /// The lane stands still until a person retries or cancels the dead one.
    Block,
}

/// A lane within (tenant, destination): only its head may be in flight.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane(String);

impl Lane {
    /// The lane of an event under `ordering`, or `None` where it waits for nobody. An event without a subject
    /// has no order among subjects.
    #[must_use]
    pub fn of(
        ordering: Ordering,
        source: &SourceName,
        connection: &ConnectionName,
        subject: Option<&Subject>,
    ) -> Option<Self> {
        match ordering {
            Ordering::None => None,
            Ordering::Destination => Some(Self("*".to_owned())),
            Ordering::Subject => subject.map(|subject| Self(format!("{source}/{connection}/{subject}"))),
        }
    }

    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether versions order this lane. Versions of different subjects say nothing about each other, so a lane
    /// that holds all of a destination goes by acceptance alone, and nothing in it is stale.
    #[must_use]
    pub fn goes_by_version(&self) -> bool {
        self.0 != "*"
    }

    /// The version that counts in this lane: none where those of different subjects would meet.
    #[must_use]
    pub fn version_of(&self, version: Option<Version>) -> Option<Version> {
        version.filter(|_| self.goes_by_version())
    }
}

/// Whether the first of two waiting deliveries goes before the second: by version where both have one that
/// compares, else in the order in which they were accepted (`sequence`).
#[must_use]
pub fn goes_before(first: (Option<Version>, i64), second: (Option<Version>, i64)) -> bool {
    let by_version = match (first.0, second.0) {
        (Some(a), Some(b)) => a.partial_cmp(&b).filter(|order| order.is_ne()),
        _ => None,
    };
    by_version.unwrap_or_else(|| first.1.cmp(&second.1)).is_lt()
}

/// The index of the head among the deliveries that wait in one lane, given in the order of acceptance.
#[must_use]
pub fn head(waiting: &[(Option<Version>, i64)]) -> Option<usize> {
    (0..waiting.len()).reduce(|best, next| if goes_before(waiting[next], waiting[best]) { next } else { best })
}

/// Whether an event comes after a later version of its subject was already sent.
#[must_use]
pub fn is_stale(version: Option<Version>, sent: Option<Version>) -> bool {
    matches!((version, sent), (Some(own), Some(sent)) if own < sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn v(number: i64) -> Option<Version> {
        Some(Version::Number(number))
    }

    #[test]
    fn versions_decide_where_both_have_one_else_acceptance_does() {
        assert!(goes_before((v(1), 9), (v(2), 1)));
        assert!(goes_before((v(2), 1), (v(2), 2)));
        assert!(goes_before((None, 1), (v(1), 2)));
        assert!(!goes_before((None, 3), (v(1), 2)));
        assert_eq!(head(&[(v(3), 1), (v(1), 2), (v(2), 3)]), Some(1));
        assert_eq!(head(&[(None, 1), (v(1), 2)]), Some(0));
        assert_eq!(head(&[]), None);
    }

    #[test]
    fn stale_means_older_than_what_was_sent() {
        assert!(is_stale(v(1), v(2)));
        assert!(!is_stale(v(2), v(2)));
        assert!(!is_stale(None, v(2)));
        assert!(!is_stale(v(1), Some(Version::Time(crate::Timestamp::EPOCH))));
    }

    #[test]
    fn lanes_tell_subjects_apart_and_events_without_one_wait_for_nobody() {
        let (source, connection) = ("shop".parse().expect("a name"), ConnectionName::default_connection());
        let subject = Subject::of("orders", "1");
        assert_eq!(Lane::of(Ordering::Subject, &source, &connection, None), None);
        assert_eq!(Lane::of(Ordering::None, &source, &connection, Some(&subject)), None);
        let lane = Lane::of(Ordering::Subject, &source, &connection, Some(&subject)).expect("a lane");
        assert_eq!(lane.as_str(), "shop/default/orders/1");
        let whole = Lane::of(Ordering::Destination, &source, &connection, Some(&subject)).expect("a lane");
        assert!(lane.goes_by_version() && !whole.goes_by_version());
        assert_ne!(lane, whole);
    }
}
