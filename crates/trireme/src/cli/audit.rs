//! `trireme audit`: who did what, listed, taken away, and verified without trusting the gateway.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

use domain::audit::{AuditKey, Line, Verdict, Verifier};
use engine::audit::open_sealed_key;
use engine::spec::Secret;
use engine::vault::Vault;
use serde_json::{Value, json};

use super::Environment;
use super::serve::secret;
use crate::client::{Gateway, GatewayArgs, segment};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{Output, cell};
use crate::wiring::master_key::{file_failure, given_key};

/// Longest line of an export: an entry has a few thousand bytes, a statement some for each node.
const LINE_BYTES_MAX: u64 = 1024 * 1024;

#[derive(clap::Args, Debug)]
pub struct AuditArgs {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(clap::Subcommand, Debug)]
enum AuditCommand {
    /// Who did what, newest first
    List(ListArgs),
    /// The whole log as lines of JSON, with what was signed about it
    Export(ExportArgs),
    /// Verify an export: that no entry was changed, taken out or cut off
    Verify(VerifyArgs),
}

#[derive(clap::Args, Debug)]
struct ListArgs {
    /// A kind of caller (key, session, cli, file, system, unknown), or the id of a key
    #[arg(long)]
    who: Option<String>,
    /// As `destination.pause`; `destination.*` takes all that begin so
    #[arg(long)]
    action: Option<String>,
    /// As `destination/app`; `source/*` takes all that begin so
    #[arg(long)]
    object: Option<String>,
    /// begun (and never ended), done, failed or refused
    #[arg(long)]
    outcome: Option<String>,
    /// From then on, as 2026-01-31T09:30:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Until then
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Entries at most
    #[arg(long, default_value_t = 50)]
    limit: u32,
    #[command(flatten)]
    gateway: GatewayArgs,
}

#[derive(clap::Args, Debug)]
struct ExportArgs {
    #[command(flatten)]
    gateway: GatewayArgs,
}

#[derive(clap::Args, Debug)]
struct VerifyArgs {
    /// An export; without one it is asked of the gateway
    file: Option<PathBuf>,
    /// File of the master key, by which signatures are verified too; TRIREME_MASTER_KEY does the same
    #[arg(long, value_name = "FILE")]
    master_key: Option<PathBuf>,
    #[command(flatten)]
    gateway: GatewayArgs,
}

pub async fn run(args: AuditArgs, output: Output, environment: Environment<'_>) -> Outcome {
    match args.command {
        AuditCommand::List(args) => list(args, output).await,
        AuditCommand::Export(args) => export(&args.gateway, |bytes| output.bytes(bytes)).await,
        AuditCommand::Verify(args) => verify(args, output, secret(environment, "TRIREME_MASTER_KEY")).await,
    }
}

async fn list(args: ListArgs, output: Output) -> Outcome {
    let gateway = Gateway::new(&args.gateway)?;
    let asked = [
        ("who", args.who),
        ("action", args.action),
        ("object", args.object),
        ("outcome", args.outcome),
        ("since", args.since),
        ("until", args.until),
    ];
    let mut path = format!("/api/v1/audit?limit={}", args.limit);
    for (name, value) in asked {
        path.extend(value.map(|value| format!("&{name}={}", segment(&value))));
    }
    let page = gateway.get(&path).await?;
    output.json(&page)?;
    let rows = page["data"].as_array().into_iter().flatten().map(row).collect();
    output.table(&["AT", "WHO", "FROM", "ACTION", "OBJECT", "OUTCOME", "DETAIL"], rows)
}

fn row(entry: &Value) -> Vec<String> {
    let who = [cell(entry, "/who"), cell(entry, "/who_id")].join(" ");
    let [at, from, action] = ["/at", "/from", "/action"].map(|at| cell(entry, at));
    let [object, outcome, detail] = ["/object", "/outcome", "/detail"].map(|at| cell(entry, at));
    vec![at, who.trim_end().to_owned(), from, action, object, outcome, detail]
}

async fn export(gateway: &GatewayArgs, mut take: impl FnMut(&[u8]) -> Outcome) -> Outcome {
    let gateway = Gateway::new(gateway)?;
    let mut response = gateway.open("/api/v1/audit/export", None).await?;
    while let Some(chunk) = response.chunk().await {
        let chunk = chunk.map_err(|error| Failure::general(error.code(), format!("the export broke off: {error}")))?;
        take(&chunk)?;
    }
    Ok(())
}

async fn verify(args: VerifyArgs, output: Output, given: Option<Secret>) -> Outcome {
    let vault = vault(&args, given.as_ref())?;
    let mut check = Check { vault, verifier: None, over: false, number: 0 };
    match &args.file {
        Some(path) => {
            let file = File::open(path).map_err(|error| Failure::file("cannot read", path, &error))?;
            check.read(file)?;
        }
        None => {
            let mut rest = Vec::new();
            export(&args.gateway, |bytes| check.take(&mut rest, bytes)).await?;
            check.end(&rest)?;
        }
    }
    tell(check.verdict()?, output)
}

