//! The store on PostgreSQL, for many nodes beside each other.
//!
//! | file or folder | what it does |
//! |---|---|
//! | `options`, `connect`, `tls`, `server`, `migrate` | open: limits, connections, schema |
//! | `perform`, `session`, `failure` | how a verb runs: its task, its transaction, its second try |
//! | `query`, `value`, `row`, `code` | SQL by name, values in and rows out |
//! | `doubt` | claims of which nobody was told, because a connection broke during the commit or the answer was not heard |
//! | `gather` | the intake of one node as few large transactions |
//! | `owe`, `lane` | deliveries as they are made and as they end; who waits for whom |
//! | `nodes` | the processes that share the store, and what each is in charge of |
//! | `hint` | telling other nodes what happened, where the database can |
//! | `scratch` | databases of one's own, for measurements |
//! | `intake/`, `dispatch/`, `people/`, `read/`, `registry/`, `keep/`, `watch/`, `reading/`, `copying/`, `audit/`, `listen` | the verbs, as the traits group them |
//!
//! Rows are locked in one order, whoever locks them: checkpoints, identities, subjects, ended deliveries, lanes, open ones,
//! the tenant; each kind in the order of its key. Nothing here decides what `domain` decides, and no statement that writes
//! names more than one tenant.

mod audit;
mod births;
mod code;
mod connect;
mod copying;
mod dispatch;
mod doubt;
mod failure;
mod gather;
mod hint;
mod intake;
mod keep;
mod lane;
mod listen;
mod migrate;
mod nodes;
mod options;
mod owe;
mod people;
mod perform;
mod query;
mod read;
mod reading;
mod registry;
mod row;
pub mod scratch;
mod server;
mod session;
mod shapes;
#[cfg(feature = "testkit")]
pub mod testkit;
mod tls;
mod value;
mod watch;

use std::sync::Arc;

use deadpool_postgres::Pool;
use store::{StoreError, Verb};

pub use options::{
    CARRY_BYTES, CONNECTIONS, DROP_BYTES, GROUP_BYTES, GROUP_ROWS, LOCK_TIME, LeaseClock, OpenOptions, QUEUE_BYTES,
    QUEUE_COMMANDS, SPAN, STATEMENT_TIME, VERB_TIME,
};

use crate::connect::Address;
use crate::doubt::Answer;
use crate::failure::Failure;
use crate::gather::Gatherer;
use crate::hint::Hints;
use crate::perform::{Inner, Performer};

/// A store in a PostgreSQL database, which other nodes may use at the same time.
pub struct PostgresStore {
    inner: Arc<Inner>,
    performer: Performer,
    gatherer: Gatherer,
    hints: Hints,
}

impl PostgresStore {
    /// Opens the store, or says why not: unreachable, of a newer version, not ours.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`], [`StoreError::NewerSchema`], [`StoreError::Corrupt`] or [`StoreError::Refused`].
    pub async fn open(options: OpenOptions) -> Result<Self, StoreError> {
        let address = Address::read(&options.address)?;
        let options = OpenOptions { listen: options.listen && address.listen, ..options };
        let place = address.place();
        let performer = Performer::new(options.inline)?;
        let opening = async move {
            let pool: Pool = connect::pool(&options, &address)?;
            let inner = Inner::prepare(options, pool).await?;
            keep::prepare_spans(&inner).await?;
            Ok::<_, Failure>((Arc::new(inner), address))
        };
        let opened = performer.perform(opening).await?;
        let (inner, address) = opened.map_err(|failure| at_place(failure.into(), &place))?;
        let gatherer = Gatherer::start(&performer, &inner);
        let hints = Hints::start(&performer, &inner, address);
        Ok(Self { inner, performer, gatherer, hints })
    }

    /// Runs a verb to its end, even if nobody waits for it any more: a transaction is never left half done.
    fn verb<T, F, W>(&self, run: F) -> Verb<'_, T>
    where
        T: Send + 'static,
        F: FnOnce(Arc<Inner>) -> W + Send + 'static,
        W: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        Box::pin(async move {
            let inner = Arc::clone(&self.inner);
            inner.is_open()?;
            self.performer.perform(async move { inner.bounded(run).await }).await?
        })
    }

    /// The same for a verb that claims: its claims are in doubt unless its answer comes to who asked, who may be gone.
    fn claiming<T, F, W>(&self, run: F) -> Verb<'_, T>
    where
        T: Send + 'static,
        F: FnOnce(Arc<Inner>) -> W + Send + 'static,
        W: Future<Output = Result<Answer<T>, Failure>> + Send + 'static,
    {
        let answer = self.verb(run);
        Box::pin(async move { Ok(answer.await?.hand_over()) })
    }

    /// The same for what people look through, and nothing that takes in or delivers needs: it waits for the searches before
    /// it, and is forgotten if its caller is gone meanwhile.
    fn search<T, F, W>(&self, run: F) -> Verb<'_, T>
    where
        T: Send + 'static,
        F: FnOnce(Arc<Inner>) -> W + Send + 'static,
        W: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        Box::pin(async move {
            let inner = Arc::clone(&self.inner);
            inner.is_open()?;
            let permit = inner.may_search().await?;
            let searching = async move {
                let found = inner.bounded(run).await;
                drop(permit);
                found
            };
            self.performer.perform(searching).await?
        })
    }
}

/// Where an address leads, for people: hosts, ports and database, never a password.
///
/// # Errors
/// [`StoreError::Refused`] if it cannot be read.
pub fn place(address: &str) -> Result<String, StoreError> {
    Address::read(address).map(|address| address.place())
}

/// Names the database in an error of its own; never its password.
fn at_place(error: StoreError, place: &str) -> StoreError {
    match error {
        StoreError::Unreachable(why) => StoreError::Unreachable(format!("{why} (at {place})")),
        StoreError::Corrupt(why) => StoreError::Corrupt(format!("{why} (at {place})")),
        StoreError::Refused(why) => StoreError::Refused(format!("{why} (at {place})")),
        other => other,
    }
}
