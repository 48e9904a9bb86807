//! One name, one record: what two partitions list under one name and version and with different contents would be told
//! as changed by each of them in turn, and never end.

use std::collections::HashMap;
use std::sync::Arc;

use connectors::manifest::slice::Slice;
use domain::{Subject, Version};
use serde_json::{Map, Value as Json};

use super::model::{Model, Reading};
use super::run::digest_of_name;
use crate::reading::ReadFailure;

/// Names of one run that are remembered: some megabytes. What partitions share is hardly ever behind all of these.
const NAMES_MAX: usize = 50_000;
/// So much is told of a partition, without what is empty in it.
const PARTITION_CHARS: usize = 200;

/// What a run has read in its partitions so far.
#[derive(Default)]
pub(super) struct Unique {
    known: HashMap<u128, Seen>,
    /// Records that two partitions shared in one state, and in two.
    shared: usize,
    twice: usize,
}

/// The state in which a record was read, and where.
struct Seen {
    version: Option<Version>,
    digest: u64,
    partition: Arc<str>,
}

impl Unique {
    /// Why the stream's key names more than one record, if readings of this slice show that.
    pub fn refusal<'r>(
        &mut self,
        model: &Model,
        slice: &Slice,
        readings: impl Iterator<Item = &'r Reading>,
        hide: impl Fn(&str) -> String,
    ) -> Option<ReadFailure> {
        if slice.partition().is_empty() {
            return None;
        }
        let partition: Arc<str> = shown(slice.partition(), hide).into();
        for reading in readings.filter(|reading| !reading.state.deleted) {
            let Some(subject) = &reading.subject else { continue };
            if let Some(other) = self.note(subject, reading, &partition) {
                return Some(not_unique(model, subject, &other, &partition));
            }
        }
        None
    }

    /// Remembers a reading; gives the other partition in which the same state of the record is another one.
    fn note(&mut self, subject: &Subject, reading: &Reading, partition: &Arc<str>) -> Option<Arc<str>> {
        let name = u128::from_be_bytes(head(&digest_of_name(subject).0));
        let digest = u64::from_be_bytes(head(&reading.digest.0));
        let own = Seen { version: reading.state.version, digest, partition: Arc::clone(partition) };
        if let Some(known) = self.known.get_mut(&name) {
            let is_elsewhere = known.partition != own.partition && known.version == own.version;
            let before = std::mem::replace(known, own);
            // Read twice in one place it has changed meanwhile, and so has one of many that are shared otherwise.
            if is_elsewhere && before.digest == digest {
                self.shared += 1;
            } else if is_elsewhere {
                self.twice += 1;
                return (self.twice > self.shared).then_some(before.partition);
            }
        } else if self.known.len() < NAMES_MAX {
            self.known.insert(name, own);
        }
        None
    }
}

/// As many bytes of a digest as tell it from the others of one run.
fn head<const BYTES: usize>(digest: &[u8; 32]) -> [u8; BYTES] {
    std::array::from_fn(|at| digest[at])
}

fn shown(partition: &Map<String, Json>, hide: impl Fn(&str) -> String) -> String {
    let says = |value: &Json| value.as_object().is_none_or(|fields| !fields.is_empty());
    let own = partition.iter().filter(|(_, value)| says(value)).map(|(name, value)| (name.clone(), value.clone()));
    hide(&Json::Object(own.collect()).to_string()).chars().take(PARTITION_CHARS).collect()
}

fn not_unique(model: &Model, subject: &Subject, one: &str, other: &str) -> ReadFailure {
    let message = format!(
        "the primary key does not name one record: '{subject}' is read with different contents in partitions {one} and \
         {other}; the key of '{}' ({}) needs what tells these apart",
        model.stream,
        model.key_shown()
    );
    ReadFailure::config("key_not_unique", message)
}

#[cfg(test)]
mod tests {
    use domain::identity::Digest;
    use domain::subject::SubjectState;

    use super::*;

    fn reading(id: usize, version: Option<i64>, body: &str) -> Reading {
        let digest = Digest::of(body.as_bytes());
        let state = SubjectState { version: version.map(Version::Number), deleted: false, reading: Some(digest) };
        Reading { subject: Some(Subject::of("member", &id.to_string())), state, digest, settled_at: None }
    }

    fn note(unique: &mut Unique, own: &Reading, partition: &str) -> Option<Arc<str>> {
        unique.note(own.subject.as_ref().expect("it has a name"), own, &partition.into())
    }

    #[test]
    fn one_name_with_two_contents_in_two_partitions_is_found() {
        for version in [None, Some(1)] {
            let mut unique = Unique::default();
            assert_eq!(note(&mut unique, &reading(1, version, "a"), "1"), None);
            assert_eq!(note(&mut unique, &reading(1, version, "b"), "2").as_deref(), Some("1"), "{version:?}");
        }
    }

    #[test]
    fn a_record_that_is_the_same_or_has_changed_is_one() {
        let mut unique = Unique::default();
        let all = [
            (reading(1, Some(1), "a"), "1"),
            (reading(1, Some(1), "a"), "2"),
            (reading(1, Some(1), "changed within its tick"), "2"),
            (reading(1, Some(2), "changed and moved"), "1"),
            (reading(2, Some(1), "another"), "2"),
        ];
        for (own, partition) in all {
            assert_eq!(note(&mut unique, &own, partition), None, "{own:?}");
        }
    }

    #[test]
    fn of_many_that_partitions_share_one_may_change_meanwhile() {
        let mut unique = Unique::default();
        for id in 0..10 {
            assert_eq!(note(&mut unique, &reading(id, None, "a"), "1"), None);
        }
        let bodies = (0..10).map(|id| (id, if id == 4 { "changed" } else { "a" }));
        for (id, body) in bodies {
            assert_eq!(note(&mut unique, &reading(id, None, body), "2"), None, "{id}");
        }
    }

    #[test]
    fn no_more_names_are_remembered_than_there_is_room_for() {
        let mut unique = Unique::default();
        for id in 0..NAMES_MAX + 10 {
            assert_eq!(note(&mut unique, &reading(id, None, "a"), "1"), None);
        }
        assert_eq!(unique.known.len(), NAMES_MAX);
        assert_eq!(note(&mut unique, &reading(0, None, "b"), "2").as_deref(), Some("1"));
        assert_eq!(note(&mut unique, &reading(NAMES_MAX + 1, None, "b"), "2"), None);
    }
}
