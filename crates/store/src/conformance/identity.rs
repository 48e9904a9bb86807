//! When two arrivals are one event (design §6, Identity): message keys, spans, state keys, sightings.

use std::time::Duration;

use domain::event::Origin;

use super::world::{Arrange, DAY, Open, SECOND, World};
use crate::intake::NewEvent;
use crate::read::Sighting;

async fn sightings(w: &World, event: &NewEvent) -> Vec<Sighting> {
    w.detail(event.event.id).await.expect("it is there").sightings
}

pub async fn the_same_message_is_one_event_before_and_after_a_restart(open: impl Open) {
    let mut w = World::new(open).await;
    let first = w.event().message("m1");
    w.accept(first.clone()).await;
    for restart in [false, true] {
        if restart {
            w.reopen().await;
        }
        w.pass(20 * DAY);
        let delivery = w.to("app");
        let again = w.event().message("m1").owing(delivery);
        let accepted = w.accept(again).await;
        assert!(accepted.duplicate && accepted.id == first.event.id, "{accepted:?}");
        assert!(w.claimable().await.is_empty(), "a duplicate owes nothing");
    }
    let [sighting] = &sightings(&w, &first).await[..] else { panic!("one path, one sighting") };
    assert_eq!((sighting.path.as_str(), sighting.count), ("native", 2));
    assert_eq!(sighting.last_at.since(sighting.first_at), 20 * DAY);
}

pub async fn messages_of_other_connections_are_other_facts(open: impl Open) {
    let mut w = World::new(open).await;
    for (source, connection) in [("a", "x"), ("a", "y"), ("b", "x")] {
        let event = w.event().of(source, connection).message("m1");
        assert!(!w.accept(event).await.duplicate, "{source}/{connection}");
    }
}

pub async fn equal_bytes_without_a_key_are_two_events(open: impl Open) {
    let mut w = World::new(open).await;
    for _ in 0..2 {
        let event = w.event().carrying(b"same");
        assert!(!w.accept(event).await.duplicate);
    }
}

pub async fn equal_bytes_count_only_within_their_span(open: impl Open) {
    let mut w = World::new(open).await;
    let span = Duration::from_secs(60);
    let first = w.event().carrying(b"same").bytes_within(span);
    w.accept(first.clone()).await;
    w.pass(span);
    let at_the_edge = w.event().carrying(b"same").bytes_within(span);
    assert_eq!(w.accept(at_the_edge).await.id, first.event.id, "the span's last moment still counts");
    w.pass(Duration::from_micros(1));
    let past = w.event().carrying(b"same").bytes_within(span);
    assert!(!w.accept(past.clone()).await.duplicate, "sightings do not stretch the span");
    // From here on the new event is the one that equal bytes are.
    w.pass(span);
    let again = w.event().carrying(b"same").bytes_within(span);
    assert_eq!(w.accept(again).await.id, past.event.id);
}

pub async fn a_request_judged_late_is_compared_by_when_it_came(open: impl Open) {
    let mut w = World::new(open).await;
    let span = Duration::from_secs(60);
    let old = w.event().carrying(b"same").bytes_within(span);
    w.pass(DAY);
    let recent = w.event().carrying(b"same").bytes_within(span);
    w.accept(recent).await;
    assert!(!w.accept(old).await.duplicate, "a day lay between them");
}

pub async fn any_known_identity_makes_a_duplicate_and_the_others_are_remembered(open: impl Open) {
    let mut w = World::new(open).await;
    let first = w.event().message("a");
    w.accept(first.clone()).await;
    let joined = w.event().message("b").message("a");
    assert_eq!(w.accept(joined).await.id, first.event.id);
    let again = w.event().message("b");
    assert_eq!(w.accept(again).await.id, first.event.id, "its other identity is known now as well");
}

