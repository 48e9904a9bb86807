//! A gateway between generator and sink, with the ledger that both write: what every scenario stands on.

use std::net::{SocketAddr, TcpListener};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use crate::accounts;
use crate::config::{Layout, ingest_path};
use crate::database::{self, Database, Databases};
use crate::error::BenchError;
use crate::gateway::{Launch, Launcher, Running};
use crate::generator::{Generator, Load, Pace, Sent};
use crate::ledger::{Ledger, Missing};
use crate::payload::Template;
use crate::process::{self, Usage};
use crate::scenario::{MeasurePolling, Readers};
use crate::signing::Signing;
use crate::sink::Sink;
use crate::stopwatch::{Stopwatch, pause};

/// How often a wait for deliveries looks at the ledger.
const SETTLE_POLL: Duration = Duration::from_millis(10);

/// What all scenarios of one run share.
pub struct Bench<'a> {
    pub launcher: &'a dyn Launcher,
    /// Folder on the disk to be measured; each rig makes one of its own in it and removes it.
    pub scratch: &'a Path,
    pub signing: Signing,
    pub readers: Readers<'a>,
    /// Measures the engine's polls from within.
    pub polling: MeasurePolling<'a>,
    /// Where nodes share a database; `None`: there is no server.
    pub databases: Option<&'a dyn Databases>,
    /// A key that opens the gateways' APIs.
    pub admin_key: &'a str,
    /// How long deliveries may stand still before what is missing counts as lost.
    pub patience: Duration,
    /// Told what is going on, for people who wait.
    pub say: &'a dyn Fn(&str),
}

/// One running set-up. Dropping it kills the gateway and removes its folder.
pub(crate) struct Rig<'a> {
    bench: &'a Bench<'a>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) sink: Sink,
    pub(crate) gateway: Running,
    /// More of them on the same database.
    pub(crate) others: Vec<Running>,
    launch: Launch,
    destinations: usize,
    pub(crate) database: Option<Box<dyn Database>>,
    /// Last, so that it is removed after the gateway is gone.
    _folder: Folder,
}

/// A folder that is removed when dropped.
pub(crate) struct Folder(PathBuf);

/// Tells the folders of one process apart.
static RIGS: AtomicU32 = AtomicU32::new(0);

impl<'a> Rig<'a> {
    /// Starts a gateway on an empty store. `prepare` may set how the destinations behave before it runs.
    pub(crate) fn start(
        bench: &'a Bench<'a>,
        layout: &Layout,
        capacity: usize,
        prepare: impl FnOnce(&Sink),
    ) -> Result<Self, BenchError> {
        let ledger = Arc::new(Ledger::new(capacity));
        let sink = Sink::start(layout.destinations, Arc::clone(&ledger))?;
        prepare(&sink);
        let folder = Folder::new(bench.scratch)?;
        let launch = write_launch(&folder.0, &layout.yaml(&bench.signing, sink.address()))?;
        if layout.accounts.is_some() {
            write_recipe(&folder.0)?;
        }
        let gateway = Running::start(bench.launcher, launch.clone())?;
        let destinations = layout.destinations;
        let (others, database) = (Vec::new(), None);
        Ok(Self { bench, ledger, sink, gateway, others, launch, destinations, database, _folder: folder })
    }

