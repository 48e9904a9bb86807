//! One connection while a verb uses it: what is read is awaited, what is written is gathered and sent with the commit.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use deadpool_postgres::Object;
use domain::Tenant;
use futures_util::future::{BoxFuture, join, maybe_done};
use store::dispatch::Claim;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::connect::DISCARD_PLANS;
use crate::doubt::{Doubt, Doubts};
use crate::failure::Failure;
use crate::options::VERB_TIME;
use crate::perform::{Moment, within};
use crate::query::Query;
use crate::value::Param;

/// A statement by an index takes a millisecond or two, and a batch of them some more.
const SLOW: Duration = Duration::from_millis(50);
/// Between two slow verbs that let plans be made anew: each plan is a millisecond's work at most, or a little more.
const PLANS_APART: Duration = Duration::from_millis(250);

/// How much was done since the start.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) statements: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) committed: AtomicU64,
    pub(crate) doubts: Doubts,
    planned: Mutex<Option<Moment>>,
    /// What the server did for each statement, while a test looks.
    #[cfg(test)]
    pub(crate) plans: crate::query::plans::Plans,
}

impl Figures {
    /// Whether a connection may forget its plans: on a machine that is slow in everything it would only add to the load.
    fn may_plan_anew(&self) -> bool {
        let mut last = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Moment::now();
        let may = last.is_none_or(|last| now.since(last) >= PLANS_APART);
        if may {
            *last = Some(now);
        }
        may
    }
}

pub(crate) struct Session {
    /// `None` once it was given up.
    client: Option<Object>,
    figures: Arc<Figures>,
    later: Mutex<Vec<(Query, Vec<Param>)>>,
    /// Claims that the transaction makes.
    claims: Mutex<Vec<Doubt>>,
    /// A transaction is open: the connection is of no use to anyone else.
    open: AtomicBool,
    /// One of its statements took long.
    slow: AtomicBool,
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.open.load(Ordering::Relaxed)
            && let Some(client) = self.client.take()
        {
            drop(Object::take(client));
            // How it ended nobody knows, and nobody is told of what it has claimed.
            self.figures.doubts.add(self.take_claims());
        }
    }
}

impl Session {
    pub(crate) fn new(client: Object, figures: Arc<Figures>) -> Self {
        Self {
            client: Some(client),
            figures,
            later: Mutex::default(),
            claims: Mutex::default(),
            open: AtomicBool::default(),
            slow: AtomicBool::default(),
        }
    }

    fn client(&self) -> Result<&Object, Failure> {
        let gone = || Failure::Lost { text: "the connection was given up".to_owned(), during_commit: false };
        self.client.as_ref().ok_or_else(gone)
    }

    pub(crate) async fn rows(&self, query: Query, params: Vec<Param>) -> Result<Vec<Row>, Failure> {
        self.rows_of(query.text(), params).await
    }

    /// The rows of a statement that was put together from pieces of ours.
    pub(crate) async fn rows_of(&self, text: &str, params: Vec<Param>) -> Result<Vec<Row>, Failure> {
        let client = self.client()?;
        let statement = client.prepare_cached(text).await?;
        self.count(1);
        #[cfg(test)]
        self.figures.plans.look(client, text, statement.params(), &borrowed(&params)).await;
        let began = Moment::now();
        let rows = client.query(&statement, &borrowed(&params)).await?;
        self.took(began);
        Ok(rows)
    }

    pub(crate) async fn row(&self, query: Query, params: Vec<Param>) -> Result<Option<Row>, Failure> {
        Ok(self.rows(query, params).await?.into_iter().next())
    }

    pub(crate) async fn execute(&self, query: Query, params: Vec<Param>) -> Result<u64, Failure> {
        self.execute_text(query.text(), params).await
    }

    pub(crate) async fn execute_text(&self, text: &str, params: Vec<Param>) -> Result<u64, Failure> {
        let client = self.client()?;
        let statement = client.prepare_cached(text).await?;
        self.count(1);
        let began = Moment::now();
        let touched = client.execute(&statement, &borrowed(&params)).await?;
        self.took(began);
        Ok(touched)
    }

    fn took(&self, began: Moment) {
        if Moment::now().since(began) > SLOW {
            self.slow.store(true, Ordering::Relaxed);
        }
    }

    /// A slow statement may have a plan from when there was next to nothing: the next one finds its plan anew. To be called
    /// when a verb is done, whose answer does not wait for it.
    pub(crate) fn look_after_plans(self: Arc<Self>) {
        if !self.slow.load(Ordering::Relaxed) || !self.figures.may_plan_anew() {
            return;
        }
        // Until it is answered the connection is of no use to anyone else.
        self.open.store(true, Ordering::Relaxed);
        tokio::spawn(async move {
            let forgotten = within(VERB_TIME, self.batch_uncounted(DISCARD_PLANS)).await;
            self.open.store(!matches!(forgotten, Some(Ok(()))), Ordering::Relaxed);
        });
    }