pub async fn children_of_one_request_are_one_transaction_and_know_each_other(open: impl Open) {
    let mut w = World::new(open).await;
    let (one, twin, other) = (w.event().message("1"), w.event().message("1"), w.event().message("2"));
    let first = one.event.id;
    let accepted = w.accept_all(vec![one, twin, other]).await;
    assert_eq!(accepted.iter().map(|one| one.duplicate).collect::<Vec<_>>(), [false, true, false]);
    assert_eq!(accepted[1].id, first);
}

pub async fn every_path_is_sighted_on_its_own(open: impl Open) {
    let mut w = World::new(open).await;
    let first = w.event().message("m");
    w.accept(first.clone()).await;
    for (path, count) in [("native", 1), ("reconciled", 2), ("native", 2)] {
        w.pass(SECOND);
        let mut again = w.event().message("m");
        again.path = path.into();
        w.accept(again).await;
        let seen = sightings(&w, &first).await;
        let total: u64 = seen.iter().map(|sighting| sighting.count).sum();
        assert!(total >= count, "{seen:?}");
    }
    let mut counts: Vec<_> =
        sightings(&w, &first).await.into_iter().map(|sighting| (sighting.path, sighting.count)).collect();
    counts.sort();
    assert_eq!(counts, [("native".to_owned(), 2), ("reconciled".to_owned(), 1)]);
}

pub async fn a_webhook_and_a_reading_of_the_same_state_are_one_event(open: impl Open) {
    let mut w = World::new(open).await;
    // The webhook first: the reading finds nothing new.
    let webhook = w.event().about("orders/1").version(1).message("m1").moving();
    w.accept(webhook.clone()).await;
    let reading = w.event().about("orders/1").version(1).reading("record");
    assert_eq!(w.accept(reading).await.id, webhook.event.id);
    // The reading first: the webhook is a sighting of it, and so is the sender's repetition of that webhook.
    let reading = w.event().about("orders/2").version(1).reading("record");
    w.accept(reading.clone()).await;
    for _ in 0..2 {
        let webhook = w.event().about("orders/2").version(1).message("m2").moving();
        let accepted = w.accept(webhook).await;
        assert!(accepted.duplicate && accepted.id == reading.event.id);
    }
    let [sighting] = &sightings(&w, &reading).await[..] else { panic!("one path") };
    assert_eq!((sighting.path.as_str(), sighting.count), ("native", 2));
}

/// A way of learning one version of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Webhook(i64),
    Poll(i64),
    Reconciliation(i64),
}

impl Way {
    const fn version(self) -> i64 {
        let (Self::Webhook(version) | Self::Poll(version) | Self::Reconciliation(version)) = self;
        version
    }

    fn arrival(self, w: &mut World, subject: &str) -> NewEvent {
        let version = self.version();
        let bare = w.event().about(subject).version(version);
        let record = if version == 1 { "as it was" } else { "as it is" };
        match self {
            Self::Webhook(_) => bare.message(&format!("{subject}@{version}")).moving(),
            Self::Poll(_) => bare.reading(record),
            Self::Reconciliation(_) => {
                let mut reading = bare.reading(record).with(|event| event.origin = Origin::Reconciled);
                reading.path = "reconciled".into();
                reading
            }
        }
    }
}

/// Every row of up to `most` arrivals by these ways: in every order, each of them missing, once, or again and again.
fn rows(ways: &[Way], most: u32) -> Vec<Vec<Way>> {
    let mut all = vec![Vec::new()];
    let mut longest = all.clone();
    for _ in 0..most {
        let longer = longest.iter().flat_map(|row| ways.iter().map(move |way| [&row[..], &[*way]].concat()));
        longest = longer.collect();
        all.extend(longest.iter().cloned());
    }
    all
}

/// Events that a row of arrivals makes, by version.
async fn events_of(w: &mut World, row: &[Way], subject: &str) -> [usize; 2] {
    let mut made = [0, 0];
    for way in row {
        let arrival = way.arrival(w, subject);
        let accepted = w.accept(arrival).await;
        made[usize::from(way.version() == 2)] += usize::from(!accepted.duplicate);
    }
    made
}

