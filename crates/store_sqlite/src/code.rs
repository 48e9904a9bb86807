//! The numbers that rows hold in place of words. They are listed in the migrations and never change.

use domain::{Action, Assurance, DeliveryState, Origin, Purpose, Timestamp, Version, request::Verdict};
use store::StoreError;
use store::shapes::ShapeOf;
use store::watch::{Series, Step};

/// A delivery's state as its row has it: in flight is a claim in memory, not a state on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stored {
    /// Pending and claimed at birth: in none of the indexes that pending ones are found by.
    Fresh = 2,
    Pending = 3,
    Retrying = 4,
    Held = 5,
    Delivered = 6,
    Filtered = 7,
    Dead = 8,
    Cancelled = 9,
}

impl Stored {
    pub(crate) const ALL: [Self; 8] = [
        Self::Fresh,
        Self::Pending,
        Self::Retrying,
        Self::Held,
        Self::Delivered,
        Self::Filtered,
        Self::Dead,
        Self::Cancelled,
    ];
    /// Those that the index of open deliveries has.
    pub(crate) const INDEXED: [Self; 4] = [Self::Pending, Self::Retrying, Self::Held, Self::Dead];

    pub(crate) fn of(code: i64) -> Result<Self, StoreError> {
        known(Self::ALL.into_iter().find(|state| *state as i64 == code), "delivery state", code)
    }

    /// The state to write; `None` for in flight, which is not written.
    pub(crate) const fn from_state(state: DeliveryState) -> Option<Self> {
        Some(match state {
            DeliveryState::Pending => Self::Pending,
            DeliveryState::InFlight => return None,
            DeliveryState::Retrying => Self::Retrying,
            DeliveryState::Held => Self::Held,
            DeliveryState::Delivered => Self::Delivered,
            DeliveryState::Filtered => Self::Filtered,
            DeliveryState::Dead => Self::Dead,
            DeliveryState::Cancelled => Self::Cancelled,
        })
    }

    /// As people see it.
    pub(crate) const fn shown(self, claimed: bool) -> DeliveryState {
        match self {
            Self::Fresh | Self::Pending | Self::Retrying if claimed => DeliveryState::InFlight,
            Self::Fresh | Self::Pending => DeliveryState::Pending,
            Self::Retrying => DeliveryState::Retrying,
            Self::Held => DeliveryState::Held,
            Self::Delivered => DeliveryState::Delivered,
            Self::Filtered => DeliveryState::Filtered,
            Self::Dead => DeliveryState::Dead,
            Self::Cancelled => DeliveryState::Cancelled,
        }
    }

    pub(crate) const fn is_open(self) -> bool {
        matches!(self, Self::Fresh | Self::Pending | Self::Retrying | Self::Held)
    }

    /// Waits to be claimed.
    pub(crate) const fn is_waiting(self) -> bool {
        matches!(self, Self::Pending | Self::Retrying)
    }
}

fn known<T>(value: Option<T>, what: &str, code: i64) -> Result<T, StoreError> {
    value.ok_or_else(|| StoreError::Corrupt(format!("{code} is no {what}")))
}

macro_rules! codes {
    ($($encode:ident, $decode:ident, $type:ident, $what:literal: $($variant:ident = $code:literal),*;)*) => {$(
        pub(crate) const fn $encode(value: $type) -> i64 {
            match value { $($type::$variant => $code,)* }
        }

        pub(crate) fn $decode(code: i64) -> Result<$type, StoreError> {
            known(match code { $($code => Some($type::$variant),)* _ => None }, $what, code)
        }
    )*};
}

codes! {
    origin_code, origin_of, Origin, "origin":
        Native = 1, Virtual = 2, Reconciled = 3, Backfill = 4, Published = 5;
    assurance_code, assurance_of, Assurance, "assurance":
        None = 1, Shared = 2, Origin = 3, Partial = 4, Body = 5;
    action_code, action_of, Action, "action": Created = 1, Updated = 2, Deleted = 3;
    verdict_code, verdict_of, Verdict, "verdict": Accepted = 1, Rejected = 2, Pending = 3;
    purpose_code, purpose_of, Purpose, "purpose":
        Read = 1, Check = 2, Token = 3, Enrich = 4, Poll = 5, Reconcile = 6, Backfill = 7, Subscribe = 8;
    shape_code, shape_of, ShapeOf, "kind of a shape": Event = 1, Stream = 2;
}

pub(crate) const fn series_code(series: Series) -> i64 {
    match series {
        Series::Calls => 1,
        Series::Events => 2,
        Series::Attempts => 3,
        Series::Rejected => 4,
        Series::Waiting => 5,
    }
}

pub(crate) const fn step_code(step: Step) -> i64 {
    match step {
        Step::Minute => 1,
        Step::Hour => 2,
    }
}

/// A version as its two columns.
pub(crate) const fn version_code(version: Option<Version>) -> (Option<i64>, Option<i64>) {
    match version {
        None => (None, None),
        Some(Version::Time(time)) => (Some(1), Some(time.as_micros())),
        Some(Version::Number(number)) => (Some(2), Some(number)),
    }
}

pub(crate) fn version_of(kind: Option<i64>, value: Option<i64>) -> Result<Option<Version>, StoreError> {
    match (kind, value) {
        (None, None) => Ok(None),
        (Some(1), Some(micros)) => Ok(Some(Version::Time(Timestamp::from_micros(micros)))),
        (Some(2), Some(number)) => Ok(Some(Version::Number(number))),
        (kind, _) => known(None, "version kind", kind.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_read_back_as_what_it_was_written_for() {
        for state in Stored::ALL {
            assert_eq!(Stored::of(state as i64), Ok(state));
            assert_eq!(state.is_open(), state.shown(false).is_open());
        }
        for origin in Origin::ALL {
            assert_eq!(origin_of(origin_code(origin)), Ok(origin));
        }
        for purpose in Purpose::ALL {
            assert_eq!(purpose_of(purpose_code(purpose)), Ok(purpose));
        }
        for assurance in Assurance::ALL {
            assert_eq!(assurance_of(assurance_code(assurance)), Ok(assurance));
        }
        for version in [None, Some(Version::Number(-1)), Some(Version::Time(Timestamp::from_secs(1)))] {
            let (kind, value) = version_code(version);
            assert_eq!(version_of(kind, value), Ok(version));
        }
        assert!(Stored::of(1).is_err() && origin_of(0).is_err() && version_of(Some(3), Some(1)).is_err());
    }

    #[test]
    fn only_what_waits_is_shown_in_flight_when_claimed() {
        for state in Stored::ALL {
            let in_flight = state.shown(true) == DeliveryState::InFlight;
            assert_eq!(in_flight, state == Stored::Fresh || state.is_waiting());
        }
    }
}
