//! What a reading of a record tells, beside what is known of its subject: how a change is found where nobody sends one.

use crate::event::Action;
use crate::subject::{Advance, SubjectRow, SubjectState, advance};

/// What follows from a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// Nothing changed, not even what is remembered.
    None,
    /// The subject's row moves, and there is nothing to tell.
    Quiet,
    Told(Action),
}

/// Compares a reading with the last known state of its subject.
#[must_use]
pub fn difference(known: Option<&SubjectRow>, reading: &SubjectState) -> Difference {
    let Advance { row, mark, .. } = advance(known, reading);
    match (mark, known) {
        (None, Some(known)) if row == *known => Difference::None,
        (None, _) => Difference::Quiet,
        // What was gone and is still gone: only its version moved.
        (Some(_), Some(known)) if known.deleted && reading.deleted => Difference::Quiet,
        (Some(_), _) if reading.deleted => Difference::Told(Action::Deleted),
        (Some(_), None) => Difference::Told(Action::Created),
        (Some(_), Some(known)) if known.deleted => Difference::Told(Action::Created),
        (Some(_), Some(_)) => Difference::Told(Action::Updated),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Version;
    use crate::identity::Digest;

    fn reading(version: Option<i64>, body: &str) -> SubjectState {
        let reading = Some(Digest::of(body.as_bytes()));
        SubjectState { version: version.map(Version::Number), deleted: body.is_empty(), reading }
    }

    /// What each of a row of readings tells, an empty text being a deleted record.
    fn told(readings: &[(Option<i64>, &str)]) -> Vec<Difference> {
        let mut row = None;
        let step = |(version, body): &(Option<i64>, &str)| {
            let reading = reading(*version, body);
            let told = difference(row.as_ref(), &reading);
            row = Some(advance(row.as_ref(), &reading).row);
            told
        };
        readings.iter().map(step).collect()
    }

    const CREATED: Difference = Difference::Told(Action::Created);
    const UPDATED: Difference = Difference::Told(Action::Updated);
    const DELETED: Difference = Difference::Told(Action::Deleted);

    #[test]
    fn a_record_is_created_updated_deleted_and_created_again() {
        let life = [(None, "a"), (None, "a"), (None, "b"), (None, "a"), (None, ""), (None, ""), (None, "a")];
        assert_eq!(told(&life), [CREATED, Difference::None, UPDATED, UPDATED, DELETED, Difference::None, CREATED]);
    }

    #[test]
    fn an_older_reading_tells_nothing_and_a_newer_version_always_does() {
        assert_eq!(told(&[(Some(2), "b"), (Some(1), "a"), (Some(3), "b")]), [CREATED, Difference::None, UPDATED]);
    }

    #[test]
    fn two_states_of_one_version_are_two_changes() {
        assert_eq!(told(&[(Some(1), "a"), (Some(1), "b")]), [CREATED, UPDATED]);
    }

    #[test]
    fn what_stays_gone_under_a_later_version_is_not_deleted_twice() {
        assert_eq!(told(&[(Some(1), "a"), (Some(2), ""), (Some(3), "")]), [CREATED, DELETED, Difference::Quiet]);
    }

    #[test]
    fn the_first_reading_after_a_webhook_is_remembered_quietly() {
        let native = SubjectState { version: None, deleted: false, reading: None };
        let row = advance(None, &native).row;
        assert_eq!(difference(Some(&row), &reading(None, "a")), Difference::Quiet);
    }
}
