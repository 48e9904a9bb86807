//! One store copied onto another while nobody uses either, and what a gateway finds of that when it starts.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use domain::Timestamp;
use domain::audit::Outcome as Ended;
use domain::identity::Digest;
use engine::clock::SharedClock;
use engine::entropy::{Entropy, SystemEntropy, number};
use engine::nodes::LEASE;
use engine::vault;
use store::copying::carry::{Carrier, Compared, CopyError, Mark, Watcher};
use store::copying::table::Table;
use store::copying::{COPIED_AS, CopyingStore, NODE, UNFINISHED};
use store::dispatch::Owner;
use store::nodes::NodeSelf;
use store::{Store, StoreError};
use tokio::task::JoinHandle;

use super::master_key;
use super::offline::Deed;
use super::state::StoreOptions;
use crate::config::StoreChoice;
use crate::exit::{Exit, Failure, Outcome};

/// How often a copy says that it has the stores that others could come to: three times in the span of a lease.
const BEAT: Duration = Duration::from_secs(5);
/// Bytes that tell one copy from another.
const COPY_ID_BYTES: usize = 16;

/// One of the two stores of a copy.
pub struct Side {
    pub store: Arc<dyn CopyingStore>,
    /// Where it is, for people.
    pub place: String,
    beating: Option<Beating>,
}

/// A node without work: while it lives, no gateway starts on the store.
struct Beating {
    own: NodeSelf,
    task: JoinHandle<()>,
}

impl Drop for Beating {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Both stores, nobody else's while this is there.
pub struct Move {
    pub from: Side,
    pub to: Side,
    clock: SharedClock,
}

/// What is to be known of a copy that is whole.
pub struct Arrived {
    pub compared: Vec<Compared>,
    /// Public name of the master key that the secrets are sealed by.
    pub key_id: Option<String>,
    /// The cluster that both stores belong to, if its owner named one.
    pub cluster: Option<String>,
}

/// Opens both stores, if nobody uses them.
pub async fn open(from: StoreChoice, to: StoreChoice, clock: &SharedClock) -> Outcome<Move> {
    if let StoreChoice::Sqlite(path) = &from
        && !path.exists()
    {
        let message = format!("there is no store at {}", path.display());
        return Err(Failure::new(Exit::Store, "store_missing", message)
            .hint("A gateway keeps it as trireme.db in its data folder."));
    }
    if is_same(&from, &to) {
        return Err(Failure::usage("--from and --to are the same store"));
    }
    let from = Side::open(from, clock).await?;
    let to = match Side::open(to, clock).await {
        Ok(to) => to,
        Err(failure) => {
            from.close().await;
            return Err(failure);
        }
    };
    Ok(Move { from, to, clock: SharedClock::clone(clock) })
}

fn is_same(from: &StoreChoice, to: &StoreChoice) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    match (from, to) {
        (StoreChoice::Sqlite(from), StoreChoice::Sqlite(to)) => real(from) == real(to),
        (from, to) => from == to,
    }
}

impl Side {
    async fn open(choice: StoreChoice, clock: &SharedClock) -> Outcome<Self> {
        let place = place(&choice)?;
        let options = match choice {
            StoreChoice::Postgres(address) => StoreOptions::Postgres { address, now: clock.now() },
            StoreChoice::Sqlite(path) => {
                let options = store_sqlite::OpenOptions::file(path);
                StoreOptions::Sqlite(store_sqlite::OpenOptions { now: clock.now(), ..options })
            }
            StoreChoice::Default => return Err(Failure::usage("a store to copy has to be named")),
        };
        let store = options.open_whole().await.map_err(|error| cannot_open(&error, &place))?;
        let mut side = Self { store, place, beating: None };
        if side.store.is_shared() {
            let occupied = side.occupy(clock).await;
            if let Err(failure) = occupied {
                side.close().await;
                return Err(failure);
            }
        }
        Ok(side)
    }

    /// Says that this process is there, and then looks whether anyone else is: of two that come at once one sees the
    /// other.
    async fn occupy(&mut self, clock: &SharedClock) -> Outcome {
        let own = NodeSelf {
            owner: Owner(number(&SystemEntropy::new())),
            name: NODE.into(),
            address: "".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            started_at: clock.now(),
            wanted: Digest::of(b""),
            leaving: false,
        };
        self.store.beat(own.clone(), LEASE, clock.now()).await.map_err(|error| store_failure(&error, &self.place))?;
        let task = tokio::spawn(keep_beating(Arc::clone(&self.store), own.clone(), SharedClock::clone(clock)));
        self.beating = Some(Beating { own, task });
        self.must_be_alone(clock).await
    }