pub async fn in_every_order_of_the_ways_one_change_is_one_event(open: impl Open) {
    let mut w = World::new(open).await;
    let ways = [Way::Webhook(1), Way::Poll(1), Way::Reconciliation(1)];
    for (number, row) in rows(&ways, 4).into_iter().enumerate() {
        let made = events_of(&mut w, &row, &format!("orders/{number}")).await;
        assert_eq!(made, [usize::from(!row.is_empty()), 0], "{row:?}");
    }
}

pub async fn in_every_order_of_the_ways_two_changes_are_never_more_than_two_events(open: impl Open) {
    let mut w = World::new(open).await;
    let ways = [Way::Webhook(1), Way::Poll(1), Way::Webhook(2), Way::Poll(2)];
    for (number, row) in rows(&ways, 4).into_iter().enumerate() {
        let made = events_of(&mut w, &row, &format!("orders/{number}")).await;
        // A reading of what is over tells nothing; a webhook that comes late is still a fact.
        let before_2 = row.iter().take_while(|way| way.version() == 1).count();
        let first = before_2 > 0 || row.contains(&Way::Webhook(1));
        assert_eq!(made, [usize::from(first), usize::from(before_2 < row.len())], "{row:?}");
    }
}

pub async fn two_webhooks_are_never_joined_by_their_state(open: impl Open) {
    let mut w = World::new(open).await;
    for message in ["m1", "m2"] {
        let webhook = w.event().about("orders/1").version(1).message(message).moving();
        assert!(!w.accept(webhook).await.duplicate, "{message} is a fact of its own");
    }
    // Nor by way of a reading that the first of them has met already.
    let reading = w.event().about("orders/2").version(1).reading("record");
    w.accept(reading).await;
    let met = w.event().about("orders/2").version(1).message("m3").moving();
    assert!(w.accept(met).await.duplicate);
    let own = w.event().about("orders/2").version(1).message("m4").moving();
    assert!(!w.accept(own).await.duplicate, "the reading stands for m3 already");
}

/// The tick in which several things happen to one record.
const TICK: i64 = 1_800_000_000;

pub async fn several_readings_of_one_tick_are_each_joined_by_a_webhook_of_their_own(open: impl Open) {
    let mut w = World::new(open).await;
    let one = w.event().about("orders/1").within_tick(TICK).reading("a");
    let other = w.event().about("orders/1").within_tick(TICK).reading("b");
    w.accept(one.clone()).await;
    assert!(!w.accept(other.clone()).await.duplicate, "another state within the tick");
    for (message, joined) in [("m1", one.event.id), ("m2", other.event.id)] {
        let webhook = w.event().about("orders/1").within_tick(TICK).message(message).moving();
        assert_eq!(w.accept(webhook).await.id, joined, "{message}");
    }
    let known = w.event().about("orders/1").within_tick(TICK).reading("b");
    assert!(w.accept(known).await.duplicate, "it is still as it was read");
    let third = w.event().about("orders/1").within_tick(TICK).message("m3").moving();
    assert!(!w.accept(third).await.duplicate, "both were told already");
    for (told, last) in [(true, "which came last is not known, so it is told"), (false, "and once")] {
        let read = w.event().about("orders/1").within_tick(TICK).reading("b");
        assert_eq!(w.accept(read).await.duplicate, !told, "{last}");
    }
}

pub async fn webhooks_join_what_was_read_within_their_tick_also_after_a_later_one_was_read(open: impl Open) {
    let mut w = World::new(open).await;
    let mut read = Vec::new();
    for (tick, record) in [(TICK, "a"), (TICK, "b"), (TICK + 1, "c")] {
        let reading = w.event().about("orders/1").within_tick(tick).reading(record);
        assert!(!w.accept(reading.clone()).await.duplicate, "{record}");
        read.push(reading.event.id);
    }
    for (message, tick, joined) in [("m1", TICK, 0), ("m2", TICK, 1), ("m3", TICK + 1, 2)] {
        let webhook = w.event().about("orders/1").within_tick(tick).message(message).moving();
        assert_eq!(w.accept(webhook).await.id, read[joined], "{message}");
    }
    for (message, tick) in [("m4", TICK), ("m5", TICK), ("m6", TICK - 1)] {
        let webhook = w.event().about("orders/1").within_tick(tick).message(message).moving();
        assert!(!w.accept(webhook).await.duplicate, "{message}: as many as were read have joined them already");
    }
    let same = w.event().about("orders/1").within_tick(TICK + 1).reading("c");
    assert!(w.accept(same).await.duplicate, "what comes late turns nothing back");
}

