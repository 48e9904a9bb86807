//! How a verb runs: as a task of its own, on a connection of its own, a second time where that is safe.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use deadpool_postgres::{Pool, PoolError, TimeoutType};
use domain::Tenant;
use rustc_hash::FxHashSet;
use store::StoreError;
use store::dispatch::Owner;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::doubt::Untold;
use crate::failure::{Failure, whole};
use crate::migrate;
use crate::options::{CLOSE_TIME, CONNECT_TIME, LeaseClock, OpenOptions, VERBS};
use crate::query::Query;
use crate::row::cell;
use crate::server;
use crate::session::{Figures, Session};
use crate::value::{Param, Text, params};

/// Times that a transaction is run again after one that kept nothing.
const AGAIN_MAX: usize = 5;
/// Threads of an inline store: one for the verb, one for what goes on beside it.
const INLINE_THREADS: usize = 2;

/// Waits for something for at most this long, by the machine's own clock: it decides nothing that is stored.
pub(crate) async fn within<T>(time: Duration, wait: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(time, wait).await.ok()
}

/// A moment of the machine's own clock: how long the database takes decides nothing that is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(std::time::Instant);

impl Moment {
    #[expect(clippy::disallowed_methods, reason = "how long the database takes is real time")]
    pub(crate) fn now() -> Self {
        Self(std::time::Instant::now())
    }

    pub(crate) fn since(self, earlier: Self) -> Duration {
        self.0.saturating_duration_since(earlier.0)
    }
}

impl std::ops::Add<Duration> for Moment {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        Self(self.0 + time)
    }
}

/// Where tasks run: beside the caller, or, inline, apart from it while it stands still.
pub(crate) struct Performer {
    handle: Handle,
    apart: Option<Runtime>,
}

impl Drop for Performer {
    fn drop(&mut self) {
        if let Some(runtime) = self.apart.take() {
            runtime.shutdown_background();
        }
    }
}

impl Performer {
    pub(crate) fn new(inline: bool) -> Result<Self, StoreError> {
        let apart = inline
            .then(|| tokio::runtime::Builder::new_multi_thread().worker_threads(INLINE_THREADS).enable_all().build());
        let apart = apart.transpose().map_err(|error| StoreError::Unreachable(format!("no threads: {error}")))?;
        let handle = apart.as_ref().map_or_else(Handle::current, |runtime| runtime.handle().clone());
        Ok(Self { handle, apart })
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Waits for what somebody else's task answers, without a task of one's own where the caller need not stand still.
    pub(crate) async fn wait<T: Send + 'static>(&self, answer: oneshot::Receiver<T>) -> Result<T, StoreError> {
        let answered = if self.apart.is_none() { answer.await } else { self.perform(answer).await? };
        answered.map_err(|_| StoreError::Closed)
    }

    /// Runs a task to its end and gives what it gave.
    pub(crate) async fn perform<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, StoreError> {
        if self.apart.is_none() {
            let broke = |error| StoreError::Refused(format!("a verb ended unexpectedly: {error}"));
            return self.handle.spawn(task).await.map_err(broke);
        }
        let (given, gives) = std::sync::mpsc::channel();
        self.handle.spawn(async move { given.send(task.await).is_ok() });
        // The caller stands still on purpose: to it the verb takes no time.
        gives.recv().map_err(|_| StoreError::Refused("a verb ended unexpectedly".to_owned()))
    }
}

/// What all verbs of one open store share.
pub(crate) struct Inner {
    pub(crate) options: OpenOptions,
    pool: Pool,
    pub(crate) figures: Arc<Figures>,
    /// Tells this opening of the store from every other.
    pub(crate) instance: Uuid,
    generations: AtomicU64,
    /// Tenants that have their row.
    tenants: std::sync::Mutex<FxHashSet<String>>,
    pub(crate) pruning: tokio::sync::Mutex<crate::keep::Pruning>,
    pub(crate) floors: crate::dispatch::Floors,
    pub(crate) novelty: crate::intake::Novelty,
    pub(crate) births: crate::births::Known,
    /// As of the last look, for the figures.
    pub(crate) database_bytes: AtomicU64,
    pub(crate) statistics: crate::keep::Statistics,
    closed: AtomicBool,
    under_way: Semaphore,
    pub(crate) searching: Arc<Semaphore>,
}

