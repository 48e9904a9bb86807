//! A store that fails when told to: refuses, or takes the process down before or after a commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use domain::audit::{Cut, Entry, Note, Statement};
use domain::budget::{Allowance, Grant, Word};
use domain::charge::Charge;
use domain::identity::{Digest, Scope};
use domain::request::{Reason, Verdict};
use domain::run::{Gap, Run, StreamKey};
use domain::subject::SubjectRow;
use domain::{
    AlertId, Call, DeliveryId, DestinationName, EventId, ListenerName, NoticeId, ReplayId, RequestId, RunId,
    SourceName, Subject, Tenant, Timestamp,
};
use store::audit::{Audit, AuditFilter, Chain};
use store::dispatch::{Claim, ClaimAnswer, ClaimDue, Dispatch, Lease, Owner, PreparedDelivery, Settled, Settlement};
use store::intake::{AcceptGroup, Accepted, Intake, KeptRequest, NewEvent, RejectedBounds, Waiting};
use store::keep::{Keep, Pruned, Retention, StoreStats};
use store::listen::{Listen, Listener};
use store::nodes::{Beat, Charges, Hint, Node, NodeSelf, Nodes};
use store::notices::{CauseStep, Notice, NoticeEnd, Notices};
use store::people::{DestinationStatus, HoldScope, People, Replay, ReplayStep, Wish};
use store::read::{
    Backlog, DeliveryDetail, DeliveryFilter, DeliveryRow, EventDetail, EventFilter, EventRow, Listed, Page, Position,
    Read, RequestFilter, Stretch,
};
use store::reading::{BudgetRow, Checkpoint, Known, Polled, ReadPage, Reading, RunFilter};
use store::registry::{Alert, ApiKey, Idempotency, Object, ObjectKind, Registry};
use store::shapes::{Saved, ShapeChange, ShapeHead, ShapeKey, ShapeRow, Shapes};
use store::watch::{CallFilter, Figure, Series, Step, Watch};
use store::{Store, StoreError, Verb};
use tokio::sync::Notify;

/// What happens to one call of a verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Happens,
    /// It is written, and the caller is told that nobody knows whether it was.
    HappensUnheard,
    /// Nothing is written, and the caller is told so.
    Refused(Refusal),
    /// The process dies before anything is written.
    DiesBefore,
    /// It is written, and the process dies before anyone hears of it.
    DiesAfter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Overloaded,
    DiskFull,
    /// This row, alone or in company.
    Row,
}

impl Refusal {
    fn error(self) -> StoreError {
        match self {
            Self::Overloaded => StoreError::Overloaded,
            Self::DiskFull => StoreError::DiskFull("as the simulation says".to_owned()),
            Self::Row => StoreError::Refused("as the simulation says".to_owned()),
        }
    }
}

/// Decides the fate of each call, from a seed or a plan.
pub trait Fates: Send + Sync + 'static {
    fn next(&self, verb: &'static str) -> Fate;
}

/// Told when the simulated process has died.
#[derive(Debug, Default)]
pub struct Death {
    dead: AtomicBool,
    told: Notify,
}

impl Death {
    pub fn strike(&self) {
        self.dead.store(true, Ordering::SeqCst);
        self.told.notify_waiters();
        self.told.notify_one();
    }

    #[must_use]
    pub fn happened(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    /// Completes when the process has died.
    pub async fn wait(&self) {
        while !self.happened() {
            self.told.notified().await;
        }
    }
}

pub struct FaultyStore {
    inner: Arc<dyn Store>,
    fates: Arc<dyn Fates>,
    death: Arc<Death>,
    /// Closed for whoever asks through this one.
    closed: AtomicBool,
    /// Others use the same store in this process.
    beside_others: bool,
    /// What every call waits for, before it is made and before it is heard of: a process that stands still does neither.
    stall: Option<Stall>,
}

/// Completes when a process does not stand still.
pub type Stall = Arc<dyn Fn() -> futures_util::future::BoxFuture<'static, ()> + Send + Sync>;

impl FaultyStore {
    #[must_use]
    pub fn new(inner: Arc<dyn Store>, fates: Arc<dyn Fates>, death: Arc<Death>) -> Self {
        Self { inner, fates, death, closed: AtomicBool::new(false), beside_others: false, stall: None }
    }

    /// One of several on the same store: closing it closes nobody else's.
    #[must_use]
    pub fn beside_others(self) -> Self {
        Self { beside_others: true, ..self }
    }

    /// Calls wait for this.
    #[must_use]
    pub fn stalled_by(self, stall: Stall) -> Self {
        Self { stall: Some(stall), ..self }
    }

