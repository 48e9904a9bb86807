//! What an arrival does to the last known state of its subject (design §6, Identity).

use crate::Version;
use crate::identity::{Digest, StateMark};

/// The last known state of a subject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubjectRow {
    pub version: Option<Version>,
    /// Of the last reading; `None` after a native event, which carries another shape of the record; [`UNSURE`] where a
    /// native event came beside a reading, and nobody can say which of the two is the later.
    pub digest: Option<Digest>,
    pub deleted: bool,
    /// Counts the changes, so that A → B → A is two of them.
    pub change: u64,
}

impl SubjectRow {
    /// Whether it was last read, and was gone, or was not.
    fn is_read_as(&self, deleted: bool) -> bool {
        self.digest.is_some() && self.deleted == deleted
    }
}

/// What an arrival says about its subject. Only topics that a connector maps as the object's created, updated or
/// deleted say anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectState {
    pub version: Option<Version>,
    pub deleted: bool,
    /// Digest of the record, when it was read from the API; `None` for a native event.
    pub reading: Option<Digest>,
}

/// A digest that no record has: whatever is read next is told.
pub const UNSURE: Digest = Digest([0; 32]);

/// What is known of the state that an arrival tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meeting {
    /// Nobody has told it.
    New,
    /// An event that this arrival joins.
    Joined,
    /// What was last read of it is an event that another native one has joined: this one is a fact of its own.
    Met,
}

/// What follows from an arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advance {
    /// As it is after this, unless the state was told before; see [`Advance::row_after`].
    pub row: SubjectRow,
    /// The mark of the state key to look up and remember; `None` when the reading tells nothing new.
    pub mark: Option<StateMark>,
    /// Another one that counts as much: a deletion is told with a version by some ways and without by others.
    pub also: Option<StateMark>,
    /// It is gone, and was there in the same version: if its going was told, that it was there is the later.
    pub is_gone_within_tick: bool,
    /// What a native event may be besides: of its version, what was read last.
    or: Option<StateMark>,
    /// What a reading is from now on, in place of what was read before it.
    becomes: Option<StateMark>,
    /// The row as it was, if a native event names the version that was known last.
    before: Option<SubjectRow>,
}

impl Advance {
    fn to(row: SubjectRow, mark: Option<StateMark>) -> Self {
        Self { row, mark, also: None, is_gone_within_tick: false, or: None, becomes: None, before: None }
    }

    /// The marks by which the state may have been told; if the last of them is known, and none can be joined, others have
    /// met all that was read.
    pub fn sought(&self) -> impl Iterator<Item = StateMark> {
        [self.mark, self.also, self.or].into_iter().flatten()
    }

    /// The marks by which it is known from now on, if nobody has told it.
    pub fn kept(&self) -> impl Iterator<Item = StateMark> {
        [self.mark, self.also, self.becomes].into_iter().flatten()
    }

    /// The subject's row as it is after this.
    #[must_use]
    pub fn row_after(self, meeting: Meeting) -> SubjectRow {
        match (meeting, self.before) {
            // It was told before what is known, or is it: if that changes within its tick, the next reading tells.
            (Meeting::Joined, Some(before)) => before,
            // A second change of one version. Nobody can say whether it came before what was read or after that, so what
            // is read next is told, and is the last word.
            (Meeting::Met, Some(before)) if before.is_read_as(self.row.deleted) => {
                SubjectRow { digest: Some(UNSURE), change: before.change + 1, ..before }
            }
            (Meeting::New | Meeting::Joined | Meeting::Met, _) => self.row,
        }
    }
}

/// Moves the subject's row by one arrival.
#[must_use]
pub fn advance(known: Option<&SubjectRow>, arrival: &SubjectState) -> Advance {
    let row = known.cloned().unwrap_or_default();
    match (&arrival.reading, known) {
        (None, _) => native(row, arrival),
        (Some(digest), None) => changed(row, arrival, Some(*digest)),
        (Some(digest), Some(_)) => read(row, arrival, *digest),
    }
}