    async fn must_be_alone(&self, clock: &SharedClock) -> Outcome {
        let Some(beating) = &self.beating else { return Ok(()) };
        let nodes = self.store.nodes(clock.now()).await.map_err(|error| store_failure(&error, &self.place))?;
        let others = nodes.iter().filter(|node| node.lives() && node.own.owner != beating.own.owner);
        let names: Vec<_> = others.map(|node| node.own.name.to_string()).collect();
        if names.is_empty() {
            return Ok(());
        }
        let message = format!("nodes run on {}: {}", self.place, names.join(", "));
        let hint = "Stop them first. One that was killed counts as running for another 15 seconds.";
        Err(Failure::new(Exit::Store, "store_in_use", message).hint(hint))
    }

    async fn close(&self) {
        if let Some(beating) = &self.beating {
            beating.task.abort();
            // If it cannot be said, its lease runs out.
            let _ = self.store.leave(beating.own.owner).await;
        }
        let _ = self.store.close().await;
    }
}

/// Until it is aborted. A beat that fails is made up for by the next; the copy itself fails sooner than the lease ends.
async fn keep_beating(store: Arc<dyn CopyingStore>, own: NodeSelf, clock: SharedClock) {
    loop {
        clock.sleep(BEAT).await;
        let _ = store.beat(own.clone(), LEASE, clock.now()).await;
    }
}

fn place(choice: &StoreChoice) -> Outcome<String> {
    match choice {
        StoreChoice::Default => Ok(String::new()),
        StoreChoice::Sqlite(path) => Ok(format!("sqlite:{}", path.display())),
        StoreChoice::Postgres(address) => {
            let place = store_postgres::place(address.expose()).map_err(|error| Failure::usage(error.to_string()))?;
            Ok(format!("postgres://{place}"))
        }
    }
}

impl Move {
    /// Rows of each table of the source.
    pub async fn count(&self) -> Outcome<Vec<(Table, u64)>> {
        let mut counted = Vec::new();
        for table in Table::ALL.iter().copied() {
            let rows =
                self.from.store.count_rows(table).await.map_err(|error| store_failure(&error, &self.from.place))?;
            counted.push((table, rows));
        }
        Ok(counted)
    }

    /// Begins the copy, or goes on with it.
    pub async fn begin(&self) -> Outcome<(Carrier<'_>, bool)> {
        master_key::not_changing(&*self.from.store).await?;
        if self.from.store.setting(UNFINISHED.into()).await.is_ok_and(|mark| mark.is_none_or(|mark| mark.is_empty())) {
            must_be_used(&*self.from.store, &self.from.place).await?;
        }
        let mut id = [0; COPY_ID_BYTES];
        SystemEntropy::new().fill(&mut id);
        let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
        let fresh = Mark::new(id, self.from.place.clone(), self.clock.now());
        let begun = Carrier::begin(&*self.from.store, &*self.to.store, fresh).await;
        let begun = begun.map_err(|error| self.failure(&error))?;
        self.from.must_be_alone(&self.clock).await?;
        if let Err(in_use) = self.to.must_be_alone(&self.clock).await {
            // A gateway began on it while nothing said yet that it is to be a copy: it stays that gateway's.
            if !begun.1 {
                let freed = self.to.store.put_setting(UNFINISHED.into(), Default::default()).await;
                freed.map_err(|error| store_failure(&error, &self.to.place))?;
            }
            return Err(in_use);
        }
        Ok(begun)
    }

    /// Copies the rest and compares; `None` if whoever watches had enough.
    pub async fn carry(&self, mut carrier: Carrier<'_>, tell: &mut Watcher<'_>) -> Outcome<Option<Arrived>> {
        if !carrier.carry(tell).await.map_err(|error| self.failure(&error))? {
            return Ok(None);
        }
        let Some(compared) = carrier.compare(tell).await.map_err(|error| self.failure(&error))? else {
            return Ok(None);
        };
        carrier.finish(&compared).await.map_err(|error| self.failure(&error))?;
        let store = &*self.to.store;
        self.write_down(store).await?;
        let key_id = master_key::read_check(store).await?.as_deref().and_then(vault::sealed_by).map(str::to_owned);
        let cluster = super::cluster::of(store).await?;
        Ok(Some(Arrived { compared, key_id, cluster }))
    }

    /// The copy is made, so all that is left is to say so.
    async fn write_down(&self, store: &dyn Store) -> Outcome {
        let deed = Deed { action: "store.copy", object: "store", detail: format!("from {}", self.from.place) };
        let written = deed.write(store, self.clock.now(), Ended::Done, None).await;
        written.map(drop).map_err(|error| {
            let hint = "The copy is whole and may be used; only its audit log does not say that it was made.";
            store_failure(&error, &self.to.place).hint(hint)
        })
    }

