//! The judge of every suite: what was acknowledged is delivered, dead or waiting; nothing is claimed that did not
//! happen; order is kept where it is promised; the database is whole.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use domain::EventId;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::api::{Api, Row, WAITING};
use crate::gateway::Home;
use crate::ledger::{Ledger, Sent};
use crate::sink::{Arrival, Sink};
use crate::wait::{until, until_some};

/// A route that every event of the ledger owes a delivery to.
#[derive(Clone, Copy, Debug)]
pub struct Owed {
    pub route: &'static str,
    pub destination: &'static str,
    /// `ordering: subject`.
    pub ordered: bool,
}

/// What was found, in figures.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    pub sent: Sent,
    /// In the store although the sender never heard so.
    pub unheard: usize,
    /// Of acknowledged events, by route and end.
    pub delivered: usize,
    pub dead: usize,
    pub waiting: usize,
    /// Accepted more than once by a destination.
    pub duplicates: usize,
    /// Read by a destination after the process that sent them was gone, or after a later try by who took over.
    pub late: usize,
    /// Pairs of messages whose order was checked.
    pub ordered: usize,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, unheard, delivered, dead, waiting, duplicates, late, ordered } = self;
        write!(f, "{} acknowledged, {} unanswered, refused {:?}; ", sent.acked, sent.unanswered, sent.refused)?;
        write!(f, "{delivered} delivered, {dead} dead, {waiting} waiting, {unheard} unheard of; ")?;
        write!(f, "{duplicates} sent twice, {late} late, {ordered} in order")
    }
}

/// Waits until nothing moves any more, then judges.
pub fn judge_at_rest(home: &Home, ledger: &Ledger, sink: &Sink, owed: &[Owed]) -> Verdict {
    let api = Api { address: home.address };
    until("nothing is under way", || api.is_quiet());
    // The states are asked one after another, and a delivery can slip from one to the next meanwhile.
    until_some("every delivery has ended", || Some(judge(home, ledger, sink, owed)).filter(|found| found.waiting == 0))
}

/// Judges as things are. Panics with what is wrong.
pub fn judge(home: &Home, ledger: &Ledger, sink: &Sink, owed: &[Owed]) -> Verdict {
    // Taken first: what is acknowledged now can only move forward while the rest is asked for.
    let acked = ledger.acked();
    let api = Api { address: home.address };
    let rows = api.deliveries();
    let mut arrivals = sink.arrivals();
    mark_overtaken(&mut arrivals);
    let mut verdict = Verdict { sent: ledger.sent(), ..Verdict::default() };
    let known: HashSet<EventId> = acked.values().copied().collect();
    let mut faults = ledger.faults();
    faults.extend(sink.problems());
    for owed in owed {
        ends(&known, &rows, &arrivals, owed, &mut verdict, &mut faults);
        if owed.ordered {
            verdict.ordered += check_order(&arrivals, owed, &mut faults);
        }
    }
    check_message_ids(&arrivals, &mut faults);
    verdict.duplicates = duplicates(&arrivals);
    verdict.late = arrivals.iter().filter(|arrival| arrival.late).count();
    verdict.unheard = api.events().iter().filter(|event| !known.contains(event)).count();
    faults.extend(panics(&home.log()));
    let shown: Vec<_> = faults.iter().take(20).collect();
    assert!(faults.is_empty(), "{} faults, such as {shown:#?}\n{verdict}\n{}", faults.len(), home.log_end());
    verdict
}

/// Where every acknowledged event stands with one route.
fn ends(
    known: &HashSet<EventId>,
    rows: &HashMap<(EventId, String), Vec<Row>>,
    arrivals: &[Arrival],
    owed: &Owed,
    verdict: &mut Verdict,
    faults: &mut Vec<String>,
) {
    let here = arrivals.iter().filter(|arrival| &*arrival.destination == owed.destination && arrival.accepted());
    let arrived: HashSet<EventId> = here.map(|arrival| arrival.event).collect();
    for event in known {
        let key = (*event, owed.route.to_owned());
        let Some(row) = rows.get(&key).and_then(|rows| rows.iter().find(|row| !row.replay)) else {
            faults.push(format!("LOST: {event} was acknowledged and owes nothing to {}", owed.route));
            continue;
        };
        match row.state.as_str() {
            "delivered" if arrived.contains(event) => verdict.delivered += 1,
            "delivered" => faults.push(format!("LOST: {event} is called delivered by {} and never was", owed.route)),
            "dead" if row.attempts > 0 && row.cause.is_some() => verdict.dead += 1,
            "dead" => faults.push(format!("{} died of {:?} after {} tries", row.id, row.cause, row.attempts)),
            state if WAITING.contains(&state) => verdict.waiting += 1,
            state => faults.push(format!("{event} is {state} on {}, which nobody asked for", owed.route)),
        }
    }
}