pub async fn webhooks_of_before_and_after_a_record_was_gone_within_one_tick_join_a_reading_each(open: impl Open) {
    let mut w = World::new(open).await;
    for (subject, is_late) in [("orders/1", false), ("orders/2", true)] {
        let about = |w: &mut World| w.event().about(subject).within_tick(TICK);
        let (before, gone, back) =
            (about(&mut w).reading("a"), about(&mut w).reading("").gone(), about(&mut w).reading("b"));
        for reading in [&before, &gone, &back] {
            assert!(!w.accept(reading.clone()).await.duplicate);
        }
        if is_late {
            let later = w.event().about(subject).within_tick(TICK + 1).reading("c");
            assert!(!w.accept(later).await.duplicate);
        }
        for (number, joined) in [(1, before.event.id), (2, back.event.id)] {
            let webhook = about(&mut w).message(&format!("{subject} {number}")).moving();
            assert_eq!(w.accept(webhook).await.id, joined, "{number}, late: {is_late}");
        }
        let deletion = about(&mut w).message(&format!("{subject} gone")).moving().gone();
        assert_eq!(w.accept(deletion).await.id, gone.event.id, "late: {is_late}");
        let third = about(&mut w).message(&format!("{subject} 3")).moving();
        assert!(!w.accept(third).await.duplicate, "late: {is_late}: two were read");
    }
}

pub async fn after_one_webhook_too_many_of_a_record_that_is_back_within_its_tick_a_reading_has_the_last_word(
    open: impl Open,
) {
    let mut w = World::new(open).await;
    let about = |w: &mut World| w.event().about("orders/1").within_tick(TICK);
    let before = w.event().about("orders/1").within_tick(TICK - 1).reading("a");
    let gone = about(&mut w).message("m1").moving().gone();
    let back = about(&mut w).reading("b");
    for told in [before, gone, back.clone()] {
        assert!(!w.accept(told).await.duplicate);
    }
    let joins = about(&mut w).message("m2").moving();
    assert_eq!(w.accept(joins).await.id, back.event.id);
    let too_many = about(&mut w).message("m3").moving();
    assert!(!w.accept(too_many).await.duplicate, "it may be of before it went, or of after that");
    for told in [true, false] {
        let read = about(&mut w).reading("b");
        assert_eq!(w.accept(read).await.duplicate, !told);
    }
}

pub async fn a_change_within_the_tick_of_a_webhook_that_was_joined_is_told(open: impl Open) {
    let mut w = World::new(open).await;
    let first = w.event().about("orders/1").within_tick(TICK).reading("a");
    w.accept(first.clone()).await;
    let webhook = w.event().about("orders/1").within_tick(TICK).message("m1").moving();
    assert_eq!(w.accept(webhook).await.id, first.event.id);
    for (record, told) in [("a", false), ("b", true)] {
        let read = w.event().about("orders/1").within_tick(TICK).reading(record);
        assert_eq!(w.accept(read).await.duplicate, !told, "{record}");
    }
}

pub async fn a_late_webhook_of_a_deletion_does_not_undo_that_the_record_is_back(open: impl Open) {
    let mut w = World::new(open).await;
    let about = |w: &mut World| w.event().about("orders/1").within_tick(TICK);
    let gone = about(&mut w).reading("").gone();
    w.accept(gone.clone()).await;
    let back = about(&mut w).reading("a");
    assert!(!w.accept(back).await.duplicate, "it is back within the tick");
    let late = about(&mut w).message("m1").moving().gone();
    assert_eq!(w.accept(late).await.id, gone.event.id);
    let again = about(&mut w).reading("a");
    assert!(w.accept(again).await.duplicate, "that it is back was told");
}