/// What opens the key that signed; `None` where nobody gave it.
fn vault(args: &VerifyArgs, given: Option<&Secret>) -> Outcome<Option<Vault>> {
    let key = match (&args.master_key, given) {
        (Some(path), _) if !path.exists() => {
            return Err(Failure::usage(format!("there is no master key in {}", path.display())));
        }
        (Some(path), _) => {
            let read = engine::vault::MasterKey::from_file(path, &engine::entropy::SystemEntropy::new());
            Some(file_failure(read)?)
        }
        (None, Some(given)) => Some(given_key("TRIREME_MASTER_KEY", given)?),
        (None, None) => None,
    };
    Ok(key.map(Vault::new))
}

/// An export that is being verified.
struct Check {
    vault: Option<Vault>,
    /// From the first line on.
    verifier: Option<Verifier>,
    over: bool,
    number: u64,
}

impl Check {
    fn read(&mut self, file: File) -> Outcome {
        let mut reader = BufReader::new(file);
        let mut line = String::new();
        loop {
            line.clear();
            let read = (&mut reader).take(LINE_BYTES_MAX).read_line(&mut line);
            match read {
                Ok(0) => return Ok(()),
                Ok(_) => self.line(&line)?,
                Err(error) => return Err(not_an_export(self.number + 1, &error.to_string())),
            }
        }
    }

    /// Pieces as they come: whole lines are taken, the beginning of the next stays in `rest`.
    fn take(&mut self, rest: &mut Vec<u8>, bytes: &[u8]) -> Outcome {
        rest.extend_from_slice(bytes);
        let Some(end) = rest.iter().rposition(|byte| *byte == b'\n') else { return Ok(()) };
        let whole: Vec<u8> = rest.drain(..=end).collect();
        self.end(&whole)
    }

    fn end(&mut self, bytes: &[u8]) -> Outcome {
        String::from_utf8_lossy(bytes).lines().try_for_each(|line| self.line(line))
    }

    fn line(&mut self, text: &str) -> Outcome {
        self.number += 1;
        let wrong = |detail: String| not_an_export(self.number, &detail);
        let line = Line::parse(text.trim_end()).map_err(|error| wrong(error.to_string()))?;
        match (&line, &mut self.verifier) {
            (Line::Export { key, .. }, None) => self.verifier = Some(Verifier::new(self.key(key.as_deref())?)),
            (_, Some(verifier)) => verifier.line(line.clone()).map_err(|error| wrong(error.to_string()))?,
            (_, None) => return Err(wrong("its first line is missing".to_owned())),
        }
        self.over |= matches!(line, Line::End { .. });
        Ok(())
    }

    fn key(&self, sealed: Option<&str>) -> Outcome<Option<AuditKey>> {
        let (Some(vault), Some(sealed)) = (&self.vault, sealed) else { return Ok(None) };
        let opened = open_sealed_key(vault, sealed);
        opened.map(Some).map_err(|error| Failure::new(Exit::MasterKey, error.code(), error.to_string()))
    }

    fn verdict(self) -> Outcome<Verdict> {
        if !self.over {
            let message = format!("the export is not whole: it ends after line {} without its last one", self.number);
            return Err(Failure::general("export_incomplete", message).hint("Export it again."));
        }
        Ok(self.verifier.map(Verifier::finish).unwrap_or_default())
    }
}

fn not_an_export(line: u64, detail: &str) -> Failure {
    Failure::general("not_an_export", format!("line {line}: {detail}"))
}

fn tell(verdict: Verdict, output: Output) -> Outcome {
    let fault = |fault: &domain::audit::Fault| json!({ "code": fault.code(), "detail": fault.to_string() });
    output.json(&json!({
        "holds": verdict.holds(),
        "entries": verdict.entries,
        "statements": verdict.statements,
        "signatures_verified": verdict.with_key,
        "faults": verdict.faults.iter().map(fault).collect::<Vec<_>>(),
        "more": verdict.more,
    }))?;
    if verdict.holds() {
        let signed =
            if verdict.with_key { "signatures verified" } else { "signatures not verified: no master key was given" };
        let Verdict { entries, statements, .. } = verdict;
        return output.line(format!("The log holds: {entries} entries, {statements} statements, {signed}."));
    }
    let told: Vec<String> = verdict.faults.iter().map(ToString::to_string).collect();
    let more = if verdict.more > 0 { format!("\nand {} more", verdict.more) } else { String::new() };
    Err(Failure::general("audit_broken", format!("the log does not hold:\n{}{more}", told.join("\n"))))
}
