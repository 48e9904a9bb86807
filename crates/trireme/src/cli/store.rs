//! `trireme store copy`: everything a gateway keeps, moved to another store while nothing runs on either.

use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use engine::clock::{SharedClock, SystemClock};
use indicatif::ProgressBar;
use serde_json::{Value, json};
use store::copying::PAGE_ROWS;
use store::copying::carry::{Compared, Progress};
use store::copying::table::Table;

use super::progress;
use crate::config::StoreChoice;
use crate::exit::{Failure, Outcome};
use crate::output::{Output, aside};
use crate::wiring::copying::{self, Arrived, Move};
use crate::wiring::runtime::run_here;

/// How often a line tells how far it is where no bar is shown.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Digits of a digest that a table shows: enough to tell two apart; JSON has all of them.
const DIGEST_SHOWN: usize = 16;

#[derive(clap::Args, Debug)]
pub struct StoreArgs {
    #[command(subcommand)]
    command: StoreCommand,
}

#[derive(clap::Subcommand, Debug)]
enum StoreCommand {
    /// Copy everything to an empty store, compare both, and say what to do next
    #[command(after_help = COPY_HELP)]
    Copy(CopyArgs),
}

const COPY_HELP: &str = "\
Stop every gateway of both stores first: one that runs is refused, and none starts while a copy is made.
Rows are copied in transactions of 2,000 rows or 8 MiB, whichever is less; a single row may be larger.
A copy that was interrupted goes on when the same command is given again, unless the store it comes from
was in use since. Until it is whole, no gateway starts on the new store (exit code 3).
The source is only read, a note of the copy aside. Both are brought to this version's schema; a store of
a newer version is refused. Secrets stay sealed: the new store needs the same master key.

Exit codes: 0 copied and equal, 1 interrupted, 2 usage, 3 a store cannot be had or is not what it has to
be, 4 the master key is being changed, 74 disk.";

#[derive(clap::Args, Debug)]
struct CopyArgs {
    /// Store to copy, as sqlite:PATH or postgres://…
    #[arg(long, env = "TRIREME_COPY_FROM", value_name = "STORE", hide_env_values = true)]
    from: String,
    /// Empty store to copy to, as sqlite:PATH or postgres://…; a file is made
    #[arg(long, env = "TRIREME_COPY_TO", value_name = "STORE", hide_env_values = true)]
    to: String,
    /// Most rows of a transaction, from 1 to 2000: fewer where the new store is slow or far away
    #[arg(long, default_value_t = PAGE_ROWS as u64, value_name = "ROWS")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=PAGE_ROWS as u64))]
    batch: u64,
}

pub fn run(args: StoreArgs, output: Output) -> Outcome {
    match args.command {
        StoreCommand::Copy(args) => run_here(copy(args, output)),
    }
}

async fn copy(args: CopyArgs, output: Output) -> Outcome {
    let choice = |option: &str, text: &str| {
        StoreChoice::parse(text, Path::new("")).map_err(|problem| Failure::usage(format!("{option}: {problem}")))
    };
    let (from, to) = (choice("--from", &args.from)?, choice("--to", &args.to)?);
    let clock = SystemClock::shared();
    let stores = copying::open(from, to, &clock).await?;
    let copied = copy_between(&stores, args.batch, output, &clock).await;
    stores.close().await;
    copied
}

async fn copy_between(stores: &Move, batch: u64, output: Output, clock: &SharedClock) -> Outcome {
    let (mut carrier, resumed) = stores.begin().await?;
    carrier.page_rows = usize::try_from(batch).unwrap_or(PAGE_ROWS);
    let counted = stores.count().await?;
    let mut report = Report::new(&counted, clock);
    if resumed {
        let begun = carrier.mark.begun_at;
        aside(format!("Goes on with the copy of {} that was begun at {begun}.", carrier.mark.from));
    }
    report.resume(carrier.mark.table, carrier.mark.rows);
    let interrupted = interrupted();
    let mut watch = |progress| {
        report.tell(progress);
        if interrupted.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let arrived = stores.carry(carrier, &mut watch).await;
    report.end();
    match arrived? {
        Some(arrived) => tell_arrived(stores, &arrived, &report, output),
        None => Err(Failure::general("copy_interrupted", "the copy was interrupted")
            .hint("Run the same command again: it goes on from there. Until it is whole no gateway starts on it.")),
    }
}

/// Becomes true when somebody asks for the end: what is under way is finished first.
fn interrupted() -> Arc<AtomicBool> {
    let asked = Arc::new(AtomicBool::new(false));
    let heard = Arc::clone(&asked);
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            heard.store(true, Ordering::Relaxed);
        }
    });
    asked
}

