//! What must hold for any data, any slicing and any order of closing.

use jiff::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

use super::super::*;
use super::{begin, component};

/// Hours from the start to the end of reading.
pub(super) const HOURS: i64 = 9 * 24;

pub(super) fn now() -> Timestamp {
    "2024-02-01T00:00:00Z".parse().unwrap()
}

pub(super) fn text(hour: i64) -> String {
    let start: Timestamp = "2024-01-01T00:00:00Z".parse().unwrap();
    (start + jiff::SignedDuration::from_hours(hour)).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

pub(super) fn sliced(step_hours: i64, lookback_hours: i64) -> Json {
    component(&json!({"cursor": {
        "step": format!("PT{step_hours}H"), "cursor_granularity": "PT1S", "lookback_window": format!("PT{lookback_hours}H"),
    }}))
}

/// What a source has: when each record changed.
#[derive(Clone, Debug)]
pub(super) struct Source(pub Vec<i64>);

impl Source {
    /// What the source answers for a window, both ends included.
    pub fn within(&self, slice: &Slice) -> Vec<usize> {
        let bound = |field| slice.get(field).and_then(Json::as_str).unwrap().to_owned();
        let (start, end) = (bound("start_time"), bound("end_time"));
        let hours = self.0.iter().enumerate();
        hours
            .filter(|(_, hour)| (start.as_str()..=end.as_str()).contains(&text(**hour).as_str()))
            .map(|(id, _)| id)
            .collect()
    }
}

struct Run {
    read: Vec<usize>,
    /// The state after each close.
    states: Vec<Map<String, Json>>,
}

/// Reads all windows and closes those that `closes` says, in the order of its numbers.
fn run(component: &Json, state: &Map<String, Json>, source: &Source, closes: &[Option<u32>]) -> Run {
    let mut cursor = begin(component, &json!({}), state, now()).unwrap();
    let _ = cursor.enter(Slice::whole(), None, now());
    let mut open = Vec::new();
    let mut read = Vec::new();
    while let Some(mut slice) = cursor.open().unwrap() {
        let when = closes.get(open.len() % closes.len().max(1)).copied().unwrap_or(Some(0));
        let found = source.within(slice.slice());
        found.iter().for_each(|id| slice.observe(&json!({"at": text(source.0[*id])})));
        if when.is_some() {
            read.extend(found);
        }
        open.push((when, slice));
    }
    open.sort_by_key(|(when, _)| *when);
    let mut states = Vec::new();
    for (when, slice) in open {
        if when.is_some() {
            let _ = cursor.close(slice, now()).unwrap();
            states.push(cursor.state());
        }
    }
    Run { read, states }
}

fn unique(mut ids: Vec<usize>) -> Vec<usize> {
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn sources() -> impl Strategy<Value = Source> {
    vec(0..=HOURS, 0..40).prop_map(Source)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_slicing_gives_the_same_records_and_the_same_state(
        source in sources(), steps in (1..400i64, 1..400i64), closes in vec(any::<u32>().prop_map(Some), 1..20),
    ) {
        let one = run(&sliced(steps.0, 0), &Map::new(), &source, &closes);
        let other = run(&sliced(steps.1, 0), &Map::new(), &source, &[Some(0)]);
        prop_assert_eq!(unique(one.read.clone()).len(), one.read.len(), "with a granularity nothing is read twice");
        prop_assert_eq!(unique(one.read), unique(other.read.clone()));
        prop_assert_eq!(other.read.len(), source.0.len(), "everything is read");
        prop_assert_eq!(one.states.last(), other.states.last());
    }

    #[test]
    fn no_state_passes_a_record_that_was_not_read(
        source in sources(), step in 1..100i64, closes in vec(proptest::option::of(any::<u32>()), 1..20),
    ) {
        let broken = run(&sliced(step, 0), &Map::new(), &source, &closes);
        let unread: Vec<String> = (0..source.0.len()).filter(|id| !broken.read.contains(id)).map(|id| text(source.0[id])).collect();
        for state in &broken.states {
            let reached = state["at"].as_str().unwrap();
            prop_assert!(unread.iter().all(|at| at.as_str() >= reached), "{reached} passes one of {unread:?}");
        }
    }

    #[test]
    fn resuming_from_any_state_on_the_way_loses_no_record(
        source in sources(), steps in (1..100i64, 1..100i64), lookback in 0..50i64,
        closes in vec(proptest::option::of(any::<u32>()), 1..20), stop in any::<prop::sample::Index>(),
    ) {
        let broken = run(&sliced(steps.0, lookback), &Map::new(), &source, &closes);
        let state = if broken.states.is_empty() { Map::new() } else { broken.states[stop.index(broken.states.len())].clone() };
        let rest = run(&sliced(steps.1, lookback), &state, &source, &[Some(0)]);
        let all: Vec<usize> = unique(broken.read.into_iter().chain(rest.read).collect());
        prop_assert_eq!(all.len(), source.0.len());
    }

    #[test]
    fn a_saved_state_comes_back_as_it_was(hour in 0..=HOURS, other in "[a-z]{1,5}", value in any::<i64>()) {
        let mut state = Map::new();
        state.insert(format!("x{other}"), value.into());
        state.insert("at".to_owned(), text(hour).into());
        let cursor = begin(&sliced(24, 0), &json!({}), &state, now()).unwrap();
        prop_assert_eq!(Json::Object(cursor.state()).to_string(), Json::Object(state).to_string());
    }

    #[test]
    fn a_saved_state_of_partitions_comes_back_as_it_was(
        hours in vec(0..=HOURS, 0..20), common in proptest::option::of(0..=HOURS), seconds in 0..100_000u32, shared in any::<bool>(),
    ) {
        let state = saved_partitions(&hours, common, seconds, shared);
        let cursor = super::partitioned::begin(&sliced(24, 0), &state, now()).unwrap();
        prop_assert_eq!(Json::Object(cursor.state()).to_string(), Json::Object(state).to_string());
    }

    #[test]
    fn with_partitions_resuming_from_any_state_on_the_way_loses_no_record(
        sources in vec(sources(), 1..5), step in 1..200i64, closes in vec(proptest::option::of(any::<u32>()), 1..20),
        stop in any::<prop::sample::Index>(), left_out in 0..3usize,
    ) {
        let partitions = sources.len().saturating_sub(left_out).max(1);
        let (mut read, states, is_whole) = run_partitions(step, &Map::new(), &sources[..partitions], &closes);
        let state = if states.is_empty() { Map::new() } else { states[stop.index(states.len())].clone() };
        let (rest, ..) = run_partitions(step, &state, &sources, &[Some(0)]);
        read.extend(rest);
        read.sort_unstable();
        read.dedup();
        // A partition that is new in the second run starts from the common cursor, which only a whole run moves.
        let known = if is_whole { &sources[..partitions] } else { &sources[..] };
        let expected: usize = known.iter().map(|source| source.0.len()).sum();
        prop_assert!(read.len() >= expected, "{} of {expected}", read.len());
    }
}

fn saved_partitions(hours: &[i64], common: Option<i64>, seconds: u32, shared: bool) -> Map<String, Json> {
    let mut state = Map::new();
    state.insert("use_global_cursor".to_owned(), shared.into());
    if !shared {
        let entry = |(pid, hour): (usize, &i64)| json!({"partition": {"parent_slice": {}, "pid": pid}, "cursor": {"at": text(*hour)}});
        state.insert("states".to_owned(), hours.iter().enumerate().map(entry).collect());
    }
    if let Some(common) = common {
        state.insert("state".to_owned(), json!({"at": text(common)}));
    }
    state.insert("lookback_window".to_owned(), seconds.into());
    state
}

type Read = Vec<(usize, usize)>;

fn run_partitions(
    step: i64,
    state: &Map<String, Json>,
    sources: &[Source],
    closes: &[Option<u32>],
) -> (Read, Vec<Map<String, Json>>, bool) {
    let mut cursor = super::partitioned::begin(&sliced(step, 0), state, now()).unwrap();
    let mut open = Vec::new();
    let mut read = Vec::new();
    for (pid, source) in sources.iter().enumerate() {
        let _ = cursor.enter(Slice::of(Map::from_iter([("pid".to_owned(), pid.into())])), None, now());
        while let Some(mut slice) = cursor.open().unwrap() {
            let when = closes[open.len() % closes.len()];
            let found = source.within(slice.slice());
            found.iter().for_each(|id| slice.observe(&json!({"at": text(source.0[*id])})));
            if when.is_some() {
                read.extend(found.into_iter().map(|id| (pid, id)));
            }
            open.push((when, slice));
        }
    }
    open.sort_by_key(|(when, _)| *when);
    let mut states = Vec::new();
    let is_whole = open.iter().all(|(when, _)| when.is_some());
    for (when, slice) in open {
        if when.is_some() {
            let _ = cursor.close(slice, now()).unwrap();
            states.push(cursor.state());
        }
    }
    cursor.finish(Ending::Whole, None, now());
    states.push(cursor.state());
    (read, states, is_whole)
}