impl Inner {
    /// Connects, brings the schema up to date, and takes a name.
    pub(crate) async fn prepare(options: OpenOptions, pool: Pool) -> Result<Self, Failure> {
        let figures = Arc::new(Figures::default());
        let client = pool.get().await.map_err(|error| no_connection(&error))?;
        let session = Arc::new(Session::new(client, Arc::clone(&figures)));
        server::check(&session).await?;
        migrate::migrate(&session, &options).await?;
        let row = session.row(Query::new_instance, params![]).await?;
        let instance = row.map(|row| cell(&row, 0)).transpose()?.unwrap_or_default();
        drop(session);
        Ok(Self {
            searching: Arc::new(Semaphore::new(options.searches())),
            options,
            pool,
            figures,
            instance,
            generations: AtomicU64::new(1),
            tenants: std::sync::Mutex::default(),
            pruning: tokio::sync::Mutex::default(),
            floors: crate::dispatch::Floors::default(),
            novelty: crate::intake::Novelty::default(),
            births: crate::births::Known::default(),
            database_bytes: AtomicU64::new(0),
            statistics: crate::keep::Statistics::default(),
            closed: AtomicBool::new(false),
            under_way: Semaphore::new(VERBS),
        })
    }

    pub(crate) fn is_open(&self) -> Result<(), StoreError> {
        if self.closed.load(Ordering::Acquire) { Err(StoreError::Closed) } else { Ok(()) }
    }

    /// Runs a verb as one of those under way, for at most its time. What is cut off takes its connection with it.
    pub(crate) async fn bounded<T, F, W>(self: Arc<Self>, run: F) -> Result<T, StoreError>
    where
        F: FnOnce(Arc<Self>) -> W,
        W: Future<Output = Result<T, Failure>>,
    {
        let _permit = self.under_way.acquire().await.map_err(|_| StoreError::Closed)?;
        let time = self.options.verb_time;
        let late = || StoreError::Unreachable(format!("the database gave no answer within {time:?}"));
        Ok(within(time, run(Arc::clone(&self))).await.ok_or_else(late)??)
    }

    /// Whether a verb that began then shall begin no other transaction: one that is cut off tells nothing of those before.
    pub(crate) fn is_late(&self, began: Moment) -> bool {
        Moment::now().since(began) > self.options.verb_time / 2
    }

    /// Whether a group of so many events is taken for new: few are looked for, which then costs nobody anything.
    pub(crate) fn is_taken_for_new(&self, events: usize) -> bool {
        events >= self.options.novel_rows && self.novelty.is_expected()
    }

    /// Leave for one search, waited for no longer than a connection is.
    pub(crate) async fn may_search(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        if let Ok(permit) = Arc::clone(&self.searching).try_acquire_owned() {
            return Ok(permit);
        }
        let permit = within(self.options.lock_time, Arc::clone(&self.searching).acquire_owned()).await;
        permit.ok_or_else(none_free)?.map_err(|_| StoreError::Closed)
    }

    pub(crate) async fn session(&self) -> Result<Arc<Session>, Failure> {
        let client = self.pool.get().await.map_err(|error| no_connection(&error))?;
        Ok(Arc::new(Session::new(client, Arc::clone(&self.figures))))
    }

    /// Runs `run`, which claims nothing, in a transaction.
    pub(crate) async fn transaction<T, W: Future<Output = Result<T, Failure>>>(
        &self,
        rows: usize,
        run: impl Fn(Arc<Session>) -> W,
    ) -> Result<T, Failure> {
        self.claiming(rows, &mut self.untold(), run).await
    }

    pub(crate) fn untold(&self) -> Untold {
        Untold::new(&self.figures)
    }

    /// Runs `run` in a transaction, again if it is certain that nothing was kept and another try may do better. What it
    /// claimed is `untold` from the commit on.
    pub(crate) async fn claiming<T, W: Future<Output = Result<T, Failure>>>(
        &self,
        rows: usize,
        untold: &mut Untold,
        run: impl Fn(Arc<Session>) -> W,
    ) -> Result<T, Failure> {
        let mut tries = 0;
        loop {
            let session = self.session().await?;
            match session.transaction(&run).await {
                Err(failure) if failure.again() && tries < AGAIN_MAX => tries += 1,
                ended => {
                    if ended.is_ok() {
                        untold.add(session.take_claims());
                        session.look_after_plans();
                        self.figures.committed.fetch_add(rows as u64, Ordering::Relaxed);
                    }
                    return ended;
                }
            }
        }
    }

    /// Runs `run` without a transaction: each of its statements sees what is committed then.
    pub(crate) async fn read<T, W: Future<Output = Result<T, Failure>>>(
        &self,
        run: impl Fn(Arc<Session>) -> W,
    ) -> Result<T, Failure> {
        let mut tries = 0;
        loop {
            let session = self.session().await?;
            match run(Arc::clone(&session)).await {
                Err(failure) if failure.again() && tries < AGAIN_MAX => tries += 1,
                Ok(value) => {
                    session.look_after_plans();
                    return Ok(value);
                }
                failed => return failed,
            }
        }
    }

