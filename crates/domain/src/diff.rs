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
        // What was gone and is still gone.
        (Some(_), Some(known)) if known.deleted && reading.deleted && !is_gone_again(known, reading) => {
            Difference::Quiet
        }
        (Some(_), _) if reading.deleted => Difference::Told(Action::Deleted),
        (Some(_), None) => Difference::Told(Action::Created),
        (Some(_), Some(known)) if known.deleted => Difference::Told(Action::Created),
        (Some(_), Some(_)) => Difference::Told(Action::Updated),
    }
}

/// Whether a record that was gone was back meanwhile: what is read of its going names a later time than what was read of
/// it before. A webhook may name another time of the same going, so it is nothing to compare with. Were this not told, a
/// webhook about its being back that comes late would be the last word.
fn is_gone_again(known: &SubjectRow, reading: &SubjectState) -> bool {
    let versions = reading.version.zip(known.version);
    known.digest.is_some() && versions.is_some_and(|(own, last)| own > last)
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
    fn what_is_gone_at_a_later_time_than_was_read_before_was_back_meanwhile() {
        assert_eq!(told(&[(Some(1), "a"), (Some(2), ""), (Some(3), "")]), [CREATED, DELETED, DELETED]);
        assert_eq!(told(&[(Some(1), "a"), (Some(2), ""), (Some(2), "")]), [CREATED, DELETED, Difference::None]);
    }

    #[test]
    fn what_a_webhook_told_to_be_gone_is_not_gone_again_because_a_reading_names_another_time() {
        let live = advance(None, &reading(Some(1), "a")).row;
        let gone = SubjectState { version: Some(Version::Number(2)), deleted: true, reading: None };
        let row = advance(Some(&live), &gone).row;
        assert_eq!(difference(Some(&row), &reading(Some(3), "")), Difference::Quiet);
        let read = advance(Some(&row), &reading(Some(3), "")).row;
        assert_eq!(difference(Some(&read), &reading(Some(4), "")), DELETED);
    }

    #[test]
    fn the_first_reading_after_a_webhook_is_remembered_quietly() {
        let native = SubjectState { version: None, deleted: false, reading: None };
        let row = advance(None, &native).row;
        assert_eq!(difference(Some(&row), &reading(None, "a")), Difference::Quiet);
    }
}
