//! The program under test, run as whoever drives such connectors runs it.

use std::io::{self, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use testkit::goldens::{Connector, Ended, Files, Verb};

/// No case waits longer than a few seconds; a run that takes this long hangs.
const HUNG_AFTER: Duration = Duration::from_secs(90);

/// `trireme connector …`. Keeps what the last run wrote beside its messages, for reports.
#[derive(Default)]
pub struct Trireme {
    pub said: String,
}

impl Connector for Trireme {
    fn run(&mut self, verb: Verb, files: &Files) -> io::Result<Ended> {
        let mut child = command(verb, files).spawn()?;
        let said = listen(child.stderr.take());
        let printed = listen(child.stdout.take());
        let stdout = printed.recv_timeout(HUNG_AFTER);
        let exit = match &stdout {
            Ok(_) => child.wait()?.code(),
            Err(_) => end(&mut child)?,
        };
        self.said = said.recv_timeout(HUNG_AFTER).unwrap_or_default();
        Ok(Ended { exit, stdout: stdout.unwrap_or_else(|_| format!("hung for {HUNG_AFTER:?} and was ended")) })
    }
}

fn command(verb: Verb, files: &Files) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trireme"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TRIREME_") {
            command.env_remove(name);
        }
    }
    command.env("TRIREME_EGRESS_ALLOW", "127.0.0.0/8,::1/128");
    command.args(["connector", verb.word(), "--manifest"]).arg(&files.manifest);
    if verb != Verb::Spec {
        command.arg("--config").arg(&files.config);
    }
    if verb == Verb::Read {
        command.arg("--catalog").arg(&files.catalog);
        if let Some(state) = &files.state {
            command.arg("--state").arg(state);
        }
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Everything that comes through a pipe, once it is closed.
fn listen(pipe: Option<impl Read + Send + 'static>) -> std::sync::mpsc::Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What came before an error is still worth reading.
            let _ = pipe.read_to_end(&mut bytes);
        }
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

fn end(child: &mut Child) -> io::Result<Option<i32>> {
    child.kill()?;
    Ok(child.wait()?.code())
}