fn native(row: SubjectRow, arrival: &SubjectState) -> Advance {
    let late = matches!((arrival.version, row.version), (Some(own), Some(last)) if own < last);
    let or = arrival.version.filter(|_| !arrival.deleted).map(StateMark::Last);
    if late {
        // An older version is a fact of its own, or what was read of that version: that a later one was read since says
        // nothing of which. In either case it does not turn the subject back.
        return Advance { or, ..Advance::to(row, arrival.version.map(StateMark::Version)) };
    }
    if arrival.deleted && row.deleted && row.digest.is_some() {
        // What a reading found gone is gone once: the webhook tells the same, whatever version it names.
        let found = Some(StateMark::Change(row.change));
        return Advance { also: found, ..Advance::to(row, arrival.version.map(StateMark::Version).or(found)) };
    }
    let before = Some(row.clone()).filter(|row| arrival.version.is_some() && arrival.version == row.version);
    let or = or.filter(|_| before.is_some());
    Advance { before, or, ..changed(row, arrival, None) }
}

fn read(row: SubjectRow, arrival: &SubjectState, digest: Digest) -> Advance {
    let older = matches!((arrival.version, row.version), (Some(own), Some(last)) if own < last);
    if older {
        return Advance::to(row, None);
    }
    let newer = matches!((arrival.version, row.version), (Some(own), Some(last)) if own > last)
        || (arrival.version.is_some() && row.version.is_none());
    if newer {
        // Even if a webhook without a version came last: what it told may be another change than the one that is read,
        // and a change that is told twice is better than one that is told never.
        return changed(row, arrival, Some(digest));
    }
    if arrival.deleted && !row.deleted {
        let is_gone_within_tick = arrival.version.is_some();
        return Advance { is_gone_within_tick, ..changed(row, arrival, Some(digest)) };
    }
    if row.deleted && !arrival.deleted {
        // That it is back was told by nobody, whatever is known of a version in which it was there and went.
        return another(row, arrival, digest);
    }
    match row.digest {
        // The first reading after a native event: its shape was not known until now.
        None => Advance::to(SubjectRow { digest: Some(digest), ..row }, None),
        Some(last) if last == digest => Advance::to(row, None),
        Some(_) => another(row, arrival, digest),
    }
}

/// Another state of the version that is known already, or of none.
fn another(row: SubjectRow, arrival: &SubjectState, digest: Digest) -> Advance {
    let change = row.change + 1;
    let row = SubjectRow { digest: Some(digest), deleted: arrival.deleted, change, ..row };
    let becomes = arrival.version.map(StateMark::Last);
    Advance { becomes, ..Advance::to(row, Some(StateMark::Change(change))) }
}

fn changed(row: SubjectRow, arrival: &SubjectState, digest: Option<Digest>) -> Advance {
    let change = row.change + 1;
    let mark = arrival.version.map_or(StateMark::Change(change), StateMark::Version);
    let version = arrival.version.or(row.version);
    let (is_read, deleted) = (digest.is_some(), arrival.deleted);
    let also = (is_read && deleted).then_some(StateMark::Change(change)).filter(|also| *also != mark);
    let becomes = arrival.version.filter(|version| is_read && !deleted && is_coarse(*version)).map(StateMark::Last);
    let row = SubjectRow { version, digest, deleted, change };
    Advance { also, becomes, ..Advance::to(row, Some(mark)) }
}

