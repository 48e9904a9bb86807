//! Three real nodes whose database fails them, traffic going on: its connections break again and again, it says nothing
//! for five seconds, it restarts, it is away. One oracle for all of it, and no node is started anew.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use store_postgres::testkit::OwnServer;

use crate::dice::Dice;
use crate::generator::Generator;
use crate::http;
use crate::ledger::Ledger;
use crate::nodes::Cluster;
use crate::payload::signature;
use crate::wait::{pause, until, until_some};

/// How long the database says nothing.
const STALL: Duration = Duration::from_secs(5);
/// How long it is away: longer than a node's answer to a sender takes.
const AWAY: Duration = Duration::from_secs(6);
/// A copying thread looks this often whether it has to stand still.
const LOOK: Duration = Duration::from_millis(10);

/// Stands between the nodes and their database, and is what fails.
struct Gate {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Nothing passes, and nothing is closed.
    stalled: AtomicBool,
    /// Who comes is turned away.
    closed: AtomicBool,
    open: Mutex<Vec<(TcpStream, UnixStream)>>,
}

impl Gate {
    fn before(socket: std::path::PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let (address, shared) = (listener.local_addr().expect("it is bound"), Arc::<Shared>::default());
        let passing = Arc::clone(&shared);
        // Ends with the test's process.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // What is away refuses; the nodes find that out by a connection that is closed at once.
                if !passing.closed.load(Ordering::SeqCst) {
                    let _ = passing.pass(client, &socket);
                }
            }
        });
        Self { address, shared }
    }

    /// Breaks every connection that there is.
    fn drop_all(&self) -> usize {
        let open = std::mem::take(&mut *self.shared.open.lock().expect("no panic"));
        for (client, server) in &open {
            let _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
        }
        open.len()
    }

    fn stall(&self, stalled: bool) {
        self.shared.stalled.store(stalled, Ordering::SeqCst);
    }

    fn close(&self, closed: bool) {
        self.shared.closed.store(closed, Ordering::SeqCst);
    }
}

impl Shared {
    fn pass(self: &Arc<Self>, client: TcpStream, socket: &std::path::Path) -> io::Result<()> {
        let server = UnixStream::connect(socket)?;
        client.set_nodelay(true)?;
        let (to, back) = ((client.try_clone()?, server.try_clone()?), (server.try_clone()?, client.try_clone()?));
        let mut open = self.open.lock().expect("no panic");
        // It may have been let in just before the gate was closed: then it is among those that are dropped, or goes here.
        if self.closed.load(Ordering::SeqCst) {
            return Ok(());
        }
        open.push((client, server));
        drop(open);
        let (one, other) = (Arc::clone(self), Arc::clone(self));
        std::thread::spawn(move || one.copy(to.0, to.1));
        std::thread::spawn(move || other.copy(back.0, back.1));
        Ok(())
    }

    /// Until one side is gone, which then both are.
    fn copy(&self, mut from: impl Read, mut to: impl Write + Close) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            while self.stalled.load(Ordering::SeqCst) {
                pause(LOOK);
            }
            if to.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        to.close();
    }
}

trait Close {
    fn close(&self);
}

impl Close for TcpStream {
    fn close(&self) {
        let _ = self.shutdown(Shutdown::Both);
    }
}

impl Close for UnixStream {
    fn close(&self) {
        let _ = self.shutdown(Shutdown::Both);
    }
}

/// What a sender is answered by a node whose database is away.
fn refused(address: SocketAddr) -> Option<(u16, bool)> {
    let body = "{\"action\":\"edited\",\"issue\":{\"id\":0}}";
    let signed = signature(body.as_bytes());
    let headers = [
        ("content-type", "application/json"),
        ("x-github-event", "issues"),
        ("x-github-delivery", "never-kept"),
        ("x-hub-signature-256", signed.as_str()),
    ];
    let answer = http::once(address, "POST", "/in/load", &headers, body.as_bytes()).ok()?;
    Some((answer.status, answer.header("retry-after").is_some()))
}

#[test]
fn a_database_that_breaks_off_stalls_restarts_and_is_away_costs_nothing_acknowledged() {
    let mut dice = Dice::of("nodes and their database");
    let server = OwnServer::start();
    let gate = Gate::before(server.socket());
    let mut cluster = Cluster::start_on(&format!("postgres://postgres@{}/postgres?sslmode=disable", gate.address));
    cluster.until_shared();
    let ledger = Ledger::new();
    let generator = Generator::start(&cluster.plan(), &ledger, &mut dice);
    let mut broken = 0;
    for _ in 0..8 {
        pause(dice.millis(100..500));
        broken += gate.drop_all();
    }
    assert!(broken > 8, "there was nothing to break: {broken}");
    goes_on(&cluster, "after its connections broke");

    gate.stall(true);
    pause(STALL);
    gate.stall(false);
    goes_on(&cluster, "after five seconds of silence");

    // As a crash of the server: nothing is said to anyone.
    server.restart();
    goes_on(&cluster, "after a restart");

    gate.close(true);
    gate.drop_all();
    until("no node is ready", || (0..3).all(|number| !cluster.is_ready(number)));
    let answers: Vec<_> = (0..3).map(|number| until_some("an answer", || refused(cluster.address(number)))).collect();
    assert_eq!(answers, [(503, true); 3], "senders are told to come back");
    pause(AWAY);
    gate.close(false);
    until("every node is ready again, without a restart", || (0..3).all(|number| cluster.is_ready(number)));
    cluster.until_shared();
    goes_on(&cluster, "after it was away");
    generator.stop();
    assert!(cluster.all_live(), "none was started anew");
    let verdict = cluster.judge(&ledger);
    eprintln!("database: {broken} connections broken, stalled {STALL:?}, restarted, away {AWAY:?}; {verdict}");
    assert!(verdict.delivered > 0 && verdict.ordered > 0);
}

fn goes_on(cluster: &Cluster, when: &str) {
    let before = cluster.arrivals();
    until(&format!("events are taken in and delivered {when}"), || cluster.arrivals() > before + 20);
}
