//! A stream whose partitions are the records of an incremental parent: whatever fails on the way, no record of the parent
//! is passed whose partition was not read.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::super::*;
use super::component;
use super::properties::{HOURS, Source, now, sliced, text};
use crate::manifest::node::{Document, Read};
use crate::manifest::partition::{Next, Walk};
use crate::manifest::scope::Scope;

fn read<T: Read>(component: &Json) -> T {
    T::read(&Document::from_json(component).root()).unwrap()
}

fn router() -> PartitionRouter {
    read(&json!({"type": "SubstreamPartitionRouter", "parent_stream_configs": [{
        "type": "ParentStreamConfig", "stream": {"type": "DeclarativeStream", "name": "p"}, "parent_key": "id",
        "partition_field": "pid", "incremental_dependency": true,
    }]}))
}

/// The parent, read one record at a time: a slice is closed before its last record is handed on, as a driver does it.
struct Parent {
    cursor: Cursor,
    source: Source,
    open: Option<(OpenSlice, Vec<usize>)>,
}

impl Parent {
    fn begin(state: &StreamState, step: i64, source: &Source, scope: &Scope<'_>) -> Self {
        let sync: IncrementalSync = read(&sliced(step, 0));
        let mut cursor = Cursor::begin(Some(&sync), None, &state.of_parent("p", Some("at")), scope, &[]).unwrap();
        let _ = cursor.enter(Slice::whole(), None, now());
        Self { cursor, source: source.clone(), open: None }
    }

    fn next(&mut self) -> Option<(usize, Slice)> {
        loop {
            if self.open.is_none() {
                let mut slice = self.cursor.open().unwrap()?;
                let mut found = self.source.within(slice.slice());
                found.reverse();
                found.iter().for_each(|id| slice.observe(&json!({"at": text(self.source.0[*id])})));
                self.open = Some((slice, found));
            }
            let (slice, mut found) = self.open.take()?;
            let (id, from) = (found.pop(), Slice::clone(slice.slice()));
            if found.is_empty() {
                let _ = self.cursor.close(slice, now()).unwrap();
            } else {
                self.open = Some((slice, found));
            }
            if let Some(id) = id {
                return Some((id, from));
            }
        }
    }
}

struct Run {
    entered: Vec<usize>,
    closed: Vec<usize>,
    states: Vec<StreamState>,
}

/// Reads the partitions and closes those that `closes` says, in the order of its numbers.
fn run(state: &StreamState, step: i64, source: &Source, closes: &[Option<u32>]) -> Run {
    let config = json!({});
    let scope = Scope::new(&config, now());
    let (sync, router): (IncrementalSync, _) = (read(&component(&json!({}))), router());
    let mut cursor = Cursor::begin(Some(&sync), Some(&router), state, &scope, &[]).unwrap();
    let mut parent = Parent::begin(state, step, source, &scope);
    let mut walk = PartitionRouter::walk(Some(&router), &scope).unwrap();
    let (mut open, mut entered) = (Vec::new(), Vec::new());
    loop {
        match walk.next().unwrap() {
            Next::Done => break,
            Next::Parent(_) => feed(&mut walk, &mut parent),
            Next::Partition(partition) => {
                let id = usize::try_from(partition.get("pid").and_then(Json::as_u64).unwrap()).unwrap();
                let parents = router.parent_state(&|_| Json::Object(parent.cursor.state())).map(Arc::new);
                let _ = cursor.enter(partition, parents.as_ref(), now());
                entered.push(id);
                while let Some(slice) = cursor.open().unwrap() {
                    open.push((closes[open.len() % closes.len()], id, slice));
                }
            }
        }
    }
    open.sort_by_key(|(when, ..)| *when);
    let (mut closed, mut states) = (Vec::new(), Vec::new());
    for (_, id, slice) in open.into_iter().filter(|(when, ..)| when.is_some()) {
        let _ = cursor.close(slice, now()).unwrap();
        closed.push(id);
        states.push(StreamState::new(cursor.state()));
    }
    cursor.finish(Ending::Whole, router.parent_state(&|_| Json::Object(parent.cursor.state())).map(Arc::new), now());
    states.push(StreamState::new(cursor.state()));
    Run { entered, closed, states }
}

fn feed(walk: &mut Walk, parent: &mut Parent) {
    match parent.next() {
        Some((id, from)) => walk.offer(&json!({"id": id, "at": text(parent.source.0[id])}), &from).unwrap(),
        None => walk.ended(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_state_passes_a_parents_record_whose_partition_was_not_read(
        hours in vec(0..=HOURS, 0..40), steps in (1..100i64, 1..100i64),
        closes in vec(proptest::option::weighted(0.8, any::<u32>()), 1..20), stop in any::<prop::sample::Index>(),
    ) {
        let source = Source(hours);
        let first = run(&StreamState::default(), steps.0, &source, &closes);
        prop_assert_eq!(first.entered.len(), source.0.len(), "every record of the parent is a partition");
        let at = stop.index(first.states.len());
        let second = run(&first.states[at], steps.1, &source, &[Some(0)]);
        // The states come one after each close, and one at the end.
        let closed = &first.closed[..(at + 1).min(first.closed.len())];
        let missed: Vec<usize> =
            (0..source.0.len()).filter(|id| !closed.contains(id) && !second.entered.contains(id)).collect();
        prop_assert!(missed.is_empty(), "{:?} were not read", missed);
    }

    #[test]
    fn a_whole_run_lets_the_next_one_skip_what_the_parent_has_passed(hours in vec(0..=HOURS, 1..40), step in 1..100i64) {
        let source = Source(hours);
        let first = run(&StreamState::default(), step, &source, &[Some(0)]);
        let second = run(first.states.last().unwrap(), step, &source, &[Some(0)]);
        let latest = source.0.iter().max().unwrap();
        prop_assert!(second.entered.iter().all(|id| source.0[*id] == *latest), "{:?}", second.entered);
    }
}