/// Whether a version is a time in whole seconds: within finer ticks hardly two changes happen.
fn is_coarse(version: Version) -> bool {
    matches!(version, Version::Time(at) if at.as_micros() % 1_000_000 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    fn native(version: Option<i64>) -> SubjectState {
        SubjectState { version: version.map(Version::Number), deleted: false, reading: None }
    }

    fn reading(version: Option<i64>, body: &str) -> SubjectState {
        SubjectState { reading: Some(Digest::of(body.as_bytes())), ..native(version) }
    }

    /// Plays arrivals one after another and gives the mark of each.
    fn play(arrivals: &[SubjectState]) -> Vec<Option<StateMark>> {
        let mut row = None;
        arrivals
            .iter()
            .map(|arrival| {
                let advance = advance(row.as_ref(), arrival);
                row = Some(advance.row);
                advance.mark
            })
            .collect()
    }

    const fn version(number: i64) -> Option<StateMark> {
        Some(StateMark::Version(Version::Number(number)))
    }

    const fn change(number: u64) -> Option<StateMark> {
        Some(StateMark::Change(number))
    }

    #[test]
    fn a_webhook_and_a_reading_of_the_same_version_share_their_mark() {
        assert_eq!(play(&[native(Some(1)), reading(Some(1), "a")]), [version(1), None]);
        assert_eq!(play(&[reading(Some(1), "a"), native(Some(1))]), [version(1), version(1)]);
    }

    #[test]
    fn without_versions_each_change_has_its_own_number() {
        let told = play(&[reading(None, "a"), reading(None, "b"), reading(None, "a"), reading(None, "a")]);
        assert_eq!(told, [change(1), change(2), change(3), None]);
    }

    #[test]
    fn the_first_reading_after_a_native_event_only_stores_its_digest() {
        assert_eq!(play(&[native(None), reading(None, "a"), reading(None, "b")]), [change(1), None, change(2)]);
    }

    #[test]
    fn a_known_version_with_another_digest_is_a_change() {
        let told = play(&[reading(Some(1), "a"), reading(Some(1), "b"), reading(Some(2), "c")]);
        assert_eq!(told, [version(1), change(2), version(2)]);
    }

    #[test]
    fn a_webhook_about_what_a_reading_found_gone_is_the_same_deletion_whatever_version_both_name() {
        let gone = |state: SubjectState| SubjectState { deleted: true, ..state };
        for (read, sent) in [(None, Some(2)), (Some(2), Some(2)), (Some(2), Some(3)), (Some(2), None)] {
            let live = advance(None, &reading(Some(1), "a")).row;
            let found = advance(Some(&live), &gone(reading(read, "")));
            let told = advance(Some(&found.row), &gone(native(sent)));
            let marks = |advance: &Advance| [advance.mark, advance.also].into_iter().flatten().collect::<Vec<_>>();
            assert!(marks(&told).iter().any(|mark| marks(&found).contains(mark)), "{read:?}, {sent:?}");
            assert_eq!(told.row, found.row);
        }
        assert_eq!(play(&[gone(native(Some(2))), gone(reading(None, ""))]), [version(2), None]);
    }

    #[test]
    fn what_comes_back_within_the_tick_in_which_it_went_is_another_state_of_one_version() {
        let gone = SubjectState { deleted: true, ..native(Some(2)) };
        let row = advance(Some(&advance(None, &reading(Some(2), "b")).row), &gone).row;
        let back = advance(Some(&row), &reading(Some(2), "b"));
        assert_eq!((back.mark, back.row.deleted), (change(3), false), "it has none of the marks of before it went");
        assert_eq!(advance(Some(&row), &reading(Some(3), "b")).mark, version(3));
    }

    /// One that several states have.
    const TICK: Version = Version::Time(Timestamp::from_secs(1_800_000_000));

    fn within_tick(body: Option<&str>) -> SubjectState {
        SubjectState { version: Some(TICK), deleted: false, reading: body.map(|body| Digest::of(body.as_bytes())) }
    }

    /// What was read within one tick, one after another, and what a webhook of it does then.
    fn beside(readings: &[&str]) -> (SubjectRow, Advance) {
        let read = |row: Option<SubjectRow>, body: &&str| Some(advance(row.as_ref(), &within_tick(Some(body))).row);
        let row = readings.iter().fold(None, read).expect("something was read");
        let webhook = advance(Some(&row), &within_tick(None));
        (row, webhook)
    }

    fn tells(row: &SubjectRow, body: &str) -> bool {
        advance(Some(row), &within_tick(Some(body))).mark.is_some()
    }

    #[test]
    fn a_webhook_may_be_any_of_the_states_that_were_read_within_its_tick() {
        let both = [StateMark::Version(TICK), StateMark::Last(TICK)];
        let marks = |marks: &mut dyn Iterator<Item = StateMark>| marks.collect::<Vec<_>>();
        let first = advance(None, &within_tick(Some("a")));
        assert_eq!(marks(&mut first.kept()), both, "it is the first and the last that was read");
        let second = advance(Some(&first.row), &within_tick(Some("b")));
        assert_eq!(marks(&mut second.kept()), [StateMark::Change(2), StateMark::Last(TICK)]);
        for readings in [&["a"][..], &["a", "b"], &["a", "b", "c"]] {
            let webhook = beside(readings).1;
            assert_eq!(marks(&mut webhook.sought()), both, "{readings:?}");
            assert_eq!(marks(&mut webhook.kept()), both[..1], "only what is read is what was read last");
        }
        let counted = advance(None, &reading(Some(1), "a"));
        assert_eq!(
            marks(&mut counted.kept()),
            [StateMark::Version(Version::Number(1))],
            "no two states have one number"
        );
    }

    #[test]
    fn a_webhook_may_be_what_was_read_of_its_version_also_when_a_later_one_was_read_since() {
        let (row, in_time) = beside(&["a", "b"]);
        let later =
            SubjectState { version: Some(Version::Time(Timestamp::from_secs(1_800_000_001))), ..reading(None, "c") };
        let row = advance(Some(&row), &later).row;
        let late = advance(Some(&row), &within_tick(None));
        assert_eq!(late.sought().collect::<Vec<_>>(), in_time.sought().collect::<Vec<_>>());
        for meeting in [Meeting::New, Meeting::Joined, Meeting::Met] {
            assert_eq!(late.clone().row_after(meeting), row, "and turns nothing back");
        }
    }

    #[test]
    fn a_webhook_that_joins_a_reading_takes_nothing_of_what_that_knew() {
        let (row, webhook) = beside(&["a"]);
        assert_eq!(webhook.row_after(Meeting::Joined), row);
        assert_eq!((tells(&row, "a"), tells(&row, "b")), (false, true));
        let told = beside(&["a"]).1.row_after(Meeting::New);
        assert_eq!((tells(&told, "a"), tells(&told, "b")), (false, false), "the first reading after it is remembered");
    }

    #[test]
    fn a_webhook_that_joins_what_was_told_before_the_last_word_of_its_tick_does_not_turn_that_back() {
        let gone = |state: SubjectState| SubjectState { deleted: true, ..state };
        let (here, away) = (within_tick(Some("a")), gone(within_tick(Some(""))));
        for (readings, late) in [([&here, &away], within_tick(None)), ([&away, &here], gone(within_tick(None)))] {
            let read = |row: SubjectRow, reading: &&SubjectState| advance(Some(&row), reading).row;
            let row = readings.iter().fold(advance(None, &within_tick(Some("before"))).row, read);
            let joined = advance(Some(&row), &late).row_after(Meeting::Joined);
            assert_eq!(joined, row);
        }
    }

    #[test]
    fn after_one_webhook_more_than_was_read_within_a_tick_what_is_read_next_is_the_last_word() {
        let row = beside(&["a", "b"]).1.row_after(Meeting::Met);
        assert_eq!((tells(&row, "a"), tells(&row, "b"), row.change), (true, true, 3));
        let read = advance(Some(&row), &within_tick(Some("b"))).row;
        assert!(!tells(&read, "b"), "once");
        let another = advance(Some(&row), &within_tick(None));
        assert_eq!(another.row_after(Meeting::New).digest, None);
    }

    #[test]
    fn a_new_version_that_is_read_after_a_webhook_without_one_is_told_for_it_may_be_a_later_change() {
        assert_eq!(
            play(&[native(None), reading(Some(1), "a"), reading(Some(1), "b")]),
            [change(1), version(1), change(3)]
        );
        let later = [reading(Some(1), "a"), native(None), reading(Some(2), "b"), reading(Some(2), "b")];
        assert_eq!(play(&later), [version(1), change(2), version(2), None]);
        let same = [reading(Some(1), "a"), native(None), reading(Some(1), "a"), reading(Some(2), "b")];
        assert_eq!(play(&same), [version(1), change(2), None, version(2)]);
        assert_eq!(play(&[reading(None, "a"), reading(Some(1), "a")]), [change(1), version(1)]);
    }

    #[test]
    fn old_readings_tell_nothing_and_old_webhooks_do_not_turn_back() {
        assert_eq!(play(&[reading(Some(2), "b"), reading(Some(1), "a")]), [version(2), None]);
        assert_eq!(play(&[native(Some(2)), native(Some(1)), reading(Some(2), "b")]), [version(2), version(1), None]);
    }
}
