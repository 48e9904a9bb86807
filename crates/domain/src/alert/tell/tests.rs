//! Who is told what of a cause, by tables of what is open and what was told.

use super::*;
use crate::alert::calendar::zone;

const MINUTE: Duration = Duration::from_secs(60);

fn start() -> Timestamp {
    "2026-01-14T12:00:00Z".parse().expect("a time")
}

fn open(severity: Severity) -> Member {
    Member { severity, worth_from: Some(start()), acknowledged: false, resolved_at: None, by_person: false }
}

fn listener(channel: &str, least: Severity) -> Listener {
    Listener { channel: channel.to_owned(), least, acknowledges: channel == "pager" }
}

fn told(channel: &str, stage: Stage, severity: Severity, state: NoticeState) -> Told {
    Told { channel: channel.to_owned(), stage, severity, state }
}

/// What a plan of one team's channel and one pager makes, as words.
fn made(
    members: &[Member],
    told: &[Told],
    quiet: Option<&QuietHours>,
    now: Timestamp,
) -> (Vec<String>, Vec<String>, bool) {
    let listeners = [listener("team", Severity::Warning), listener("pager", Severity::Critical)];
    let plan = plan(members, told, &listeners, (quiet, CALM), now);
    let make = plan.make.iter().map(|notice| {
        let later = notice.due_at.since(now).as_secs() / 3600;
        format!("{} {} {} +{later}h", notice.channel, notice.stage.as_str(), notice.severity.as_str())
    });
    let drop = plan.drop.iter().map(|(channel, stage)| format!("{channel} {}", stage.as_str()));
    (make.collect(), drop.collect(), plan.closed)
}

