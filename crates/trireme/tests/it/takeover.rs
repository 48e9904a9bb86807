//! Restarts that nobody notices: sockets handed over, requests held, deliveries finished; and who is refused.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use engine::clock::{Clock, SystemClock};
use http::Method;
use tokio::task::JoinSet;

use super::support::destination::Destination;
use super::support::http::{Connection, get, post};
use super::support::process::{ADMIN_KEY, Gateway, serve, trireme};
use super::support::{Folder, NOBODY, eventually, github_webhook};

const RESTARTS: usize = 20;
const PER_SECOND: u64 = 200;
/// A restart begins only when the one before has been busy for a while.
const BETWEEN_RESTARTS: u64 = 50;
/// Senders that keep their connection, beside those that open one for each request.
const KEPT: u64 = 8;

fn successor(folder: &Folder) -> Command {
    let mut command = serve(folder);
    command.arg("--takeover").env("TRIREME_ADMIN_KEY", ADMIN_KEY);
    command
}

/// Sends webhooks until it is told to stop; every one must be answered 200.
struct Senders {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    tasks: JoinSet<Result<(), String>>,
}

impl Senders {
    /// Half of the requests come on connections of their own, the others on a few that are kept.
    fn start(address: SocketAddr) -> Self {
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut tasks = JoinSet::new();
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&sent));
        tasks.spawn(fresh(address, stopped, counted));
        for _ in 0..KEPT {
            tasks.spawn(kept(address, Arc::clone(&stop), Arc::clone(&sent)));
        }
        Self { stop, sent, tasks }
    }

    /// Waits until so many more were sent.
    async fn more(&self, count: u64) {
        let enough = self.sent.load(Ordering::SeqCst) + count;
        eventually("more requests", async || (self.sent.load(Ordering::SeqCst) >= enough).then_some(())).await;
    }

    /// How many were sent and answered; fails with every answer that was no 200.
    async fn end(mut self) -> u64 {
        self.stop.store(true, Ordering::SeqCst);
        let mut failed = Vec::new();
        while let Some(ended) = self.tasks.join_next().await {
            failed.extend(ended.expect("no panic").err());
        }
        assert!(failed.is_empty(), "{} of {}: {failed:?}", failed.len(), self.sent.load(Ordering::SeqCst));
        self.sent.load(Ordering::SeqCst)
    }
}

async fn fresh(address: SocketAddr, stop: Arc<AtomicBool>, sent: Arc<AtomicU64>) -> Result<(), String> {
    let clock = SystemClock::new();
    let mut requests = JoinSet::new();
    while !stop.load(Ordering::SeqCst) {
        let number = sent.fetch_add(1, Ordering::SeqCst);
        requests.spawn(async move {
            let (headers, body) = github_webhook(number);
            let answer = post(address, "/in/github", &headers, body).await;
            judge(number, answer.map(|answer| answer.status.as_u16()))
        });
        clock.sleep(Duration::from_millis(2 * 1_000 / PER_SECOND)).await;
    }
    while let Some(answered) = requests.join_next().await {
        answered.expect("no panic")?;
    }
    Ok(())
}

/// A sender that opens another connection once it was told that this one ends.
async fn kept(address: SocketAddr, stop: Arc<AtomicBool>, sent: Arc<AtomicU64>) -> Result<(), String> {
    let clock = SystemClock::new();
    let mut connection = Connection::open(address).await.map_err(|error| error.to_string())?;
    while !stop.load(Ordering::SeqCst) {
        if !connection.is_open().await {
            connection = Connection::open(address).await.map_err(|error| error.to_string())?;
        }
        let number = sent.fetch_add(1, Ordering::SeqCst);
        let (headers, body) = github_webhook(number);
        let answer = connection.send(Method::POST, "/in/github", &headers, body).await;
        judge(number, answer.map(|answer| answer.status.as_u16()))?;
        clock.sleep(Duration::from_millis(2 * KEPT * 1_000 / PER_SECOND)).await;
    }
    Ok(())
}