/// A try that comes after a later one of its delivery left a node that stood still, after it had looked at its lease: the one
/// late request for which order makes an exception.
fn mark_overtaken(arrivals: &mut [Arrival]) {
    let mut last: HashMap<(Arc<str>, EventId), u32> = HashMap::new();
    for arrival in arrivals.iter_mut().filter(|arrival| !arrival.replay) {
        let last = last.entry((Arc::clone(&arrival.destination), arrival.event)).or_default();
        arrival.late |= arrival.attempt < *last;
        *last = arrival.attempt.max(*last);
    }
}

/// Within a subject no message comes before one that was sent to us earlier; a repeat of the last one may come, as
/// may what a dead process had sent already.
fn check_order(arrivals: &[Arrival], owed: &Owed, faults: &mut Vec<String>) -> usize {
    let mut last: BTreeMap<u64, u64> = BTreeMap::new();
    let mut pairs = 0;
    let here = arrivals.iter().filter(|arrival| &*arrival.destination == owed.destination);
    for arrival in here.filter(|arrival| !arrival.late && !arrival.replay) {
        let Some(message) = arrival.message else { continue };
        match last.insert(message.subject, message.step) {
            Some(before) if before > message.step => faults.push(format!(
                "ORDER: {} got step {} of subject {} after step {before}, by try {}",
                owed.destination, message.step, message.subject, arrival.attempt
            )),
            Some(_) => pairs += 1,
            None => {}
        }
    }
    pairs
}

/// One id for every try of one delivery, replays included; different ids for different ones.
fn check_message_ids(arrivals: &[Arrival], faults: &mut Vec<String>) {
    let mut by_delivery: HashMap<(&str, EventId), &str> = HashMap::new();
    let mut by_id: HashMap<&str, (&str, EventId)> = HashMap::new();
    for arrival in arrivals {
        let delivery = (&*arrival.destination, arrival.event);
        let id = &*arrival.webhook_id;
        if *by_delivery.entry(delivery).or_insert(id) != id || *by_id.entry(id).or_insert(delivery) != delivery {
            faults.push(format!("webhook-id {id} of {delivery:?} is not its own"));
        }
    }
}

fn duplicates(arrivals: &[Arrival]) -> usize {
    let mut seen = HashSet::new();
    let originals = arrivals.iter().filter(|arrival| arrival.accepted() && !arrival.replay);
    originals.filter(|arrival| !seen.insert((&*arrival.destination, arrival.event))).count()
}

/// Lines of a log that tell of a panic.
pub fn panics(log: &str) -> Vec<String> {
    log.lines().filter(|line| line.contains("panicked at") || line.contains("PANIC")).map(str::to_owned).collect()
}

