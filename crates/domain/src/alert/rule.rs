//! The rules: every kind of alert with how much it matters, when it is told of, and the thresholds of those that are
//! looked for. What a person changes is kept apart from what is standard, so that a new rule has its standard.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How much an alert matters. Whoever wants to hear of one also hears of those above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// For the record: nothing is lost or late.
    Info,
    /// Somebody should look during the day.
    Warning,
    /// Something is lost or stands still until somebody acts: it goes through quiet hours.
    Critical,
}

impl Severity {
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.as_str() == text)
    }
}

/// One rule as it stands without anybody's change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standard {
    pub kind: &'static str,
    pub severity: Severity,
    /// It is told of once it has been open for so long; what is over before that is told to nobody.
    pub after: Duration,
    /// What to do next, for whoever is told.
    pub advice: &'static str,
}

const fn rule(kind: &'static str, severity: Severity, after: Duration, advice: &'static str) -> Standard {
    Standard { kind, severity, after, advice }
}

/// Every rule, by its kind.
pub const STANDARD: &[Standard] = {
    use Severity::{Critical, Info, Warning};
    const AT_ONCE: Duration = Duration::ZERO;
    &[
        rule(
            "audit_broken",
            Critical,
            AT_ONCE,
            "Look into who could write to the store; `trireme audit verify` names every entry that does not hold.",
        ),
        rule(
            "backlog_growing",
            Warning,
            AT_ONCE,
            "See whether the destination is slow or limited, and what its queue waits for.",
        ),
        rule(
            "breaker_open",
            Critical,
            AT_ONCE,
            "See whether the destination is up; deliveries go on by themselves once it answers.",
        ),
        rule("budget_exhausted", Warning, AT_ONCE, "Poll less often, or ask the source for a larger allowance."),
        rule(
            "channel_failing",
            Critical,
            AT_ONCE,
            "Correct the channel's address or credentials, then send a test to it.",
        ),
        rule(
            "connection_unassigned",
            Info,
            AT_ONCE,
            "Name the account as a connection of its source, if it is one of yours.",
        ),
        rule("credentials_expiring", Warning, AT_ONCE, "Make a new one and take it over before the old one ends."),
        rule(
            "credentials_refused",
            Critical,
            AT_ONCE,
            "Check the connection's credentials at the source, and replace them.",
        ),
        rule("dead_letters", Critical, AT_ONCE, "Look at the cause, correct it, and retry the dead letters."),
        rule("dead_letters_expiring", Critical, AT_ONCE, "Retry what is still wanted before retention removes it."),
        rule(
            "deletes_waiting",
            Warning,
            AT_ONCE,
            "Check at the source whether so many were really deleted, and confirm or leave it.",
        ),
        rule(
            "delivery_failing",
            Warning,
            MINUTE,
            "Look at what the destination answers; tries go on until their policy ends.",
        ),
        rule(
            "destination_disabled",
            Critical,
            AT_ONCE,
            "See why it does not want deliveries any more; what it is owed is held until it is resumed.",
        ),
        rule("disk_filling", Warning, AT_ONCE, "Make room on the disk, or shorten the retention."),
        rule("disk_reserve", Critical, AT_ONCE, "Make room on the disk now: no webhook is taken in."),
        rule(
            "filter_passes_nothing",
            Warning,
            AT_ONCE,
            "Check the names in the route's `when`: a misspelt one is false.",
        ),
        rule(
            "gap_found",
            Warning,
            AT_ONCE,
            "See whether the source still sends its webhooks; what was missed was told by reconciliation.",
        ),
        rule("handshake_waiting", Warning, AT_ONCE, "Approve or refuse the address that the sender asks to be opened."),
        rule(
            "key_unreachable",
            Critical,
            AT_ONCE,
            "See whether the sender's key can be fetched from here; its requests wait.",
        ),
        rule("retired_with_open_deliveries", Warning, AT_ONCE, "Cancel what is still owed, or define it again."),
        rule(
            "route_left_out",
            Critical,
            AT_ONCE,
            "Make again what the route names, or remove the route; then replay what came meanwhile.",
        ),
        rule("route_moved", Warning, AT_ONCE, "Cancel what is held, or let the route lead there again."),
        rule(
            "schema_broken",
            Warning,
            AT_ONCE,
            "Make your code read the events as they are now; those that it failed on can be replayed.",
        ),
        rule("schema_changed", Info, AT_ONCE, "Compare the change with what your code expects of these events."),
        rule("signatures_failing", Critical, AT_ONCE, "Compare the source's secret with the one at its sender."),
        rule(
            "silence",
            Warning,
            AT_ONCE,
            "See whether the source still sends: its webhook may be disabled or point elsewhere.",
        ),
        rule(
            "store_failing",
            Critical,
            MINUTE,
            "See whether the database or the disk is well; the log has its own words.",
        ),
        rule("stream_failing", Warning, AT_ONCE, "See what the source answers, by its calls."),
        rule(
            "subscription_failing",
            Warning,
            AT_ONCE,
            "See what the source answers, and check the credentials' rights.",
        ),
    ]
};

