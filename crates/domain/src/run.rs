//! One poll, backfill or reconciliation of a stream, with its figures; and what reconciliation found missing.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::event::{Action, Version};
use crate::{ConnectionName, EventId, RunId, SourceName, Subject, Tenant, Timestamp};

/// A stream of one connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamKey {
    pub tenant: Tenant,
    pub source: SourceName,
    pub connection: ConnectionName,
    pub stream: Arc<str>,
}

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    Poll,
    /// The first complete scan of a stream, or one that a person asked for.
    Backfill,
    Reconcile,
}

impl RunKind {
    pub const ALL: [Self; 3] = [Self::Poll, Self::Backfill, Self::Reconcile];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Backfill => "backfill",
            Self::Reconcile => "reconcile",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    Running,
    Done,
    /// What was read counts; the rest is read by the next run.
    Failed,
    /// Its process ended. What it committed counts.
    Interrupted,
    /// It would delete more than it may, or what a person has confirmed is not certain yet: they have to say so, again.
    Waiting,
}

impl RunState {
    pub const ALL: [Self; 5] = [Self::Running, Self::Done, Self::Failed, Self::Interrupted, Self::Waiting];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Waiting => "waiting",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// What a run counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunFigures {
    /// Requests sent to the source, those that it refused included.
    pub requests: u64,
    /// Of these: those that were answered that nothing changed since the answer before.
    pub unmodified: u64,
    /// Pages of records read; of a first scan that was broken off and goes on, those from before too, as with the records.
    pub pages: u64,
    /// Records read.
    pub seen: u64,
    /// Events made.
    pub told: u64,
    /// Records whose state was known.
    pub matched: u64,
    /// Records whose state nobody had told, and that were old enough to have been.
    pub missed: u64,
    /// Records whose state nobody had told, but that changed only a moment ago: the next run judges them.
    pub young: u64,
    /// Of earlier gaps: those whose webhook came after all.
    pub late: u64,
    /// Records that changed without a new version.
    pub changed: u64,
    /// Records that are gone.
    pub deleted: u64,
    /// Records that seem to be gone, but are not confirmed to be.
    pub unconfirmed: u64,
}

/// How far a sender's webhooks can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trust {
    /// Of the changes that reconciliation looked at: the share that a webhook had told, from 0 to 1.
    pub caught: f64,
    /// Between a change and its webhook.
    pub delay_p50: Option<Duration>,
    pub delay_p99: Option<Duration>,
}

/// One run.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    pub id: RunId,
    pub key: StreamKey,
    pub kind: RunKind,
    /// It only reports.
    pub dry: bool,
    pub state: RunState,
    pub started_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    pub figures: RunFigures,
    pub trust: Option<Trust>,
    /// Why it failed, what it waits for, or, of one that is done, why it did not look for what is gone.
    pub problem: Option<String>,
}

/// An item that reconciliation found missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    pub run: RunId,
    pub key: StreamKey,
    pub subject: Subject,
    pub action: Action,
    pub version: Option<Version>,
    /// The event that was made of it; `None` in a dry run.
    pub event: Option<EventId>,
    pub found_at: Timestamp,
    /// When its webhook came after all.
    pub late_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back() {
        assert!(RunKind::ALL.into_iter().all(|kind| RunKind::parse(kind.as_str()) == Some(kind)));
        assert!(RunState::ALL.into_iter().all(|state| RunState::parse(state.as_str()) == Some(state)));
        assert_eq!((RunKind::parse("other"), RunState::parse("")), (None, None));
    }
}