    async fn passes(&self) {
        if let Some(stall) = &self.stall {
            stall().await;
        }
    }

    /// Lets a call happen as its fate is. A dead process hears nothing more: its calls never complete.
    fn through<'a, T: Send + 'a>(
        &'a self,
        verb: &'static str,
        call: impl FnOnce() -> Verb<'a, T> + Send + 'a,
    ) -> Verb<'a, T> {
        Box::pin(async move {
            if self.closed.load(Ordering::SeqCst) {
                return Err(StoreError::Closed);
            }
            self.passes().await;
            let fate = if self.death.happened() { Fate::DiesBefore } else { self.fates.next(verb) };
            match fate {
                Fate::Happens => {
                    let answer = call().await;
                    self.passes().await;
                    answer
                }
                Fate::HappensUnheard => {
                    let _ = call().await;
                    Err(StoreError::Unreachable("the answer was lost, as the simulation says".to_owned()))
                }
                Fate::Refused(refusal) => Err(refusal.error()),
                Fate::DiesBefore => self.die().await,
                Fate::DiesAfter => {
                    let _ = call().await;
                    self.die().await
                }
            }
        })
    }

    async fn die<T>(&self) -> T {
        self.death.strike();
        std::future::pending().await
    }
}

/// Hands every verb to the inner store through its fate.
macro_rules! verbs {
    ($($trait:ident { $($verb:ident($($arg:ident: $type:ty),*) -> $answer:ty;)* })*) => {
        $(impl $trait for FaultyStore {
            $(fn $verb(&self, $($arg: $type),*) -> Verb<'_, $answer> {
                self.through(stringify!($verb), move || self.inner.$verb($($arg),*))
            })*
        })*
    };
}

