//! The numbers that rows hold in place of words. They are listed in the migrations and never change.

use domain::run::{RunKind, RunState};
use domain::{Action, Assurance, DeliveryState, Origin, Purpose, Timestamp, Version, request::Verdict};
use store::StoreError;
use store::shapes::ShapeOf;
use store::watch::{Series, Step};

fn known<T>(value: Option<T>, what: &str, code: i16) -> Result<T, StoreError> {
    value.ok_or_else(|| StoreError::Corrupt(format!("{code} is no {what}")))
}

macro_rules! codes {
    ($($encode:ident, $decode:ident, $type:ident, $what:literal: $($variant:ident = $code:literal),*;)*) => {$(
        pub(crate) const fn $encode(value: $type) -> i16 {
            match value { $($type::$variant => $code,)* }
        }

        pub(crate) fn $decode(code: i16) -> Result<$type, StoreError> {
            known(match code { $($code => Some($type::$variant),)* _ => None }, $what, code)
        }
    )*};
}

codes! {
    state_code, state_of, DeliveryState, "delivery state":
        Pending = 1, InFlight = 2, Retrying = 3, Held = 4, Delivered = 5, Filtered = 6, Dead = 7, Cancelled = 8;
    origin_code, origin_of, Origin, "origin":
        Native = 1, Virtual = 2, Reconciled = 3, Backfill = 4, Published = 5;
    assurance_code, assurance_of, Assurance, "assurance":
        None = 1, Shared = 2, Origin = 3, Partial = 4, Body = 5;
    action_code, action_of, Action, "action": Created = 1, Updated = 2, Deleted = 3;
    verdict_code, verdict_of, Verdict, "verdict": Accepted = 1, Rejected = 2, Pending = 3;
    purpose_code, purpose_of, Purpose, "purpose":
        Read = 1, Check = 2, Token = 3, Enrich = 4, Poll = 5, Reconcile = 6, Backfill = 7, Subscribe = 8;
    run_kind_code, run_kind_of, RunKind, "run kind": Poll = 1, Backfill = 2, Reconcile = 3;
    run_state_code, run_state_of, RunState, "run state":
        Running = 1, Done = 2, Failed = 3, Interrupted = 4, Waiting = 5;
    shape_code, shape_of, ShapeOf, "kind of a shape": Event = 1, Stream = 2;
}

pub(crate) const fn series_code(series: Series) -> i16 {
    match series {
        Series::Calls => 1,
        Series::Events => 2,
        Series::Attempts => 3,
        Series::Rejected => 4,
        Series::Waiting => 5,
    }
}

pub(crate) const fn step_code(step: Step) -> i16 {
    match step {
        Step::Minute => 1,
        Step::Hour => 2,
    }
}

/// A version as its two columns.
pub(crate) const fn version_code(version: Option<Version>) -> (Option<i16>, Option<i64>) {
    match version {
        None => (None, None),
        Some(Version::Time(time)) => (Some(1), Some(time.as_micros())),
        Some(Version::Number(number)) => (Some(2), Some(number)),
    }
}

pub(crate) fn version_of(kind: Option<i16>, value: Option<i64>) -> Result<Option<Version>, StoreError> {
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
        for state in DeliveryState::ALL {
            assert_eq!(state_of(state_code(state)), Ok(state));
            assert_eq!(state.is_open(), state_code(state) < 5, "the tables divide by this");
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
        assert!(state_of(0).is_err() && origin_of(0).is_err() && version_of(Some(3), Some(1)).is_err());
    }
}
