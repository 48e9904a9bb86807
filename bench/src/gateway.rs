//! The product under test: a process of its own, started from a generated file, asked over HTTP whether it is ready.
//! How it is started is the caller's; what it uses is read by its process id.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use crate::error::{BenchError, BoxError};
use crate::probe;
use crate::stopwatch::{Stopwatch, pause};

/// Longest wait for `/readyz`: far past any goal, so that a slow start is measured and not cut off.
const READY_WAIT_MAX: Duration = Duration::from_secs(120);
/// Pause between two questions; also the resolution of the measured start.
const READY_POLL: Duration = Duration::from_millis(1);
/// How much of its log an error shows.
const LOG_TAIL_BYTES: usize = 2000;
/// The product's own count of the statements that its store has run.
const STATEMENTS_METRIC: &str = "trireme_store_statements_total";

/// What to start.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The generated `trireme.yaml`.
    pub config: PathBuf,
    /// The data folder; a second launch on the same one is a restart.
    pub data: PathBuf,
    /// Where it has to listen.
    pub listen: SocketAddr,
    /// Where its output should go.
    pub log: PathBuf,
    /// The address of the database that it shares with others; `None`: its state is in its data folder.
    pub store: Option<String>,
}

/// Starts gateways.
pub trait Launcher {
    /// Starts one and returns at once: the time until it is ready is measured by the caller.
    ///
    /// # Errors
    /// When there is nothing to start.
    fn launch(&self, launch: &Launch) -> Result<Box<dyn Gateway>, BoxError>;
}

/// A started gateway.
pub trait Gateway {
    /// The process whose use is measured.
    fn pid(&self) -> u32;
    /// How it ended, if it has.
    fn ended(&mut self) -> Option<String>;
    /// Ends it without any notice, and waits until it is gone.
    fn kill(&mut self);
}

/// Starts child processes from a command made for each launch.
pub struct CommandLauncher<F>(pub F);

impl<F: Fn(&Launch) -> Command> Launcher for CommandLauncher<F> {
    fn launch(&self, launch: &Launch) -> Result<Box<dyn Gateway>, BoxError> {
        let log = File::create(&launch.log)?;
        let child = (self.0)(launch).stdin(std::process::Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
        Ok(Box::new(ChildGateway(child)))
    }
}

/// A gateway in a child process; killed when dropped.
struct ChildGateway(Child);

impl Gateway for ChildGateway {
    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn ended(&mut self) -> Option<String> {
        self.0.try_wait().ok().flatten().map(|status| status.to_string())
    }

    fn kill(&mut self) {
        // Both fail only when it is gone already, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for ChildGateway {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A gateway that has said that it is ready.
pub(crate) struct Running {
    gateway: Box<dyn Gateway>,
    launch: Launch,
    /// From just before it was started to the first 200 of `/readyz`.
    pub(crate) ready_after: Duration,
}

impl Running {
    pub(crate) fn start(launcher: &dyn Launcher, launch: Launch) -> Result<Self, BenchError> {
        let stopwatch = Stopwatch::start();
        let mut gateway = launcher.launch(&launch).map_err(BenchError::NotStarted)?;
        let ready_after = wait_ready(gateway.as_mut(), &launch, stopwatch)?;
        Ok(Self { gateway, launch, ready_after })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.gateway.pid()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.launch.listen
    }

    pub(crate) fn kill(&mut self) {
        self.gateway.kill();
    }

    /// An error if it has ended by itself.
    pub(crate) fn check_alive(&mut self) -> Result<(), BenchError> {
        match self.gateway.ended() {
            Some(how) => Err(BenchError::Exited { how, log: tail(&self.launch.log) }),
            None => Ok(()),
        }
    }

    /// Statements that its store has run, if it counts them.
    pub(crate) fn statements(&self) -> Option<f64> {
        let (_, page) = probe::get(self.address(), "/metrics").ok()?;
        probe::counter(&page, STATEMENTS_METRIC)
    }
}

fn wait_ready(gateway: &mut dyn Gateway, launch: &Launch, since: Stopwatch) -> Result<Duration, BenchError> {
    loop {
        let last = match probe::get(launch.listen, "/readyz") {
            Ok((200, _)) => return Ok(since.elapsed()),
            Ok((status, body)) => format!("{status} {body}"),
            Err(error) => error.to_string(),
        };
        if let Some(how) = gateway.ended() {
            return Err(BenchError::Exited { how, log: tail(&launch.log) });
        }
        if since.elapsed() > READY_WAIT_MAX {
            gateway.kill();
            return Err(BenchError::NotReady { waited: READY_WAIT_MAX, last, log: tail(&launch.log) });
        }
        pause(READY_POLL);
    }
}

fn tail(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(&text[text.len().saturating_sub(LOG_TAIL_BYTES)..]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(folder: &Path) -> Launch {
        let listen = crate::rig::free_address().unwrap();
        let (config, data, log) = (folder.join("trireme.yaml"), folder.join("data"), folder.join("log"));
        Launch { config, data, listen, log, store: None }
    }

    #[test]
    fn a_gateway_that_ends_before_it_is_ready_is_reported_with_its_words() {
        let folder = tempfile::tempdir().unwrap();
        let launcher = CommandLauncher(|_: &Launch| {
            let mut command = Command::new("sh");
            command.args(["-c", "echo line 3: unknown key >&2; exit 2"]);
            command
        });
        let error = Running::start(&launcher, launch(folder.path())).err().unwrap();
        assert_eq!(error.code(), "gateway_exited");
        assert!(error.to_string().contains("exit status: 2"), "{error}");
        assert!(error.to_string().contains("line 3: unknown key"), "{error}");
    }

    #[test]
    fn a_command_that_does_not_exist_is_not_a_measurement() {
        let folder = tempfile::tempdir().unwrap();
        let launcher = CommandLauncher(|_: &Launch| Command::new("/nonexistent/trireme"));
        let error = Running::start(&launcher, launch(folder.path())).err().unwrap();
        assert_eq!(error.code(), "gateway_not_started");
    }

    #[test]
    fn a_dropped_gateway_leaves_no_process() {
        let folder = tempfile::tempdir().unwrap();
        let launcher = CommandLauncher(|_: &Launch| {
            let mut command = Command::new("sleep");
            command.arg("60");
            command
        });
        let gateway = launcher.launch(&launch(folder.path())).unwrap();
        let process = PathBuf::from(format!("/proc/{}", gateway.pid()));
        assert!(process.exists());
        drop(gateway);
        assert!(!process.exists());
    }
}
