//! The product under test: the real binary on a data folder of its own, on a real disk.

use std::fs::{File, OpenOptions};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::http;
use crate::wait::{PATIENCE, until, until_some, within};

/// Given to every gateway, so that the API can be asked.
pub const ADMIN_KEY: &str = "trk_admin_chaoschaoschaoschaoschaoschaoschaoschaos";

/// Where a gateway lives: its folder, its port and its settings stay over restarts.
pub struct Home {
    folder: TempDir,
    data: PathBuf,
    pub address: SocketAddr,
    environment: Vec<(String, String)>,
}

impl Home {
    /// Of a configuration; JSON is YAML.
    pub fn new(config: &Value) -> Self {
        let folder = tempfile::Builder::new().prefix("chaos-").tempdir_in(env!("CARGO_TARGET_TMPDIR"));
        let folder = folder.expect("the target folder takes another one");
        let data = folder.path().join("data");
        let home = Self { data, folder, address: free_address(), environment: Vec::new() };
        home.configure(config);
        home
    }

    pub fn configure(&self, config: &Value) {
        std::fs::write(self.config(), format!("{config:#}")).expect("the configuration is written");
    }

    /// Keeps its data in a folder that somebody else made, such as a small disk.
    pub fn with_data(mut self, data: PathBuf) -> Self {
        self.data = data;
        self
    }

    pub fn with_environment(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    pub fn database(&self) -> PathBuf {
        self.data.join("trireme.db")
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("trireme.yaml")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Everything that it ever printed.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.log_file()).unwrap_or_default()).into_owned()
    }

    /// Starts it and returns at once.
    pub fn spawn(&self) -> Gateway {
        self.spawn_with(&[])
    }

    pub fn spawn_with(&self, arguments: &[&str]) -> Gateway {
        let log = OpenOptions::new().create(true).append(true).open(self.log_file()).expect("a log file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_trireme"));
        command.arg("serve").arg("--config").arg(self.config()).arg("--data").arg(self.data());
        command.arg("--listen").arg(self.address.to_string()).args(arguments);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TRIREME_")) {
            command.env_remove(name);
        }
        command.env("TRIREME_ADMIN_KEY", ADMIN_KEY).env("RUST_BACKTRACE", "1");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let errors: File = log.try_clone().expect("a second handle of a file");
        let child = command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn();
        Gateway { child: child.expect("the binary starts"), address: self.address }
    }

    /// Starts it and waits until it is ready.
    pub fn start(&self) -> Gateway {
        self.ready(self.spawn())
    }

    pub fn ready(&self, mut gateway: Gateway) -> Gateway {
        until("the gateway is ready", || {
            if let Some(status) = gateway.ended() {
                panic!("the gateway ended with {status} before it was ready:\n{}", self.log_end());
            }
            gateway.is_ready()
        });
        gateway
    }

    pub fn log_end(&self) -> String {
        let log = self.log();
        let skip = log.lines().count().saturating_sub(60);
        log.lines().skip(skip).collect::<Vec<_>>().join("\n")
    }
}

/// A port that nobody uses just now.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
    listener.local_addr().expect("it is bound")
}

/// A running process; killed when dropped.
pub struct Gateway {
    child: Child,
    pub address: SocketAddr,
}

impl Gateway {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn is_ready(&self) -> bool {
        http::once(self.address, "GET", "/readyz", &[], b"").is_ok_and(|response| response.status == 200)
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("it is our child")
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        // Fails only when it is gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to stop, and waits until it has.
    pub fn terminate(mut self) -> ExitStatus {
        self.ask_to_stop();
        self.end()
    }

    pub fn ask_to_stop(&self) {
        self.signal(rustix::process::Signal::TERM);
    }

    /// Stands still, as a machine that was suspended does, until [`go_on`](Self::go_on).
    pub fn stand_still(&self) {
        self.signal(rustix::process::Signal::STOP);
    }

    pub fn go_on(&self) {
        self.signal(rustix::process::Signal::CONT);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.pid().cast_signed()).expect("a process has a number");
        rustix::process::kill_process(pid, signal).expect("it is our child");
    }

    /// Waits until it ends by itself.
    pub fn end(&mut self) -> ExitStatus {
        until_some("the gateway ends", || self.ended())
    }

    pub fn ends_within(&mut self, time: Duration) -> Option<ExitStatus> {
        within(time.min(PATIENCE), || self.ended())
    }

    /// Resident memory.
    pub fn memory_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has memory");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of KiB");
        kib * 1024
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.kill();
    }
}
