//! How a store is opened, and every limit it has.

use std::time::Duration;

use domain::Timestamp;

/// Connections to the database of one node: a few more than the verbs that run side by side on two cores. Most
/// servers allow a hundred for all their clients.
pub const CONNECTIONS: usize = 8;
/// Most rows of one transaction of the intake: larger groups gain little and make everyone in them wait longer.
pub const GROUP_ROWS: usize = 512;
/// Most payload bytes of one transaction of the intake: they are held twice while they are sent.
pub const GROUP_BYTES: usize = 16 * 1024 * 1024;
/// Events that a group has at least to be taken for new, and its keys written without being looked for.
pub const NOVEL_ROWS: usize = 8;
/// Most commands that wait for the intake. Past it a caller is told to come back rather than made to wait longer
/// than its sender does.
pub const QUEUE_COMMANDS: usize = 4_096;
/// Most payload bytes that wait for the intake: bounds memory when every body is large.
pub const QUEUE_BYTES: usize = 64 * 1024 * 1024;
/// Most verbs that are under way at once; the others wait in memory that their callers own.
pub const VERBS: usize = 1_024;
/// What one statement may take, as the server counts it. Every verb is bounded in rows, so this is a sick server.
pub const STATEMENT_TIME: Duration = Duration::from_secs(10);
/// What waiting for a row that another transaction holds may take. Shorter than a sender waits for its answer.
pub const LOCK_TIME: Duration = Duration::from_secs(4);
/// How long the server lets a transaction of ours stand still: that of a node that was stopped in the middle of it
/// holds up the others.
pub const IDLE_TIME: Duration = Duration::from_secs(5);
/// What a verb may take in all before its connection is given up: a server that says nothing at all. A verb of several
/// transactions begins no other one after half of it.
pub const VERB_TIME: Duration = Duration::from_secs(20);
/// Who looks through deliveries for no longer than this waits for no search: whether any of a kind is left, the engine asks
/// again and again.
pub const QUICK_LOOK: Duration = Duration::from_millis(200);
/// What making a connection may take.
pub const CONNECT_TIME: Duration = Duration::from_secs(5);
/// How long what was handed over may take when the store is closed.
pub const CLOSE_TIME: Duration = Duration::from_secs(20);
/// The span of time that has partitions of its own: a day is dropped at once, and a month of them are few tables.
pub const SPAN: Duration = Duration::from_secs(24 * 60 * 60);
/// Partitions smaller than this are emptied row by row, to the second; larger ones are dropped when all of their span
/// is old enough, because deleting that many rows would leave the disk to be cleaned up after.
pub const DROP_BYTES: u64 = 32 * 1024 * 1024;
/// Most bytes of events that are carried over out of a span that is dropped: nobody else gets at its tables while they are
/// copied, a second or two, and ingest waits.
pub const CARRY_BYTES: u64 = 256 * 1024 * 1024;

/// Whose clock judges when a lease is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseClock {
    /// The database's, which is the same for all nodes, moved by an offset that is zero outside of tests.
    Database { offset_us: i64 },
    /// Whatever the verb's caller says it is: for simulation, where the database has no part in time.
    Caller,
}

#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// `postgres://user:password@host:port/database?sslmode=…`, or the words of a connection string.
    pub address: String,
    pub lease_clock: LeaseClock,
    /// Whether other nodes are told at once of what is due. Poolers and some databases cannot; they find out a little
    /// later by asking.
    pub listen: bool,
    /// Every verb blocks its caller until it is done, on threads of its own: a simulation's time stands still then.
    pub inline: bool,
    pub connections: usize,
    pub group_rows: usize,
    pub novel_rows: usize,
    pub queue_commands: usize,
    pub queue_bytes: usize,
    pub span: Duration,
    pub drop_bytes: u64,
    pub carry_bytes: u64,
    pub statement_time: Duration,
    pub lock_time: Duration,
    pub verb_time: Duration,
    /// Written beside a migration that opening applies, and where spans begin.
    pub now: Timestamp,
}

impl OpenOptions {
    #[must_use]
    pub fn at(address: impl Into<String>, now: Timestamp) -> Self {
        Self {
            address: address.into(),
            lease_clock: LeaseClock::Database { offset_us: 0 },
            listen: true,
            inline: false,
            connections: CONNECTIONS,
            group_rows: GROUP_ROWS,
            novel_rows: NOVEL_ROWS,
            queue_commands: QUEUE_COMMANDS,
            queue_bytes: QUEUE_BYTES,
            span: SPAN,
            drop_bytes: DROP_BYTES,
            carry_bytes: CARRY_BYTES,
            statement_time: STATEMENT_TIME,
            lock_time: LOCK_TIME,
            verb_time: VERB_TIME,
            now,
        }
    }

    /// Two at least: some verbs take another connection while others hold one.
    pub(crate) fn pool_size(&self) -> usize {
        self.connections.max(2)
    }

    /// Most searches at once. A few of them would hold every connection for seconds, and the intake, heartbeats and
    /// settlements would wait behind them: the other half is always theirs.
    pub(crate) fn searches(&self) -> usize {
        (self.pool_size() / 2).max(1)
    }
}
