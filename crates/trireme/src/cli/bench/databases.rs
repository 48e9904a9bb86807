//! A PostgreSQL server for the load tool: a database for each set-up, and what an event costs its bare tables.

use std::any::Any;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bench::calibration::StoreCost;
use bench::database::{Database, Databases};
use bench::process;
use bench::stopwatch::thread_cpu;
use domain::Timestamp;
use engine::entropy::{SeededEntropy, uuid_v7};
use store_postgres::scratch::{self, Scratch, Session};
use tokio::runtime::Runtime;

/// Events of one transaction: as in the ideal of the embedded store.
const BATCH: usize = 256;
/// Enough for the server's use to be many of the kernel's ticks.
const BATCHES: usize = 256;
/// As the scenarios send them.
const PAYLOAD_BYTES: usize = 1_024;

type Failed = Box<dyn Error + Send + Sync>;

pub struct Server {
    server: scratch::Server,
    /// On the thread of whoever asks: what it uses is the client's part.
    runtime: Arc<Runtime>,
    made: AtomicU32,
}

impl Server {
    pub fn at(address: &str) -> Result<Self, Failed> {
        let runtime = Arc::new(tokio::runtime::Builder::new_current_thread().enable_all().build()?);
        Ok(Self { server: scratch::Server::at(address)?, runtime, made: AtomicU32::new(0) })
    }

    fn make_one(&self) -> Result<Made, Failed> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let scratch = self.runtime.block_on(self.server.make(number))?;
        let server_pid = self.runtime.block_on(async { scratch.session().await?.process().await })?;
        Ok(Made { scratch, runtime: Arc::clone(&self.runtime), server_pid: parent(server_pid) })
    }
}

impl Databases for Server {
    fn make(&self) -> Result<Box<dyn Database>, Failed> {
        Ok(Box::new(self.make_one()?))
    }

    fn cost(&self) -> Result<StoreCost, Failed> {
        let made = self.make_one()?;
        self.runtime.block_on(async {
            let session = made.scratch.session().await?;
            session.make_bare().await?;
            measure(&session).await
        })
    }
}

/// A database that is removed when dropped.
struct Made {
    scratch: Scratch,
    runtime: Arc<Runtime>,
    server_pid: Option<u32>,
}

impl Database for Made {
    fn address(&self, hears: bool) -> String {
        let address = self.scratch.address();
        let joint = if address.contains('?') { '&' } else { '?' };
        if hears { address } else { format!("{address}{joint}listen=off") }
    }

    fn server_pid(&self) -> Option<u32> {
        self.server_pid
    }

    fn hold(&self) -> Result<Box<dyn Any>, Failed> {
        let session = self.runtime.block_on(async {
            let session = self.scratch.session().await?;
            session.hold().await?;
            Ok::<_, Failed>(session)
        })?;
        Ok(Box::new(session))
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        // What would stay behind is an empty measure of the past; no figure depends on it.
        let _ = self.runtime.block_on(self.scratch.remove());
    }
}

/// Who started a process, if that can be seen: a server on another machine has other numbers.
fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (name, rest) = stat.rsplit_once(") ")?;
    let parent = rest.split(' ').nth(1)?.parse().ok()?;
    name.contains("postgres").then_some(parent)
}

/// Writes and ends batches on bare tables, and adds up what this thread and the server's process used.
async fn measure(session: &Session) -> Result<StoreCost, Failed> {
    let process = session.process().await?;
    let used = || Ok::<_, Failed>(thread_cpu() + process::cpu(process)?);
    let (entropy, payload) = (SeededEntropy::new(1), vec![b'x'; PAYLOAD_BYTES]);
    let mut at = Timestamp::from_secs(1_767_225_600);
    let started = used()?;
    for _ in 0..BATCHES {
        at = at + Duration::from_millis(1);
        let ids: Vec<_> = (0..BATCH).map(|_| uuid_v7(&entropy, at)).collect();
        session.write_bare(&ids, at, &payload).await?;
    }
    let written = used()?;
    let mut ended = 0;
    while ended < (BATCHES * BATCH) as u64 {
        ended += session.end_bare(BATCH as i64).await?;
    }
    let of_one = |time: Duration| time.as_secs_f64() * 1e6 / (BATCHES * BATCH) as f64;
    Ok(StoreCost { write_us: of_one(written - started), settle_us: of_one(used()? - written) })
}