    /// Starts so many nodes on an empty database. `hears`: whether they may tell each other what there is to do.
    pub(crate) fn start_nodes(
        bench: &'a Bench<'a>,
        layout: &Layout,
        capacity: usize,
        (nodes, hears): (usize, bool),
    ) -> Result<Self, BenchError> {
        let database = bench.databases.ok_or(BenchError::NoDatabase)?.make().map_err(BenchError::Database)?;
        let ledger = Arc::new(Ledger::new(capacity));
        let sink = Sink::start(layout.destinations, Arc::clone(&ledger))?;
        let folder = Folder::new(bench.scratch)?;
        let yaml = layout.yaml(&bench.signing, sink.address());
        let start = |node: usize| {
            let own = folder.path().join(format!("n{node}"));
            std::fs::create_dir_all(&own).map_err(|source| BenchError::Write { path: own.clone(), source })?;
            let launch = Launch { store: Some(database.address(hears)), ..write_launch(&own, &yaml)? };
            Ok((Running::start(bench.launcher, launch.clone())?, launch))
        };
        let (gateway, launch) = start(0)?;
        let others = (1..nodes).map(|node| Ok(start(node)?.0)).collect::<Result<_, BenchError>>()?;
        let (destinations, database) = (layout.destinations, Some(database));
        Ok(Self { bench, ledger, sink, gateway, others, launch, destinations, database, _folder: folder })
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Running> {
        std::iter::once(&self.gateway).chain(&self.others)
    }

    /// Starts the gateway again on the same store, after [`Running::kill`].
    pub(crate) fn restart(&mut self) -> Result<(), BenchError> {
        self.gateway = Running::start(self.bench.launcher, self.launch.clone())?;
        Ok(())
    }

    /// Sends to `destinations` in turn.
    pub(crate) fn send(
        &self,
        destinations: Range<usize>,
        connections: usize,
        pace: Pace,
        limit: Option<u64>,
    ) -> Result<Generator, BenchError> {
        self.send_to(&self.gateway, destinations, connections, pace, limit)
    }

    /// The same at another node.
    pub(crate) fn send_to(
        &self,
        node: &Running,
        destinations: Range<usize>,
        connections: usize,
        pace: Pace,
        limit: Option<u64>,
    ) -> Result<Generator, BenchError> {
        let target = node.address();
        let template = |n| Template::new(target, &ingest_path(n), &self.bench.signing);
        let templates = destinations.map(template).collect();
        Generator::start(Load { target, templates, connections, pace, limit }, Arc::clone(&self.ledger))
    }

    /// The same to the first destination without end, signed by each of these in turn.
    pub(crate) fn send_as(
        &self,
        signings: impl Iterator<Item = Signing>,
        connections: usize,
        pace: Pace,
    ) -> Result<Generator, BenchError> {
        let target = self.gateway.address();
        let templates = signings.map(|signing| Template::new(target, &ingest_path(0), &signing)).collect();
        Generator::start(Load { target, templates, connections, pace, limit: None }, Arc::clone(&self.ledger))
    }

    /// The same to all destinations without end.
    pub(crate) fn send_to_all(&self, connections: usize, pace: Pace) -> Result<Generator, BenchError> {
        self.send(0..self.destinations, connections, pace, None)
    }

    /// To all destinations without end, as fast as the answers come, the connections shared evenly by the nodes.
    pub(crate) fn send_through_all(&self, connections: usize) -> Result<Vec<Generator>, BenchError> {
        let each = connections.div_ceil(1 + self.others.len());
        self.nodes().map(|node| self.send_to(node, 0..self.destinations, each, Pace::Closed, None)).collect()
    }

    /// Stops generators, and gives what they sent together.
    pub(crate) fn stop_all(&self, generators: Vec<Generator>) -> Result<Sent, BenchError> {
        let mut sent: Option<Sent> = None;
        for generator in generators {
            let own = generator.stop()?;
            sent = Some(match sent {
                None => own,
                Some(sent) => sent.and(own),
            });
        }
        sent.map_or(Err(BenchError::NothingAccepted { answer: "none".to_owned() }), |sent| self.judge(sent))
    }

    /// Stops a generator, and checks that it was the gateway that limited it.
    pub(crate) fn stop(&self, generator: Generator) -> Result<Sent, BenchError> {
        self.judge(generator.stop()?)
    }

    pub(crate) fn judge(&self, sent: Sent) -> Result<Sent, BenchError> {
        if sent.ledger_full {
            return Err(BenchError::LedgerFull { capacity: self.ledger.capacity() });
        }
        if sent.accepted == 0 {
            return Err(BenchError::NothingAccepted { answer: sent.refusal.unwrap_or_else(|| "none".to_owned()) });
        }
        Ok(sent)
    }

    /// Waits until every acknowledged event is delivered: the oracle of every scenario.
    pub(crate) fn settle(&mut self) -> Result<(), BenchError> {
        self.settle_all_but(|_| false)
    }

    /// The same, except for events that are not expected to arrive.
    pub(crate) fn settle_all_but(&mut self, excused: impl Fn(u64) -> bool) -> Result<(), BenchError> {
        self.settle_watching(|rig| rig.ledger.delivered(), excused)
    }

    /// The same, with a count of its own that has to grow while anything is missing.
    pub(crate) fn settle_watching(
        &mut self,
        count: impl Fn(&Self) -> u64,
        excused: impl Fn(u64) -> bool,
    ) -> Result<(), BenchError> {
        let mut progress = (count(self), Stopwatch::start());
        loop {
            pause(SETTLE_POLL);
            self.check_alive()?;
            self.sink.check()?;
            let counted = count(self);
            if counted > progress.0 {
                // Going through the whole ledger while much arrives would take CPU from the product.
                progress = (counted, Stopwatch::start());
                continue;
            }
            let missing = self.ledger.missing(&excused);
            if missing.count == 0 {
                return Ok(());
            }
            if progress.1.elapsed() > self.bench.patience {
                return Err(self.lost(missing));
            }
        }
    }

    fn lost(&self, missing: Missing) -> BenchError {
        let (acked, patience) = (self.ledger.acked(), self.bench.patience);
        BenchError::EventsMissing { count: missing.count, acked, patience, first: missing.first }
    }

    /// Runs for a while, but not past the gateway's end.
    pub(crate) fn run_for(&mut self, time: Duration) -> Result<(), BenchError> {
        pause(time);
        self.check_alive()
    }

    fn check_alive(&mut self) -> Result<(), BenchError> {
        std::iter::once(&mut self.gateway).chain(&mut self.others).try_for_each(Running::check_alive)
    }

    /// Of all nodes together.
    pub(crate) fn usage(&self) -> Result<Usage, BenchError> {
        let mut sum = Usage { cpu: Duration::ZERO, rss_bytes: 0, written_bytes: 0 };
        for node in self.nodes() {
            let own = process::usage(node.pid())?;
            sum.cpu += own.cpu;
            sum.rss_bytes += own.rss_bytes;
            sum.written_bytes += own.written_bytes;
        }
        Ok(sum)
    }

    /// What the database's processes have used since they started.
    pub(crate) fn database_cpu(&self) -> Result<Duration, BenchError> {
        self.database.as_deref().map_or(Ok(Duration::ZERO), database::cpu)
    }

    /// What the product has used so far, its database included. Of a test it is in this process, whose use is this
    /// tool's own.
    pub(crate) fn product_cpu(&self) -> Result<Duration, BenchError> {
        let nodes = if self.gateway.pid() == std::process::id() { Duration::ZERO } else { self.usage()?.cpu };
        Ok(nodes + self.database_cpu()?)
    }

    /// Statements that all nodes have run, if they count them.
    pub(crate) fn statements(&self) -> Option<f64> {
        self.nodes().map(Running::statements).sum()
    }

    pub(crate) fn rss_mib(&self) -> Result<f64, BenchError> {
        Ok(process::rss_bytes(self.gateway.pid())? as f64 / (1024.0 * 1024.0))
    }

    pub(crate) fn now_us(&self) -> u32 {
        self.ledger.stopwatch().micros()
    }
}

impl Drop for Rig<'_> {
    fn drop(&mut self) {
        self.gateway.kill();
        self.others.iter_mut().for_each(Running::kill);
    }
}