/// What it is, its members and what was told of it; what is made, what is dropped, and whether it is closed.
type Case = (&'static str, Vec<Member>, Vec<Told>, Vec<&'static str>, Vec<&'static str>, bool);

#[test]
fn each_cause_is_told_once_to_those_whom_it_matters() {
    use NoticeState::{Failed, Sent, Waiting};
    use Severity::{Critical, Info, Warning};
    use Stage::{Acknowledged, Opened, Resolved, Worse};
    let over = |severity, minutes: u32| Member { resolved_at: Some(start() + MINUTE * minutes), ..open(severity) };
    let dismissed = Member { by_person: true, ..over(Critical, 29) };
    let known = Member { acknowledged: true, ..open(Critical) };
    let young = Member { worth_from: Some(start() + MINUTE * 31), ..open(Critical) };
    let rare = Member { worth_from: None, ..open(Critical) };
    let both = |stage, state| vec![told("team", stage, Critical, state), told("pager", stage, Critical, state)];
    let team = |state| vec![told("team", Opened, Warning, state)];
    let cases: Vec<Case> = vec![
        ("a warning is the team's", vec![open(Warning)], vec![], vec!["team opened warning +0h"], vec![], false),
        ("nobody wants to hear of it", vec![open(Info)], vec![], vec![], vec![], false),
        ("too young", vec![young], vec![], vec![], vec![], false),
        ("too rare", vec![rare], vec![], vec![], vec![], false),
        (
            "a storm of one cause",
            vec![open(Critical); 100],
            vec![],
            vec!["team opened critical +0h", "pager opened critical +0h"],
            vec![],
            false,
        ),
        ("told already", vec![open(Critical)], both(Opened, Sent), vec![], vec![], false),
        ("told already, to deaf ears", vec![open(Critical)], both(Opened, Failed), vec![], vec![], false),
        (
            "worse",
            vec![open(Warning), open(Critical)],
            team(Sent),
            vec!["team worse critical +0h", "pager opened critical +0h"],
            vec!["team opened"],
            false,
        ),
        (
            "worse, and told so",
            vec![open(Critical)],
            [team(Sent), both(Worse, Sent), both(Opened, Sent)].concat(),
            vec![],
            vec![],
            false,
        ),
        (
            "somebody looks after it",
            vec![known],
            both(Opened, Sent),
            vec!["pager acknowledged critical +0h"],
            vec![],
            false,
        ),
        (
            "that is told once",
            vec![known],
            [both(Opened, Sent), both(Acknowledged, Sent)].concat(),
            vec![],
            vec![],
            false,
        ),
        (
            "known before it was told",
            vec![known],
            both(Opened, Waiting),
            vec![],
            vec!["team opened", "pager opened"],
            false,
        ),
        ("over, but not for long", vec![over(Critical, 21)], both(Opened, Sent), vec![], vec![], false),
        ("a part is still open", vec![over(Critical, 1), open(Critical)], both(Opened, Sent), vec![], vec![], false),
        (
            "over and calm",
            vec![over(Critical, 20)],
            both(Opened, Sent),
            vec!["team resolved critical +0h", "pager resolved critical +0h"],
            vec![],
            true,
        ),
        (
            "over before it was told",
            vec![over(Critical, 20)],
            both(Opened, Waiting),
            vec![],
            vec!["team opened", "pager opened"],
            true,
        ),
        ("nobody was ever told", vec![over(Info, 20)], vec![], vec![], vec![], true),
        (
            "a person says it is over",
            vec![dismissed],
            both(Opened, Sent),
            vec!["team resolved critical +0h", "pager resolved critical +0h"],
            vec![],
            true,
        ),
        (
            "that too is told once",
            vec![over(Critical, 20)],
            [both(Opened, Sent), both(Resolved, Waiting)].concat(),
            vec![],
            vec![],
            true,
        ),
    ];
    for (what, members, told, make, drop, closed) in cases {
        let got = made(&members, &told, None, start() + MINUTE * 30);
        assert_eq!((got.0, got.1, got.2), (strings(&make), strings(&drop), closed), "{what}");
    }
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

#[test]
fn quiet_hours_hold_back_what_can_wait_and_nothing_else() {
    use Severity::{Critical, Warning};
    let clock = |text: &str| text.parse().expect("a time of day");
    let zone = zone("Europe/Berlin").expect("a zone");
    let quiet = QuietHours { from: clock("12:00"), to: clock("16:00"), zone, days: Vec::new() };
    let at = |member: Member| made(&[member], &[], Some(&quiet), start());
    assert_eq!(at(open(Warning)).0, ["team opened warning +3h"], "from 13:00 in Berlin to 16:00");
    assert_eq!(at(open(Critical)).0, ["team opened critical +0h", "pager opened critical +0h"]);
    let waits = [told("team", Stage::Opened, Warning, NoticeState::Waiting)];
    let worse = made(&[open(Warning), open(Critical)], &waits, Some(&quiet), start());
    assert_eq!(worse.0, ["team worse critical +0h", "pager opened critical +0h"]);
    assert_eq!(worse.1, ["team opened"], "it would only repeat");
}

#[test]
fn a_message_is_tried_again_with_longer_waits_and_then_given_up() {
    let now = start();
    let waits: Vec<u64> =
        (1..TRIES_MAX).map(|tries| next_try(tries, None, now).expect("again").since(now).as_secs()).collect();
    assert_eq!(waits, [15, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]);
    assert_eq!(next_try(TRIES_MAX, None, now), None);
    let asked = |seconds| next_try(1, Some(Duration::from_secs(seconds)), now).expect("again").since(now).as_secs();
    assert_eq!((asked(1), asked(90), asked(86_400)), (15, 90, 3600));
}

#[test]
fn stages_and_states_are_read_back_from_their_names() {
    assert!(Stage::ALL.iter().all(|stage| Stage::parse(stage.as_str()) == Some(*stage)));
    assert!(NoticeState::ALL.iter().all(|state| NoticeState::parse(state.as_str()) == Some(*state)));
    assert_eq!((Stage::parse("x"), NoticeState::parse("x")), (None, None));
}