/// The database of a stopped gateway, as SQLite itself judges it. Its log is read, not folded in.
pub fn check_database(database: &Path) {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_WRITE);
    let connection = connection.expect("the database opens");
    // What the check opened it must leave as it was: the log belongs to the next start.
    let keep_log = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
    assert!(keep_log.expect("SQLite knows this setting"));
    let found: Vec<String> = {
        let mut statement = connection.prepare("PRAGMA integrity_check").expect("it is a database");
        let rows = statement.query_map([], |row| row.get(0)).expect("the check runs");
        rows.collect::<Result<_, _>>().expect("the check gives lines of text")
    };
    assert_eq!(found, ["ok"], "{}", database.display());
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::payload::Message;

    const OWED: Owed = Owed { route: "r", destination: "d", ordered: true };

    fn event(number: u128) -> EventId {
        EventId::from_uuid(Uuid::from_u128(number))
    }

    fn arrival(number: u64, subject: u64) -> Arrival {
        let message = Message { key: number, subject, step: number, bytes: 0 };
        let (event, webhook_id) = (event(number.into()), format!("msg_{number}").into());
        let destination = Arc::from("d");
        Arrival {
            destination,
            message: Some(message),
            event,
            webhook_id,
            attempt: 1,
            replay: false,
            status: 200,
            late: false,
        }
    }

    fn row(state: &str) -> Vec<Row> {
        vec![Row { id: "dlv_1".into(), state: state.into(), attempts: 1, cause: Some("refused".into()), replay: false }]
    }

    fn faults_of(rows: &[(u128, &str)], arrivals: &[Arrival]) -> Vec<String> {
        let rows = rows.iter().map(|(number, state)| ((event(*number), "r".to_owned()), row(state))).collect();
        let mut faults = Vec::new();
        ends(&HashSet::from([event(1)]), &rows, arrivals, &OWED, &mut Verdict::default(), &mut faults);
        faults
    }

    #[test]
    fn what_was_acknowledged_may_be_delivered_dead_or_waiting_and_nothing_else() {
        for state in ["dead", "pending", "in_flight", "retrying", "held"] {
            assert!(faults_of(&[(1, state)], &[]).is_empty(), "{state}");
        }
        assert!(faults_of(&[(1, "delivered")], &[arrival(1, 1)]).is_empty());
        let refused = Arrival { status: 503, ..arrival(1, 1) };
        let elsewhere = Arrival { destination: Arc::from("other"), ..arrival(1, 1) };
        for (rows, arrivals) in [
            (vec![], vec![]),
            (vec![], vec![arrival(1, 1)]),
            (vec![(2, "delivered")], vec![arrival(1, 1)]),
            (vec![(1, "delivered")], vec![]),
            (vec![(1, "delivered")], vec![refused]),
            (vec![(1, "delivered")], vec![elsewhere]),
            (vec![(1, "cancelled")], vec![arrival(1, 1)]),
        ] {
            assert_eq!(faults_of(&rows, &arrivals).len(), 1, "{rows:?} {arrivals:?}");
        }
    }

    #[test]
    fn order_is_that_of_each_subject_and_a_dead_process_may_be_late() {
        let check = |arrivals: &[Arrival]| {
            let mut faults = Vec::new();
            (check_order(arrivals, &OWED, &mut faults), faults.len())
        };
        assert_eq!(check(&[arrival(1, 1), arrival(1, 1), arrival(2, 1)]), (2, 0));
        assert_eq!(check(&[arrival(2, 1), arrival(1, 2)]), (0, 0));
        assert_eq!(check(&[arrival(2, 1), arrival(1, 1)]), (0, 1));
        assert_eq!(check(&[arrival(1, 1), arrival(2, 1), arrival(1, 1)]), (1, 1));
        assert_eq!(check(&[arrival(2, 1), Arrival { late: true, ..arrival(1, 1) }]), (0, 0));
    }

    #[test]
    fn only_a_try_that_was_overtaken_by_a_later_one_of_its_delivery_is_late() {
        let marked = |arrivals: &[(u64, u32)]| {
            let mut arrivals: Vec<Arrival> =
                arrivals.iter().map(|(number, attempt)| Arrival { attempt: *attempt, ..arrival(*number, 1) }).collect();
            mark_overtaken(&mut arrivals);
            arrivals.iter().map(|arrival| arrival.late).collect::<Vec<_>>()
        };
        assert_eq!(marked(&[(1, 2), (2, 1), (1, 1)]), [false, false, true]);
        assert_eq!(marked(&[(1, 1), (2, 1), (1, 1), (1, 2)]), [false; 4], "who sends one twice is not excused");
    }

    #[test]
    fn ids_and_duplicates_are_told_apart() {
        let ids = |arrivals: &[Arrival]| {
            let mut faults = Vec::new();
            check_message_ids(arrivals, &mut faults);
            faults.len()
        };
        assert_eq!(ids(&[arrival(1, 1), arrival(1, 1), arrival(2, 1)]), 0);
        assert_eq!(ids(&[arrival(1, 1), Arrival { webhook_id: "msg_2".into(), ..arrival(1, 1) }]), 1);
        assert_eq!(ids(&[arrival(1, 1), Arrival { webhook_id: "msg_1".into(), ..arrival(2, 1) }]), 1);
        let refused = Arrival { status: 500, ..arrival(1, 1) };
        assert_eq!(duplicates(&[refused, arrival(1, 1), arrival(2, 1), arrival(1, 1)]), 1);
        assert_eq!(panics("fine\nthread 'x' panicked at src/main.rs\n").len(), 1);
    }
}