impl Folder {
    /// A new one, empty.
    pub(crate) fn new(scratch: &Path) -> Result<Self, BenchError> {
        let path = scratch.join(format!("bench-{}-{}", std::process::id(), RIGS.fetch_add(1, Relaxed)));
        std::fs::create_dir_all(&path).map_err(|source| BenchError::Write { path: path.clone(), source })?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> Result<PathBuf, BenchError> {
        let path = self.0.join(name);
        std::fs::write(&path, text).map_err(|source| BenchError::Write { path: path.clone(), source }).map(|()| path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What would stay behind is a scratch folder; no figure depends on it.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn write_launch(folder: &Path, yaml: &str) -> Result<Launch, BenchError> {
    let write = |path: &Path| {
        let path = path.to_owned();
        move |source| BenchError::Write { path, source }
    };
    let (config, data) = (folder.join("trireme.yaml"), folder.join("data"));
    std::fs::create_dir_all(&data).map_err(write(&data))?;
    std::fs::write(&config, yaml).map_err(write(&config))?;
    Ok(Launch { config, data, listen: free_address()?, log: folder.join("gateway.log"), store: None })
}

/// The recipe of the load tool's own sender, where the product looks for recipes of one's own.
fn write_recipe(folder: &Path) -> Result<(), BenchError> {
    let path = folder.join("providers").join(format!("{}.yaml", accounts::PROVIDER));
    let written =
        std::fs::create_dir_all(folder.join("providers")).and_then(|()| std::fs::write(&path, accounts::RECIPE));
    written.map_err(|source| BenchError::Write { path, source })
}

/// A loopback port that nobody listened on a moment ago.
pub(crate) fn free_address() -> Result<SocketAddr, BenchError> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    listener.map_err(BenchError::io("find a free loopback port"))
}