    async fn batch_uncounted(&self, text: &str) -> Result<(), Failure> {
        Ok(self.client()?.batch_execute(text).await?)
    }

    /// Statements without parameters that are not worth preparing: definitions of tables.
    pub(crate) async fn batch(&self, text: &str) -> Result<(), Failure> {
        self.count(1);
        self.batch_uncounted(text).await
    }

    /// A write whose result nobody needs: sent with the commit, in the order of these calls.
    pub(crate) fn later(&self, query: Query, params: Vec<Param>) {
        self.gathered().push((query, params));
    }

    /// Says what the transaction claims, before it is committed.
    pub(crate) fn claims(&self, tenant: &Tenant, claims: impl IntoIterator<Item = (Uuid, Claim)>) {
        self.claimed().extend(claims.into_iter().map(|(id, claim)| Doubt::new(tenant.clone(), id, claim)));
    }

    /// What a transaction has claimed that is committed, for who tells of it.
    pub(crate) fn take_claims(&self) -> Vec<Doubt> {
        std::mem::take(&mut *self.claimed())
    }

    fn claimed(&self) -> std::sync::MutexGuard<'_, Vec<Doubt>> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gathered(&self) -> std::sync::MutexGuard<'_, Vec<(Query, Vec<Param>)>> {
        // A push either happened or did not.
        self.later.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `run` in a transaction. Its beginning goes with the first statement, and all that was left for later goes
    /// with the commit: a transaction takes as many round trips as it has reads, and one, or two where it has none. That second
    /// one it could do without, but what comes in meanwhile goes into the next group, which would be smaller for it.
    pub(crate) async fn transaction<T, W: Future<Output = Result<T, Failure>>>(
        self: &Arc<Self>,
        run: impl FnOnce(Arc<Self>) -> W,
    ) -> Result<T, Failure> {
        self.open.store(true, Ordering::Relaxed);
        self.gathered().clear();
        self.claimed().clear();
        let (begun, ran) = join(self.batch("BEGIN"), run(Arc::clone(self))).await;
        let ended = match begun.and(ran) {
            Ok(value) => self.flush().await.map(|()| value),
            Err(failure) => Err(failure),
        };
        match &ended {
            Ok(_) => self.open.store(false, Ordering::Relaxed),
            Err(Failure::Lost { .. }) => {}
            Err(_) => {
                if self.batch("ROLLBACK").await.is_ok() {
                    self.open.store(false, Ordering::Relaxed);
                }
            }
        }
        ended
    }

    /// Sends what was gathered and the commit in one go. If one of them fails the commit does nothing.
    async fn flush(&self) -> Result<(), Failure> {
        let later = std::mem::take(&mut *self.gathered());
        let client = self.client()?;
        let mut prepared = Vec::with_capacity(later.len());
        for (query, params) in &later {
            // All of them before the first is sent: one that had to be prepared in between would fall behind.
            prepared.push((client.prepare_cached(query.text()).await?, params));
        }
        self.count(later.len() + 1);
        let began = Moment::now();
        let writes = prepared.iter().map(|(statement, params)| -> Statement<'_> {
            Box::pin(async move {
                client.execute(statement, &borrowed(params)).await?;
                // The commit is the disk's time, and no plan's.
                self.took(began);
                Ok(())
            })
        });
        let mut statements: Vec<Statement<'_>> = writes.collect();
        statements.push(Box::pin(self.batch_uncounted("COMMIT")));
        in_order(statements).await.map_err(Failure::in_commit)?;
        self.figures.commits.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn count(&self, statements: usize) {
        self.figures.statements.fetch_add(statements as u64, Ordering::Relaxed);
    }
}

/// A statement that is sent when it is first polled.
type Statement<'a> = BoxFuture<'a, Result<(), Failure>>;

/// Sends all, each after the one before it, and waits for their answers. Gives the first failure: those after it only say
/// that there was one.
async fn in_order(statements: Vec<Statement<'_>>) -> Result<(), Failure> {
    let mut statements: Vec<_> = statements.into_iter().map(maybe_done).collect();
    // Not `join_all`, which goes about many of them in an order of its own.
    poll_fn(|context| {
        let mut answered = true;
        for statement in &mut statements {
            answered &= Pin::new(statement).poll(context).is_ready();
        }
        if answered { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    statements.iter_mut().filter_map(|statement| Pin::new(statement).take_output()).collect()
}

fn borrowed(params: &[Param]) -> Vec<&(dyn ToSql + Sync)> {
    params.iter().map(|param| &**param as &(dyn ToSql + Sync)).collect()
}