verbs! {
    Intake {
        accept(groups: Vec<AcceptGroup>, now: Timestamp) -> Vec<Result<Vec<Accepted>, StoreError>>;
        keep_requests(requests: Vec<KeptRequest>, bounds: RejectedBounds) -> ();
        pending_requests(due: Timestamp, limit: u32) -> Vec<KeptRequest>;
        waiting(tenant: Tenant, source: SourceName) -> Waiting;
        rejudge(tenant: Tenant, request: RequestId, verdict: Verdict, reason: Option<Reason>, due: Option<Timestamp>, events: Vec<NewEvent>, now: Timestamp) -> Vec<Accepted>;
        rejected_requests(tenant: Tenant, source: SourceName, before: Option<RequestId>, limit: u32) -> Vec<RequestId>;
    }
    Dispatch {
        claim_due(ask: ClaimDue) -> Vec<ClaimAnswer>;
        keep_prepared(batch: Vec<PreparedDelivery>) -> Vec<Result<(), StoreError>>;
        settle(batch: Vec<Settlement>, now: Timestamp) -> Vec<Settled>;
        rescue_lapsed(now: Timestamp, limit: u32) -> u32;
    }
    People {
        retry(tenant: Tenant, ids: Vec<DeliveryId>, now: Timestamp) -> Vec<Wish>;
        cancel(tenant: Tenant, ids: Vec<DeliveryId>, now: Timestamp) -> Vec<Wish>;
        cancel_matching(tenant: Tenant, filter: DeliveryFilter, now: Timestamp, limit: u32) -> u32;
        hold(tenant: Tenant, scope: HoldScope, limit: u32) -> u32;
        resume(tenant: Tenant, scope: HoldScope, limit: u32) -> u32;
        set_destination_status(tenant: Tenant, name: DestinationName, status: DestinationStatus) -> ();
        destination_statuses() -> Vec<(Tenant, DestinationName, DestinationStatus)>;
        create_replay(replay: Replay) -> ();
        replay_step(step: ReplayStep, now: Timestamp) -> Replay;
        cancel_replay(tenant: Tenant, id: ReplayId, now: Timestamp) -> Option<Replay>;
        replays(tenant: Tenant, page: Page) -> Listed<Replay>;
        replay(tenant: Tenant, id: ReplayId) -> Option<Replay>;
        running_replays() -> Vec<Replay>;
    }
    Read {
        events(tenant: Tenant, filter: EventFilter, page: Page) -> Listed<EventRow>;
        count_events(tenant: Tenant, filter: EventFilter, scan: Duration) -> (u64, bool);
        events_after(tenant: Tenant, filter: EventFilter, page: Page) -> Stretch;
        tail_position(tenant: Tenant) -> Position;
        position_since(tenant: Tenant, since: Timestamp) -> Position;
        event(tenant: Tenant, id: EventId) -> Option<EventDetail>;
        deliveries(tenant: Tenant, filter: DeliveryFilter, page: Page) -> Listed<DeliveryRow>;
        delivery(tenant: Tenant, id: DeliveryId) -> Option<DeliveryDetail>;
        requests(tenant: Tenant, filter: RequestFilter, page: Page) -> Listed<KeptRequest>;
        request(tenant: Tenant, id: RequestId) -> Option<KeptRequest>;
        backlog() -> Vec<Backlog>;
    }
    Reading {
        take_stream(key: StreamKey, lease: Lease, now: Timestamp) -> Option<(Checkpoint, Claim)>;
        renew_stream(key: StreamKey, claim: Claim, span: Duration, now: Timestamp) -> ();
        leave_stream(key: StreamKey, claim: Claim) -> ();
        commit_page(page: ReadPage, now: Timestamp) -> Vec<Accepted>;
        forget_checkpoint(key: StreamKey) -> bool;
        note_polls(polls: Vec<Polled>) -> ();
        checkpoints(tenant: Tenant, source: Option<SourceName>) -> Vec<Checkpoint>;
        known_subjects(scope: Scope, subjects: Vec<Subject>) -> Vec<Option<Known>>;
        subjects_of(scope: Scope, object: Arc<str>, after: Option<Subject>, limit: u32) -> Vec<(Subject, SubjectRow)>;
        absent_subjects(key: StreamKey) -> Vec<Subject>;
        put_absent_subjects(key: StreamKey, claim: Claim, subjects: Vec<Subject>) -> ();
        put_claimed_setting(key: StreamKey, claim: Claim, name: Arc<str>, value: Bytes) -> ();
        put_run(run: Run) -> ();
        end_lost_runs(now: Timestamp) -> u32;
        run(tenant: Tenant, id: RunId) -> Option<Run>;
        runs(tenant: Tenant, filter: RunFilter, page: Page) -> Listed<Run>;
        add_gaps(gaps: Vec<Gap>) -> ();
        gaps(tenant: Tenant, run: RunId) -> Vec<Gap>;
        mark_late(key: StreamKey) -> u32;
        reserve(tenant: Tenant, scope: Arc<str>, allowance: Allowance, wanted: u32, hold: Duration, now: Timestamp) -> Grant;
        learn_budget(tenant: Tenant, scope: Arc<str>, word: Word, now: Timestamp) -> ();
        budgets(tenant: Tenant) -> Vec<BudgetRow>;
    }
    Notices {
        acknowledge_alert(tenant: Tenant, id: AlertId, by: Arc<str>, now: Timestamp) -> Option<Alert>;
        unsettled_alerts() -> Vec<Alert>;
        waiting_notices() -> Vec<(Tenant, Arc<str>, Timestamp)>;
        told(tenant: Tenant) -> Vec<Notice>;
        step_cause(tenant: Tenant, step: CauseStep, now: Timestamp) -> u32;
        claim_notices(tenant: Tenant, channel: Arc<str>, now: Timestamp, until: Timestamp, limit: u32) -> Vec<Notice>;
        end_notice(tenant: Tenant, id: NoticeId, end: NoticeEnd, now: Timestamp) -> ();
        notices(tenant: Tenant, limit: u32) -> Vec<Notice>;
    }
    Registry {
        objects() -> Vec<Object>;
        put_object(object: Object, create: bool, judged_on: Option<u64>) -> ();
        retire_object(tenant: Tenant, kind: ObjectKind, name: Arc<str>, now: Timestamp, judged_on: Option<u64>) -> bool;
        put_api_key(key: ApiKey) -> ();
        api_keys(tenant: Option<Tenant>) -> Vec<ApiKey>;
        api_key(id: Arc<str>) -> Option<ApiKey>;
        revoke_api_key(tenant: Tenant, id: Arc<str>, now: Timestamp) -> bool;
        touch_api_keys(used: Vec<(Arc<str>, Timestamp)>) -> ();
        begin_idempotent(tenant: Tenant, key: Arc<str>, request: Digest, now: Timestamp) -> Idempotency;
        finish_idempotent(tenant: Tenant, key: Arc<str>, answer: Option<(u16, Bytes)>) -> ();
        raise_alert(alert: Alert) -> bool;
        resolve_alert(tenant: Tenant, kind: Arc<str>, object: Arc<str>, by: Option<Arc<str>>, now: Timestamp) -> bool;
        open_alerts() -> Vec<Alert>;
        alerts(tenant: Tenant, open_only: bool, page: Page) -> Listed<Alert>;
        setting(name: Arc<str>) -> Option<Bytes>;
        put_setting(name: Arc<str>, value: Bytes) -> ();
        exchange_setting(name: Arc<str>, before: Option<Bytes>, after: Bytes) -> bool;
        keep_setting(name: Arc<str>, value: Bytes) -> Bytes;
    }
    Listen {
        open_listener(listener: Listener) -> Listener;
        listeners(tenant: Tenant) -> Vec<Listener>;
        listener(tenant: Tenant, name: ListenerName) -> Option<Listener>;
        move_listener(tenant: Tenant, name: ListenerName, generation: u64, position: Option<Position>, now: Timestamp) -> bool;
        forget_listener(tenant: Tenant, name: ListenerName) -> bool;
    }
    Audit {
        append_audit(tenant: Tenant, node: Arc<str>, notes: Vec<Note>) -> Vec<Entry>;
        audit(tenant: Tenant, filter: AuditFilter, page: Page) -> Listed<Entry>;
        audit_chain(tenant: Tenant, node: Arc<str>, after: u64, limit: u32) -> Vec<Entry>;
        audit_chains(tenant: Option<Tenant>) -> Vec<Chain>;
        put_audit_statement(statement: Statement) -> ();
        audit_statements(tenant: Tenant, after: (Arc<str>, u64), limit: u32) -> Vec<Statement>;
        last_audit_statement(tenant: Tenant, signer: Arc<str>) -> Option<Statement>;
        prune_audit(cut: Cut, statements_before: Timestamp) -> ();
    }
    Watch {
        record_calls(calls: Vec<Call>) -> ();
        calls(tenant: Tenant, filter: CallFilter, page: Page) -> Listed<Call>;
        add_figures(at: Timestamp, figures: Vec<Figure>) -> ();
        figures(tenant: Tenant, series: Series, step: Step, since: Timestamp) -> Vec<(Timestamp, Figure)>;
    }

    Shapes {
        shape(key: ShapeKey) -> Option<ShapeRow>;
        save_shape(row: ShapeRow, changes: Vec<ShapeChange>) -> Saved;
        shapes(tenant: Tenant, source: Option<SourceName>, page: Page) -> Listed<ShapeHead>;
        shape_changes(key: ShapeKey) -> Vec<ShapeChange>;
        forget_shape(key: ShapeKey) -> bool;
    }
}

