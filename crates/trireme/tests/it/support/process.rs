//! The real binary as a child process.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::Value;

use super::http::{Answer, get};
use super::{Folder, eventually, eventually_blocking};

/// The binary, with none of the variables that it reads.
pub fn trireme() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trireme"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("TRIREME_") || name.starts_with("LISTEN_") || name == "NOTIFY_SOCKET" {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub fn run(arguments: &[&str]) -> Output {
    trireme().args(arguments).output().expect("the binary can be started")
}

/// `serve` on a folder, on a free port.
pub fn serve(folder: &Folder) -> Command {
    serve_at(folder, "127.0.0.1:0")
}

/// `serve` on a folder and an address.
pub fn serve_at(folder: &Folder, address: &str) -> Command {
    let mut command = trireme();
    command.args(["serve", "--json", "--log", "json", "--listen", address]);
    command.arg("--config").arg(folder.config()).arg("--data").arg(folder.data());
    command
}

/// A process that is killed with the test.
pub struct Process {
    child: Child,
    lines: Receiver<String>,
    log: PathBuf,
}

impl Process {
    /// Starts it with its log in a file of `folder`.
    pub fn start(command: &mut Command, folder: &Path) -> Self {
        let (_, log) = tempfile::Builder::new()
            .prefix("log-")
            .tempfile_in(folder)
            .and_then(|file| Ok(file.keep()?))
            .expect("the folder is ours");
        let stderr = File::create(&log).expect("it was just made");
        let mut child = command.stdout(Stdio::piped()).stderr(stderr).spawn().expect("the binary can be started");
        let stdout = child.stdout.take().expect("it is piped");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines, log }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line of its output.
    pub fn line(&mut self) -> String {
        let line = self.lines.recv_timeout(super::DEADLINE);
        line.unwrap_or_else(|error| panic!("no line came ({error}); its log:\n{}", self.log()))
    }

    /// Everything that it has written to stderr.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Writes to its stdin, which its command has to pipe.
    pub fn types(&mut self, text: &str) {
        let stdin = self.child.stdin.as_mut().expect("it is piped");
        stdin.write_all(text.as_bytes()).and_then(|()| stdin.flush()).expect("it reads");
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(rustix::process::Pid::from_raw).expect("a child has an id");
        rustix::process::kill_process(pid, signal).expect("it is ours");
    }

    pub fn has_ended(&mut self) -> bool {
        self.try_ended().is_some()
    }

    /// How it ended, if it has.
    pub fn try_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("it is ours")
    }

    /// Waits for its end.
    pub fn ended(&mut self) -> ExitStatus {
        eventually_blocking("the end of the process", || self.try_ended())
    }

    pub async fn exit_code(&mut self) -> Option<i32> {
        eventually("the end of the process", async || self.try_ended()).await.code()
    }

    pub async fn logs(&self, text: &str) {
        eventually(&format!("'{text}' in the log"), async || self.log().contains(text).then_some(())).await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "--- the log of process {}:\n{}", self.pid(), self.log());
        }
    }
}

/// A gateway that serves.
pub struct Gateway {
    pub process: Process,
    pub address: SocketAddr,
    /// The line that it began with.
    pub announced: Value,
    pub key: String,
}

/// The key of every gateway that tests start by [`Gateway::start`].
pub const ADMIN_KEY: &str = "trk_admin_0123456789abcdef0123456789abcdef";

impl Gateway {
    /// `serve` on a folder, with a key that the test knows.
    pub fn start(folder: &Folder) -> Self {
        Self::of(serve(folder).env("TRIREME_ADMIN_KEY", ADMIN_KEY), folder)
    }

    /// A gateway from a command that announces itself as JSON.
    pub fn of(command: &mut Command, folder: &Folder) -> Self {
        let mut process = Process::start(command, folder.path());
        let announced: Value = serde_json::from_str(&process.line()).expect("it announces itself as JSON");
        let address = announced["listening"][0]["address"].as_str().expect("it listens").parse().expect("an address");
        let key = announced["api_key"].as_str().unwrap_or(ADMIN_KEY).to_owned();
        Self { process, address, announced, key }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The answer of the API to a GET.
    pub async fn api(&self, path: &str) -> Answer {
        let authorization = format!("Bearer {}", self.key);
        get(self.address, path, &[("authorization", authorization)]).await.expect("the gateway answers")
    }

    /// A client command against this gateway.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = trireme();
        command.args(arguments).env("TRIREME_URL", self.url()).env("TRIREME_KEY", &self.key);
        command
    }

    /// The same, to its end, which must be good; gives its output.
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("the binary can be started");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?} ended with {}: {said}", output.status);
        String::from_utf8(output.stdout).expect("text")
    }

    /// Ends it in order.
    pub fn stop(mut self) {
        self.process.signal(rustix::process::Signal::TERM);
        assert_eq!(self.process.ended().code(), Some(0), "{}", self.process.log());
    }
}