fn judge(number: u64, answer: std::io::Result<u16>) -> Result<(), String> {
    match answer {
        Ok(200) => Ok(()),
        other => Err(format!("webhook {number}: {other:?}")),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_under_load_refuse_nobody_and_lose_nothing() {
    let (folder, destination) = (Folder::new(), Destination::start().await);
    folder.configure(&destination.url());
    let mut gateway = Gateway::start(&folder);
    let address = gateway.address;
    let senders = Senders::start(address);
    for restart in 1..=RESTARTS {
        senders.more(BETWEEN_RESTARTS).await;
        let next = Gateway::of(&mut successor(&folder), &folder);
        assert_eq!(next.address, address, "restart {restart}");
        let mut before = std::mem::replace(&mut gateway, next);
        assert_eq!(before.process.exit_code().await, Some(0), "restart {restart}:\n{}", before.process.log());
    }
    senders.more(BETWEEN_RESTARTS).await;
    let sent = senders.end().await;
    eventually("every webhook is delivered", async || (destination.messages().len() as u64 == sent).then_some(()))
        .await;
    let open = gateway.api("/api/v1/deliveries?state=dead").await.json();
    assert_eq!(open["data"].as_array().map(Vec::len), Some(0));
}

#[tokio::test]
async fn while_one_takes_over_requests_wait_others_are_refused_and_a_hanging_delivery_delays_it_only_so_long() {
    let (folder, destination) = (Folder::new(), Destination::start().await);
    folder.configure(&destination.url());
    let mut owner = Gateway::start(&folder);
    let address = owner.address;
    destination.hold();
    let (headers, body) = github_webhook(1);
    assert_eq!(post(address, "/in/github", &headers, body).await.expect("an answer").status, 200);
    destination.has_got(1).await;

    let starting = tokio::task::spawn_blocking({
        let (mut command, path) = (successor(&folder), folder.path().to_owned());
        move || super::support::process::Process::start(&mut command, &path)
    });
    let mut process = starting.await.expect("no panic");
    owner.process.logs("handing over").await;
    let held = tokio::spawn(async move {
        let (headers, body) = github_webhook(2);
        post(address, "/in/github", &headers, body).await.expect("an answer").status
    });
    for mut other in [successor(&folder), serve(&folder)] {
        let output = other.output().expect("the binary can be started");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{said}");
        let expected = format!("process {} is starting or taking over", process.pid());
        assert!(said.contains(&expected), "'{expected}' is missing in: {said}");
    }
    assert!(!held.is_finished(), "it waits for the successor");

    let clock = SystemClock::new();
    let announced = tokio::task::spawn_blocking(move || (process.line(), process)).await.expect("no panic");
    assert!(announced.0.contains("listening") && clock.monotonic() < Duration::from_secs(12));
    assert_eq!(held.await.expect("no panic"), 200);
    assert_eq!(owner.process.exit_code().await, Some(0), "{}", owner.process.log());
    destination.release();
    eventually("both messages arrive", async || (destination.messages().len() == 2).then_some(())).await;
}

#[tokio::test]
async fn a_takeover_that_cannot_succeed_leaves_the_running_one_alone() {
    let folder = Folder::new();
    folder.configure(NOBODY);
    let mut gateway = Gateway::start(&folder);
    let good = std::fs::read_to_string(folder.config()).expect("it was written");
    let key = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    let wrong_when = good.replace("to: app }", "to: app, when: \"((\" }");
    let cases = [(wrong_when, None, 2, "when"), (good, Some(key), 4, "master key")];
    for (config, key, code, says) in cases {
        folder.write_config(&config);
        let mut command = successor(&folder);
        command.envs(key.map(|key| ("TRIREME_MASTER_KEY", key)));
        let output = command.output().expect("the binary can be started");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(says), "{said}");
        let (headers, body) = github_webhook(1);
        let answer = post(gateway.address, "/in/github", &headers, body).await.expect("an answer");
        assert_eq!(answer.status, 200);
    }
    assert!(!gateway.process.has_ended());
}

#[tokio::test]
async fn with_nobody_to_take_over_from_it_just_starts() {
    let folder = Folder::new();
    folder.configure(NOBODY);
    let gateway = Gateway::of(&mut successor(&folder), &folder);
    assert_eq!(gateway.api("/api/v1/events").await.status, 200);
    // One that was killed leaves its socket behind.
    gateway.process.signal(rustix::process::Signal::KILL);
    let again = Gateway::of(&mut successor(&folder), &folder);
    assert_eq!(again.api("/api/v1/events").await.status, 200);
}

/// `serve` as a supervisor with socket activation starts it: the socket is descriptor 3.
fn activated(folder: &Folder, socket: &std::net::TcpListener) -> Command {
    let script = "exec 3<&0 0</dev/null; export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=main; exec \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(trireme().get_program());
    command.args(["serve", "--json", "--listen", "127.0.0.1:1", "--config"]).arg(folder.config());
    command.arg("--data").arg(folder.data()).env("TRIREME_ADMIN_KEY", ADMIN_KEY);
    command.stdin(Stdio::from(std::os::fd::OwnedFd::from(socket.try_clone().expect("a handle"))));
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_of_the_supervisor_outlives_every_restart() {
    let (folder, destination) = (Folder::new(), Destination::start().await);
    folder.configure(&destination.url());
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("it is bound");
    let mut gateway = Gateway::of(&mut activated(&folder, &socket), &folder);
    assert_eq!(gateway.address, address);
    let senders = Senders::start(address);
    for _ in 0..3 {
        senders.more(BETWEEN_RESTARTS).await;
        gateway.process.signal(rustix::process::Signal::TERM);
        assert_eq!(gateway.process.exit_code().await, Some(0), "{}", gateway.process.log());
        gateway = Gateway::of(&mut activated(&folder, &socket), &folder);
    }
    senders.more(BETWEEN_RESTARTS).await;
    let sent = senders.end().await;
    eventually("every webhook is delivered", async || (destination.messages().len() as u64 == sent).then_some(()))
        .await;
    assert_eq!(get(address, "/readyz", &[]).await.expect("an answer").status, 200);
}