    pub async fn close(&self) {
        self.from.close().await;
        self.to.close().await;
    }

    fn failure(&self, error: &CopyError) -> Failure {
        let (from, to) = (&self.from.place, &self.to.place);
        if let CopyError::Store(error) = error {
            let exit = if error.fatal() { Exit::Io } else { Exit::Store };
            let message = format!("copying {from} to {to}: {error}");
            return Failure::new(exit, error.code(), message)
                .hint("Run the same command again: it goes on from there.");
        }
        let hint = match error {
            CopyError::NotEmpty(_) => {
                "Give an empty database or a file that is not there. Nothing was changed in either store."
            }
            CopyError::OtherCopy { .. } => {
                "Empty the store to copy to, and begin anew: drop its tables, or remove its file. If it is the copy of \
                 another store, finish that one with its own --from."
            }
            CopyError::SourceUnfinished { .. } => "Finish that copy first, or copy the store that it was made of.",
            CopyError::SourceUsed => "Empty the store to copy to, stop all gateways on the other, and begin anew.",
            _ => "Empty the store to copy to and begin anew. If it happens again, please report it.",
        };
        Failure::new(Exit::Store, error.code(), format!("copying {from} to {to}: {error}")).hint(hint)
    }
}

/// A store that no gateway was ever started on holds nothing, and is mostly a mistyped name.
async fn must_be_used(store: &dyn Store, place: &str) -> Outcome {
    if master_key::read_check(store).await?.is_some() {
        return Ok(());
    }
    let message = format!("nothing was ever started on {place}, so there is nothing to copy");
    Err(Failure::new(Exit::Store, "store_unused", message).hint("Look at what follows --from."))
}

fn store_failure(error: &StoreError, place: &str) -> Failure {
    let exit = if error.fatal() { Exit::Io } else { Exit::Store };
    Failure::new(exit, error.code(), format!("{place}: {error}"))
}

fn cannot_open(error: &StoreError, place: &str) -> Failure {
    let failure = store_failure(error, place);
    match error {
        StoreError::Locked(owner) => {
            let pid = owner.rsplit(' ').next().unwrap_or_default();
            failure.hint(format!("Stop the gateway first (kill {pid}): a store is copied while nobody uses it."))
        }
        StoreError::Unreachable(_) => {
            failure.hint("Check the address, that the server runs, and that it lets this user into this database.")
        }
        _ => failure,
    }
}

/// Fails as [`may_be_used`]. Of a store that was copied it removes the note: it changes from now on, so that copy cannot
/// go on. To be called once nothing else speaks against this gateway.
pub async fn begins_to_be_used(store: &dyn Store, now: Timestamp) -> Outcome {
    if !may_be_used(store, now).await? {
        return Ok(());
    }
    store.put_setting(COPIED_AS.into(), Default::default()).await.map_err(|error| master_key::store_failure(&error))
}

/// Fails if a store is being copied, or is a copy that is not whole. Gives whether it was copied.
pub async fn may_be_used(store: &dyn Store, now: Timestamp) -> Outcome<bool> {
    let setting =
        async |name: &str| store.setting(name.into()).await.map_err(|error| master_key::store_failure(&error));
    let mark = Mark::read(setting(UNFINISHED).await?.as_ref());
    let mark = mark.map_err(|error| Failure::new(Exit::Store, error.code(), error.to_string()))?;
    if let Some(mark) = mark {
        let message = format!("this store is an unfinished copy of {}, begun at {}", mark.from, mark.begun_at);
        let hint =
            "Run the same `trireme store copy` again: it goes on from there. Or start on the store it was made of.";
        return Err(Failure::new(Exit::Store, "store_copy_unfinished", message).hint(hint));
    }
    if setting(COPIED_AS).await?.is_none_or(|copy| copy.is_empty()) {
        return Ok(false);
    }
    let nodes = if store.is_shared() { store.nodes(now).await } else { Ok(Vec::new()) };
    let nodes = nodes.map_err(|error| master_key::store_failure(&error))?;
    if nodes.iter().any(|node| node.lives() && &*node.own.name == NODE) {
        let hint =
            "Wait for `trireme store copy` to end, or stop it; one that was killed is forgotten within 15 seconds.";
        return Err(Failure::new(Exit::Store, "store_being_copied", "this store is being copied just now").hint(hint));
    }
    Ok(true)
}