    /// The rows of one statement that only reads.
    pub(crate) async fn rows(&self, query: Query, params: impl Fn() -> Vec<Param>) -> Result<Vec<Row>, Failure> {
        self.read(|session| {
            let params = params();
            async move { session.rows(query, params).await }
        })
        .await
    }

    pub(crate) async fn row(&self, query: Query, params: impl Fn() -> Vec<Param>) -> Result<Option<Row>, Failure> {
        Ok(self.rows(query, params).await?.into_iter().next())
    }

    /// One statement that writes, as a transaction. Gives how many rows it touched.
    pub(crate) async fn write(&self, query: Query, params: impl Fn() -> Vec<Param>) -> Result<u64, Failure> {
        self.transaction(1, |session| {
            let params = params();
            async move { session.execute(query, params).await }
        })
        .await
    }

    /// The same for what other nodes have to take over.
    pub(crate) async fn configure(&self, query: Query, params: impl Fn() -> Vec<Param>) -> Result<u64, Failure> {
        self.transaction(1, |session| {
            let params = params();
            async move {
                let touched = session.execute(query, params).await?;
                crate::nodes::note_configured(&session);
                Ok(touched)
            }
        })
        .await
    }

    /// Makes the rows of tenants that are new here: what gives their events numbers, and what retention goes by.
    /// Committed by themselves, so that they stay whatever becomes of what the tenant does.
    pub(crate) async fn know_tenants<'t>(
        &self,
        tenants: impl Iterator<Item = &'t Tenant> + Send,
    ) -> Result<(), Failure> {
        let known = || self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let new: BTreeSet<&Tenant> = {
            let known = known();
            tenants.filter(|tenant| !known.contains(tenant.as_str())).collect()
        };
        for tenant in new {
            self.write(Query::insert_tenant, || params![Text::from(tenant.as_str())]).await?;
            known().insert(tenant.as_str().to_owned());
        }
        Ok(())
    }

    /// Numbers for that many claims, none of which this process gives again. A claim has a higher one where its delivery had a
    /// higher one before: generations tell only the claims of one delivery apart.
    pub(crate) fn generations(&self, claims: usize) -> i64 {
        let first = self.generations.fetch_add(claims as u64, Ordering::Relaxed);
        i64::try_from(first).unwrap_or(i64::MAX)
    }

    /// The lease clock's time as two parameters: a number, and how often the database's time is added to it.
    ///
    /// That time is when a statement arrived (`statement_timestamp`), so that one that waited for a lock takes nothing for
    /// over that was not when it came, and gives no lease that ends later than if it had not waited. Who is given one counts
    /// it from before the statement was sent, and so never has it for longer than the row says.
    pub(crate) fn lease_time(&self, now: domain::Timestamp) -> (i64, i64) {
        match self.options.lease_clock {
            LeaseClock::Database { offset_us } => (offset_us, 1),
            LeaseClock::Caller => (now.as_micros(), 0),
        }
    }

    /// Waits for what is under way and lets go of the connections. Gives whether it was open.
    pub(crate) async fn close(&self) -> bool {
        if self.closed.swap(true, Ordering::AcqRel) {
            return false;
        }
        let all = self.under_way.acquire_many(VERBS as u32);
        // Whoever takes longer is cut off, as a kill would.
        let _ = within(CLOSE_TIME, all).await;
        true
    }

    pub(crate) fn disconnect(&self) {
        self.under_way.close();
        self.pool.close();
    }
}

/// An owner as its column has it: the same bits, read as a signed number.
pub(crate) const fn owner_code(owner: Owner) -> i64 {
    owner.0.cast_signed()
}

fn none_free() -> StoreError {
    StoreError::Unreachable("no connection to the database became free in time".to_owned())
}

fn no_connection(error: &PoolError) -> Failure {
    match error {
        PoolError::Timeout(TimeoutType::Wait) => none_free().into(),
        PoolError::Timeout(_) => StoreError::Unreachable(format!("nobody answered within {CONNECT_TIME:?}")).into(),
        PoolError::Closed => StoreError::Closed.into(),
        // Nothing listens, or it does not let us in: said as it is, and not tried again by ourselves.
        PoolError::Backend(error) => StoreError::Unreachable(whole(error)).into(),
        other => StoreError::Unreachable(whole(other)).into(),
    }
}
