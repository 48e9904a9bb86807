//! Messages about alerts: made once, sent by one, and what comes back before a cause is over is the same.

use std::sync::Arc;

use domain::alert::Severity;
use domain::alert::tell::{NoticeState, Stage};
use domain::{AlertId, NoticeId, Timestamp};

use super::world::{DAY, Open, SECOND, World, code, name};
use crate::notices::{CauseStep, Notice, NoticeEnd};
use crate::registry::Alert;

pub(super) fn notice(w: &mut World, cause: &str, channel: &str, stage: Stage) -> Notice {
    Notice {
        id: NoticeId::from_uuid(w.uuid()),
        tenant: w.tenant.clone(),
        cause: cause.into(),
        alert: None,
        channel: channel.into(),
        stage,
        severity: Severity::Warning,
        state: NoticeState::Waiting,
        made_at: w.now,
        due_at: w.now,
        tries: 0,
        ended_at: None,
        problem: String::new(),
    }
}

pub(super) fn making(cause: &str, make: Vec<Notice>) -> CauseStep {
    CauseStep { cause: cause.into(), make, ..CauseStep::default() }
}

pub(super) async fn step(w: &World, step: CauseStep) -> u32 {
    w.store.step_cause(w.tenant.clone(), step, w.now).await.expect("step_cause")
}

async fn raise(w: &mut World, object: &str) -> AlertId {
    let id = AlertId::from_uuid(w.uuid());
    let alert = Alert::new(id, w.tenant.clone(), "dead_letters".into(), object.into(), "one".to_owned(), w.now);
    w.store.raise_alert(alert).await.expect("raise_alert");
    id
}

async fn resolve(w: &World, object: &str, by: Option<&str>) -> bool {
    let (tenant, kind) = (w.tenant.clone(), Arc::from("dead_letters"));
    w.store.resolve_alert(tenant, kind, object.into(), by.map(Arc::from), w.now).await.expect("resolve_alert")
}

async fn unsettled(w: &World) -> Vec<Alert> {
    w.store.unsettled_alerts().await.expect("unsettled_alerts")
}

pub async fn an_alert_is_acknowledged_once_while_it_is_open(open: impl Open) {
    let mut w = World::new(open).await;
    let id = raise(&mut w, "destination/app").await;
    let acknowledge = async |w: &World, by: &str| {
        w.store.acknowledge_alert(w.tenant.clone(), id, by.into(), w.now).await.expect("acknowledge_alert")
    };
    let first = acknowledge(&w, "ann").await.expect("it is open");
    assert_eq!((first.acknowledged_by.as_deref(), first.acknowledged_at), (Some("ann"), Some(w.now)));
    w.pass(SECOND);
    assert_eq!(acknowledge(&w, "bob").await, Some(first.clone()), "the first stays");
    let foreign = w.store.acknowledge_alert(name("other"), id, "eve".into(), w.now).await;
    assert_eq!(foreign, Ok(None));
    w.reopen().await;
    assert_eq!(unsettled(&w).await, [first]);
    assert!(resolve(&w, "destination/app", None).await);
    assert_eq!(acknowledge(&w, "bob").await, None, "it is not open any more");
}

pub async fn what_comes_back_before_it_is_settled_is_the_same_alert(open: impl Open) {
    let mut w = World::new(open).await;
    let id = raise(&mut w, "destination/app").await;
    assert!(resolve(&w, "destination/app", None).await);
    w.pass(SECOND);
    raise(&mut w, "destination/app").await;
    let again = unsettled(&w).await;
    assert_eq!((again.len(), again[0].id, again[0].count, again[0].reopened), (1, id, 2, 1));
    assert_eq!((again[0].resolved_at, again[0].last_at), (None, w.now));
    // What a person resolved is over, and so is what is settled.
    assert!(resolve(&w, "destination/app", Some("ann")).await);
    assert_eq!(unsettled(&w).await[0].resolved_by.as_deref(), Some("ann"));
    w.pass(SECOND);
    let second = raise(&mut w, "destination/app").await;
    assert_eq!(unsettled(&w).await.len(), 2, "the other is not settled yet");
    assert!(resolve(&w, "destination/app", None).await);
    let close = CauseStep { close: Some(vec![id, second]), ..making("c", vec![]) };
    step(&w, close).await;
    assert_eq!(unsettled(&w).await, []);
    let third = raise(&mut w, "destination/app").await;
    assert_eq!(unsettled(&w).await.iter().map(|alert| alert.id).collect::<Vec<_>>(), [third]);
}

pub async fn a_message_is_made_once_until_its_cause_is_closed(open: impl Open) {
    let mut w = World::new(open).await;
    let first = notice(&mut w, "c", "team", Stage::Opened);
    let twice = notice(&mut w, "c", "team", Stage::Opened);
    let (other, elsewhere) = (notice(&mut w, "c", "pager", Stage::Opened), notice(&mut w, "d", "team", Stage::Opened));
    assert_eq!(step(&w, making("c", vec![first.clone()])).await, 1);
    assert_eq!(step(&w, making("c", vec![twice, other.clone()])).await, 1);
    assert_eq!(step(&w, making("d", vec![elsewhere.clone()])).await, 1);
    w.reopen().await;
    let told = w.store.told(w.tenant.clone()).await.expect("told");
    assert_eq!(told, [other, first.clone(), elsewhere.clone()]);
    // An alert of it that is open again keeps the cause open, and all that was decided with it undone.
    let id = raise(&mut w, "destination/app").await;
    let resolved = notice(&mut w, "c", "team", Stage::Resolved);
    let over = CauseStep { close: Some(vec![id]), ..making("c", vec![resolved]) };
    assert_eq!(code(w.store.step_cause(w.tenant.clone(), over.clone(), w.now).await), "conflict");
    assert_eq!(w.store.told(w.tenant.clone()).await.expect("told").len(), 3);
    assert!(resolve(&w, "destination/app", None).await);
    assert_eq!(step(&w, over).await, 1);
    let told = w.store.told(w.tenant.clone()).await.expect("told");
    assert_eq!(told, [elsewhere], "closed, with what was made last");
    let anew = notice(&mut w, "c", "team", Stage::Opened);
    assert_eq!(step(&w, making("c", vec![anew])).await, 1, "it is told anew");
    assert_eq!(w.store.notices(name("other"), 10).await, Ok(vec![]));
}