/// Says how far it is: a bar to whoever watches, else lines.
struct Report {
    counted: Vec<(Table, u64)>,
    bar: Option<ProgressBar>,
    clock: SharedClock,
    begun: Duration,
    told: Duration,
    comparing: bool,
    /// Rows that are there, of this phase, and those that this process brought.
    done: u64,
    copied: u64,
    copied_in: Duration,
}

impl Report {
    fn new(counted: &[(Table, u64)], clock: &SharedClock) -> Self {
        let total = counted.iter().map(|(_, rows)| rows).sum();
        let bar = io::stderr().is_terminal().then(|| progress::bar(total, "copying"));
        let now = clock.monotonic();
        Self {
            counted: counted.to_vec(),
            bar,
            clock: SharedClock::clone(clock),
            begun: now,
            told: now,
            comparing: false,
            done: 0,
            copied: 0,
            copied_in: Duration::ZERO,
        }
    }

    fn total(&self) -> u64 {
        self.counted.iter().map(|(_, rows)| rows).sum()
    }

    /// What an earlier process brought counts as there.
    fn resume(&mut self, table: Option<Table>, rows: u64) {
        let before = self.counted.iter().filter(|(other, _)| table.is_none_or(|table| *other < table));
        self.done = before.map(|(_, rows)| rows).sum::<u64>() + rows;
        if let Some(bar) = &self.bar {
            bar.set_position(self.done);
            bar.reset_eta();
        }
    }

    fn tell(&mut self, progress: Progress) {
        let (table, rows, comparing) = match progress {
            Progress::Copied { table, rows } => (table, rows, false),
            Progress::Compared { table, rows } => (table, rows, true),
        };
        if comparing && !self.comparing {
            self.begin_comparing();
        }
        self.done += rows;
        if !comparing {
            self.copied += rows;
            self.copied_in = self.clock.monotonic().saturating_sub(self.begun);
        }
        match &self.bar {
            Some(bar) => bar.set_position(self.done),
            None => self.line(table),
        }
    }

    fn begin_comparing(&mut self) {
        self.comparing = true;
        self.done = 0;
        if let Some(bar) = &self.bar {
            bar.set_position(0);
            bar.set_message("comparing");
            bar.reset_eta();
        }
    }

    fn line(&mut self, table: Table) {
        let now = self.clock.monotonic();
        if now.saturating_sub(self.told) < LINE_EVERY {
            return;
        }
        self.told = now;
        let what = if self.comparing { "compared" } else { "copied" };
        aside(format!("{what} {} of {} rows, now {}{}", self.done, self.total(), table.name(), self.rate()));
    }

    /// Of what this process copied.
    fn rate(&self) -> String {
        let seconds = self.copied_in.as_secs_f64();
        if seconds < 0.1 { String::new() } else { format!(" ({:.0} rows/s)", self.copied as f64 / seconds) }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn tell_arrived(stores: &Move, arrived: &Arrived, report: &Report, output: Output) -> Outcome {
    let (from, to) = (&stores.from.place, &stores.to.place);
    let rows: u64 = arrived.compared.iter().map(|one| one.to.rows).sum();
    let tables: Vec<Value> = arrived.compared.iter().map(compared_json).collect();
    output.json(&json!({
        "from": from, "to": to, "rows": rows, "copied": report.copied,
        "copied_in_ms": u64::try_from(report.copied_in.as_millis()).unwrap_or(u64::MAX),
        "master_key": arrived.key_id, "cluster": arrived.cluster, "tables": tables,
    }))?;
    output.table(&["TABLE", "ROWS", "DIGEST", "BOTH"], arrived.compared.iter().map(compared_row).collect())?;
    output.line(format!("{rows} rows are in {to}, the same as in {from}{}.", report.rate()))?;
    if let Some(key) = &arrived.key_id {
        output.line(format!(
            "Their secrets are sealed by the master key {key} as before: start on the new store with the same key, as \
             TRIREME_MASTER_KEY or, for SQLite, as master.key in the data folder."
        ))?;
    }
    if let Some(cluster) = &arrived.cluster {
        output.line(format!("The new store belongs to the cluster '{cluster}', too."))?;
    }
    output.line(format!("Start nothing on {from} any more: what waits would be delivered from both."))
}

fn compared_row(one: &Compared) -> Vec<String> {
    let digest = one.to.digest().chars().take(DIGEST_SHOWN).collect();
    let same = if one.is_same() { "equal" } else { "differ" };
    vec![one.table.name().to_owned(), one.to.rows.to_string(), digest, same.to_owned()]
}

fn compared_json(one: &Compared) -> Value {
    json!({ "table": one.table.name(), "rows": one.to.rows, "digest": one.to.digest(), "equal": one.is_same() })
}