impl Nodes for FaultyStore {
    fn is_shared(&self) -> bool {
        self.inner.is_shared()
    }

    fn beat(&self, own: NodeSelf, span: Duration, now: Timestamp) -> Verb<'_, Beat> {
        self.through("beat", move || self.inner.beat(own, span, now))
    }

    fn nodes(&self, now: Timestamp) -> Verb<'_, Vec<Node>> {
        self.through("nodes", move || self.inner.nodes(now))
    }

    fn configured(&self) -> Verb<'_, u64> {
        self.through("configured", || self.inner.configured())
    }

    fn charges(&self) -> Verb<'_, Charges> {
        self.through("charges", || self.inner.charges())
    }

    fn take_charges(&self, lease: Lease, from: Vec<Charge>, most: u32, now: Timestamp) -> Verb<'_, Charges> {
        self.through("take_charges", move || self.inner.take_charges(lease, from, most, now))
    }

    fn leave_charges(&self, owner: Owner, charges: Vec<Charge>) -> Verb<'_, ()> {
        self.through("leave_charges", move || self.inner.leave_charges(owner, charges))
    }

    fn leave(&self, owner: Owner) -> Verb<'_, ()> {
        self.through("leave", move || self.inner.leave(owner))
    }

    fn lost_claims(&self, owner: Owner, claims: Vec<(Tenant, DeliveryId)>) -> Verb<'_, Vec<DeliveryId>> {
        self.through("lost_claims", move || self.inner.lost_claims(owner, claims))
    }

    fn tell(&self, hint: Hint) {
        self.inner.tell(hint);
    }

    fn hint(&self) -> Verb<'_, Option<Hint>> {
        self.inner.hint()
    }
}

impl Keep for FaultyStore {
    fn prune(&self, retention: Retention, now: Timestamp, limit: u32) -> Verb<'_, Pruned> {
        self.through("prune", move || self.inner.prune(retention, now, limit))
    }

    fn ping(&self) -> Verb<'_, ()> {
        self.inner.ping()
    }

    fn stats(&self) -> StoreStats {
        self.inner.stats()
    }

    fn close(&self) -> Verb<'_, ()> {
        if self.beside_others {
            self.closed.store(true, Ordering::SeqCst);
            return Box::pin(async { Ok(()) });
        }
        self.inner.close()
    }
}