pub async fn a_message_is_sent_by_one_until_it_is_known_how_it_went(open: impl Open) {
    let mut w = World::new(open).await;
    let first = notice(&mut w, "c", "team", Stage::Opened);
    let later = Notice { due_at: w.now + SECOND * 5, ..notice(&mut w, "d", "team", Stage::Opened) };
    let elsewhere = Notice { due_at: w.now + DAY * 9, ..notice(&mut w, "c", "pager", Stage::Opened) };
    step(&w, making("c", vec![first.clone(), elsewhere.clone()])).await;
    step(&w, making("d", vec![later.clone()])).await;
    let claim = async |w: &World| {
        let until = w.now + SECOND * 60;
        w.store.claim_notices(w.tenant.clone(), "team".into(), w.now, until, 10).await.expect("claim_notices")
    };
    let waiting = async |w: &World| w.store.waiting_notices().await.expect("waiting_notices");
    let tenant = w.tenant.clone();
    let rare = (tenant.clone(), Arc::from("pager"), elsewhere.due_at);
    assert_eq!(waiting(&w).await, [rare.clone(), (tenant.clone(), "team".into(), w.now)]);
    let taken = claim(&w).await;
    assert_eq!(waiting(&w).await, [rare.clone(), (tenant, "team".into(), w.now + SECOND * 5)]);
    assert_eq!(taken, [Notice { tries: 1, due_at: w.now + SECOND * 60, ..first.clone() }]);
    assert_eq!(claim(&w).await, [], "it is somebody's");
    let end = async |w: &World, id, end| w.store.end_notice(w.tenant.clone(), id, end, w.now).await;
    let again = NoticeEnd::Again { at: w.now + SECOND * 3, problem: "it said 503".to_owned() };
    end(&w, first.id, again).await.expect("end_notice");
    w.pass(SECOND * 4);
    let taken = claim(&w).await;
    assert_eq!((taken.len(), taken[0].tries, &*taken[0].problem), (1, 2, "it said 503"));
    // Nobody hears of it again: it is taken once more when its time is over.
    w.reopen().await;
    w.pass(SECOND * 61);
    let mut taken = claim(&w).await;
    taken.sort_by_key(|notice| notice.tries);
    assert_eq!(
        taken.iter().map(|notice| (notice.id, notice.tries)).collect::<Vec<_>>(),
        [(later.id, 1), (first.id, 3)]
    );
    end(&w, first.id, NoticeEnd::Sent).await.expect("end_notice");
    end(&w, later.id, NoticeEnd::Failed { problem: "it said 404".to_owned() }).await.expect("end_notice");
    w.pass(DAY);
    assert_eq!((claim(&w).await, waiting(&w).await), (vec![], vec![rare]));
    let all = w.store.notices(w.tenant.clone(), 10).await.expect("notices");
    let states: Vec<_> = all.iter().map(|one| (one.id, one.state, &*one.problem)).collect();
    let (sent, failed) = ((first.id, NoticeState::Sent, ""), (later.id, NoticeState::Failed, "it said 404"));
    assert!(states.contains(&sent) && states.contains(&failed), "{states:?}");
    assert!(states.contains(&(elsewhere.id, NoticeState::Waiting, "")), "it is another channel's");
}

pub async fn a_message_that_is_dropped_is_not_sent(open: impl Open) {
    let mut w = World::new(open).await;
    let at = |w: &World| w.now + SECOND * 60;
    let first = notice(&mut w, "c", "team", Stage::Opened);
    let under_way = notice(&mut w, "c", "pager", Stage::Opened);
    step(&w, making("c", vec![under_way.clone()])).await;
    w.store.claim_notices(w.tenant.clone(), "pager".into(), w.now, at(&w), 10).await.expect("claim_notices");
    step(&w, making("c", vec![first.clone()])).await;
    let drop = vec![("team".into(), Stage::Opened), ("pager".into(), Stage::Opened)];
    step(&w, CauseStep { drop, ..making("c", vec![]) }).await;
    for channel in ["team", "pager"] {
        let claimed = w.store.claim_notices(w.tenant.clone(), channel.into(), Timestamp::NEVER, at(&w), 10).await;
        assert_eq!(claimed, Ok(vec![]), "{channel}");
    }
    // It was too late for the one that was under way, and that is what is written.
    w.store.end_notice(w.tenant.clone(), under_way.id, NoticeEnd::Sent, w.now).await.expect("end_notice");
    let again = NoticeEnd::Again { at: w.now, problem: String::new() };
    w.store.end_notice(w.tenant.clone(), first.id, again, w.now).await.expect("end_notice");
    let all = w.store.notices(w.tenant.clone(), 10).await.expect("notices");
    let mut states: Vec<_> = all.iter().map(|one| (&*one.channel, one.state)).collect();
    states.sort_unstable_by_key(|(channel, _)| *channel);
    assert_eq!(states, [("pager", NoticeState::Sent), ("team", NoticeState::Dropped)]);
}