/// The standard of a kind.
#[must_use]
pub fn standard_of(kind: &str) -> Option<&'static Standard> {
    STANDARD.iter().find(|rule| rule.kind == kind)
}

/// What is written about one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    pub off: bool,
    pub severity: Option<Severity>,
    pub after: Option<Duration>,
    /// It is told of once its cause came so often.
    pub count: Option<u64>,
}

/// One rule as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    pub is_on: bool,
    pub severity: Severity,
    pub after: Duration,
    pub count: u64,
}

/// All rules of a tenant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    pub changes: BTreeMap<String, Change>,
    pub thresholds: Thresholds,
}

impl Rules {
    #[must_use]
    pub fn of(&self, kind: &str) -> Rule {
        let standard = standard_of(kind);
        let change = self.changes.get(kind);
        let severity = change.and_then(|change| change.severity);
        let after = change.and_then(|change| change.after);
        Rule {
            is_on: !change.is_some_and(|change| change.off),
            severity: severity.or(standard.map(|rule| rule.severity)).unwrap_or(Severity::Warning),
            after: after.or(standard.map(|rule| rule.after)).unwrap_or_default(),
            count: change.and_then(|change| change.count).unwrap_or(1),
        }
    }

    #[must_use]
    pub fn is_on(&self, kind: &str) -> bool {
        !self.changes.get(kind).is_some_and(|change| change.off)
    }
}

/// From when on something that is looked for counts as trouble.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    pub failing: Failing,
    pub backlog: Backlog,
    pub silence: Silence,
    pub disk: Disk,
    /// A budget that makes requests wait for so long is exhausted.
    pub budget_for: Duration,
    /// Credentials that end within this are told of.
    pub expiring_before: Duration,
}

/// Of the tries of one destination.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Failing {
    /// The share that fails, from 0 to 1.
    pub share: f64,
    /// So many tries at least, so that one alone says nothing.
    pub attempts: u64,
    pub within: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    pub deliveries: u64,
    pub lag: Duration,
    /// Over this time it has to grow.
    pub within: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    /// Nothing is called silence before it lasts so long.
    pub at_least: Duration,
    /// So long must be known of a source before its rhythm is.
    pub history: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    pub free_bytes: u64,
    /// At the speed of the last hours the disk is full within this.
    pub full_within: Duration,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            failing: Failing { share: 0.5, attempts: 10, within: 10 * MINUTE },
            backlog: Backlog { deliveries: 1_000, lag: 15 * MINUTE, within: 10 * MINUTE },
            silence: Silence { at_least: 15 * MINUTE, history: 14 * DAY },
            disk: Disk { free_bytes: 1 << 30, full_within: DAY },
            budget_for: HOUR / 6,
            expiring_before: 7 * DAY,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_in_order_and_each_says_what_to_do() {
        assert!(STANDARD.windows(2).all(|pair| pair[0].kind < pair[1].kind), "each once, in order");
        for rule in STANDARD {
            assert!(rule.advice.ends_with('.') && rule.advice.len() > 20, "{}", rule.kind);
        }
    }

    #[test]
    fn what_is_not_changed_is_standard() {
        let change = Change { severity: Some(Severity::Critical), count: Some(3), ..Change::default() };
        let off = Change { off: true, ..Change::default() };
        let changes = [("silence".to_owned(), change), ("gap_found".to_owned(), off)].into();
        let rules = Rules { changes, thresholds: Thresholds::default() };
        let expected = Rule { is_on: true, severity: Severity::Critical, after: Duration::ZERO, count: 3 };
        assert_eq!(rules.of("silence"), expected);
        assert!(!rules.is_on("gap_found") && rules.is_on("dead_letters"));
        assert_eq!(rules.of("delivery_failing").after, MINUTE);
        assert_eq!(Severity::ALL.map(|severity| Severity::parse(severity.as_str())), Severity::ALL.map(Some));
        assert!(Severity::Info < Severity::Warning && Severity::Warning < Severity::Critical);
    }
}