pub async fn a_late_webhook_of_a_change_does_not_undo_that_the_record_is_gone(open: impl Open) {
    let mut w = World::new(open).await;
    let about = |w: &mut World| w.event().about("orders/1").within_tick(TICK);
    let first = about(&mut w).reading("a");
    w.accept(first.clone()).await;
    let gone = about(&mut w).reading("").gone();
    assert!(!w.accept(gone).await.duplicate, "it is gone within the tick");
    let late = about(&mut w).message("m1").moving();
    assert_eq!(w.accept(late).await.id, first.event.id);
    let back = about(&mut w).reading("a");
    assert!(!w.accept(back).await.duplicate, "only a reading says that it is back, so that is told");
}

pub async fn two_webhooks_of_one_tick_with_a_reading_between_them_are_all_that_is_told(open: impl Open) {
    let mut w = World::new(open).await;
    for (message, record) in [("m1", "a"), ("m2", "b")] {
        let webhook = w.event().about("orders/1").within_tick(TICK).message(message).moving();
        assert!(!w.accept(webhook).await.duplicate, "{message} is a fact of its own");
        let read = w.event().about("orders/1").within_tick(TICK).reading(record);
        assert!(w.accept(read).await.duplicate, "{message} told it");
    }
}

pub async fn a_new_version_that_is_read_after_a_webhook_without_one_is_told(open: impl Open) {
    let mut w = World::new(open).await;
    let webhook = w.event().about("orders/1").message("m1").moving();
    w.accept(webhook).await;
    // It changed once more, and of that change the webhook was lost: nobody can tell this from what m1 told.
    for (version, told) in [(1, true), (1, false), (2, true)] {
        let read = w.event().about("orders/1").version(version).reading(&format!("as in {version}"));
        assert_eq!(w.accept(read).await.duplicate, !told, "{version}");
    }
    let late = w.event().about("orders/1").message("m2").moving();
    assert!(!w.accept(late).await.duplicate, "a webhook without a version joins no reading");
    let same = w.event().about("orders/1").version(2).reading("as in 2");
    assert!(w.accept(same).await.duplicate, "of the version that was told");
}

pub async fn a_reading_that_tells_nothing_new_makes_no_event(open: impl Open) {
    let mut w = World::new(open).await;
    let first = w.event().about("orders/1").reading("a");
    assert!(!w.accept(first.clone()).await.duplicate);
    let same = w.event().about("orders/1").reading("a");
    let same_id = same.event.id;
    let accepted = w.accept(same).await;
    assert!(accepted.duplicate && accepted.id == first.event.id);
    assert!(w.detail(same_id).await.is_none());
    // A → B → A is two changes.
    for record in ["b", "a"] {
        let changed = w.event().about("orders/1").reading(record);
        assert!(!w.accept(changed).await.duplicate, "{record}");
    }
}

pub async fn a_repeated_message_does_not_move_its_subject(open: impl Open) {
    let mut w = World::new(open).await;
    let webhook = w.event().about("orders/1").message("m1").moving();
    w.accept(webhook.clone()).await;
    let reading = w.event().about("orders/1").reading("a");
    w.accept(reading).await;
    let again = w.event().about("orders/1").message("m1").moving();
    assert!(w.accept(again).await.duplicate);
    // Had the repetition counted as a change, the digest of the reading would be forgotten and this be no change.
    let changed = w.event().about("orders/1").reading("b");
    assert!(!w.accept(changed).await.duplicate);
}

pub async fn subjects_of_other_connections_have_states_of_their_own(open: impl Open) {
    let mut w = World::new(open).await;
    for connection in ["x", "y"] {
        let reading = w.event().of("shop", connection).about("orders/1").version(1).reading("a");
        assert!(!w.accept(reading).await.duplicate, "{connection}");
    }
}
