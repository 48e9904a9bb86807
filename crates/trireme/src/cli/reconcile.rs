//! `trireme reconcile SOURCE STREAM`: compares a stream with what is known of it, and says what was missed.

use std::time::Duration;

use serde_json::{Value, json};

use super::progress::spinner;
use super::streams::span;
use crate::client::{Gateway, GatewayArgs, is_passing, segment};
use crate::exit::{Failure, Outcome};
use crate::output::{Output, aside, cell};

/// Between two looks at a run that goes on.
const LOOK_EVERY: Duration = Duration::from_millis(250);

#[derive(clap::Args, Debug)]
pub struct ReconcileArgs {
    /// The source
    source: String,
    /// The stream, as `trireme streams` lists it
    stream: String,
    /// The account, where the source has several
    #[arg(long, default_value = "default")]
    connection: String,
    /// Only report: no event is made, and nothing is remembered
    #[arg(long)]
    dry_run: bool,
    /// Tell as many deletions as there are; look at the run that waits for it first
    #[arg(long)]
    confirm_deletes: bool,
    /// Start it and do not wait for its end
    #[arg(long)]
    detach: bool,
    #[command(flatten)]
    gateway: GatewayArgs,
}

pub async fn run(args: ReconcileArgs, output: Output) -> Outcome {
    let gateway = Gateway::new(&args.gateway)?;
    let [source, connection, stream] = [&args.source, &args.connection, &args.stream].map(|name| segment(name));
    let path = format!("/api/v1/sources/{source}/connections/{connection}/streams/{stream}/reconcile");
    let wish = json!({ "dry_run": args.dry_run, "confirm_deletes": args.confirm_deletes });
    let begun = gateway.post(&path, &wish).await?;
    if args.detach {
        output.json(&begun)?;
        return output.line(format!("Started as {}.", cell(&begun, "/id")));
    }
    let run = wait_for(&gateway, &begun).await?;
    output.json(&run)?;
    report(&run, output)?;
    verdict(&run)
}

/// Follows a run to its end. It runs in the gateway, not here: whoever stops this command stops nothing else.
async fn wait_for(gateway: &Gateway, begun: &Value) -> Outcome<Value> {
    let path = format!("/api/v1/runs/{}", segment(&cell(begun, "/id")));
    let progress = spinner();
    loop {
        match gateway.get(&path).await {
            Ok(run) if run["state"] != "running" => {
                progress.finish_and_clear();
                return Ok(run);
            }
            Ok(run) => {
                progress.set_message(so_far(&run));
            }
            // After a restart of the gateway the run is told as interrupted.
            Err(failure) if is_passing(&failure) => {}
            Err(failure) => return Err(failure),
        }
        gateway.clock.sleep(LOOK_EVERY).await;
    }
}

/// How far a run has come.
fn so_far(run: &Value) -> String {
    let [seen, pages, requests, missed] = ["seen", "pages", "requests", "missed"].map(|name| figure(run, name));
    format!("{seen} records on {pages} pages read with {requests} requests, {missed} missed")
}

fn figure(run: &Value, name: &str) -> u64 {
    run["figures"][name].as_u64().unwrap_or_default()
}

fn report(run: &Value, output: Output) -> Outcome {
    if run["kind"] == "backfill" {
        output
            .line("The stream was never read to its end, so this was its first scan. The next run compares with it.")?;
    }
    let [source, connection, stream] = ["/source", "/connection", "/stream"].map(|at| cell(run, at));
    let dry = if run["dry_run"] == true { " (dry run: nothing was told)" } else { "" };
    output.line(format!("{source}/{connection}/{stream}: {}{dry}", cell(run, "/state")))?;
    if let Some(remark) = remark(run) {
        output.line(remark)?;
    }
    let names = [
        ("seen", "records read"),
        ("matched", "known as they are"),
        ("missed", "changed, and told by nobody"),
        ("late", "gaps found earlier whose webhook came after all"),
        ("young", "changed too recently to be judged"),
        ("changed", "changed without a new version"),
        ("deleted", "gone"),
        ("unconfirmed", "seem gone, not confirmed"),
        ("pages", "pages with records"),
        ("requests", "requests to the source"),
    ];
    for (name, meaning) in names {
        output.line(format!("{:>9}  {name:<11}  {meaning}", figure(run, name)))?;
    }
    if let Some(trust) = trust(run) {
        output.line(trust)?;
    }
    let gaps = run["gaps"].as_array().map(Vec::as_slice).unwrap_or_default();
    if gaps.is_empty() {
        return Ok(());
    }
    let row = |gap: &Value| ["/subject", "/action", "/version", "/event"].map(|at| cell(gap, at)).to_vec();
    output.table(&["MISSED", "ACTION", "VERSION", "EVENT"], gaps.iter().map(row).collect())?;
    let listed = gaps.len() as u64;
    if figure(run, "missed") > listed {
        aside(format!("The first {listed} of {} are listed.", figure(run, "missed")));
    }
    Ok(())
}

/// What a run that is done did not do all the same.
fn remark(run: &Value) -> Option<String> {
    let problem = run["problem"].as_str().filter(|_| run["state"] == "done")?;
    Some(format!("But {problem}."))
}

/// How far the sender's webhooks can be relied on, in a sentence.
fn trust(run: &Value) -> Option<String> {
    let caught = run.pointer("/trust/caught")?.as_f64()?;
    let delay = |name: &str| run["trust"][name].as_f64().map(span);
    let delays = match (delay("delay_p50_seconds"), delay("delay_p99_seconds")) {
        (Some(half), Some(nearly_all)) => format!(": half of them within {half}, 99 % within {nearly_all}"),
        _ => String::new(),
    };
    Some(format!("Webhooks told {:.1} % of the changes{delays}.", caught * 100.0))
}

/// What did not end well is a failure of the command too, so that scripts notice.
fn verdict(run: &Value) -> Outcome {
    let problem = cell(run, "/problem");
    match run["state"].as_str() {
        Some("done") => Ok(()),
        Some("waiting") => Err(Failure::general("deletes_waiting", problem)
            .hint("If they are gone for good, reconcile again with --confirm-deletes.")),
        Some("interrupted") => Err(Failure::general("run_interrupted", "the gateway stopped while it ran")
            .hint("What it told counts. Reconcile again for the rest.")),
        _ => Err(Failure::general("run_failed", problem).hint("What it told before counts.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_says_how_far_a_run_has_come() {
        let run = json!({ "figures": { "seen": 1200, "pages": 12, "requests": 13, "missed": 2 } });
        assert_eq!(so_far(&run), "1200 records on 12 pages read with 13 requests, 2 missed");
    }

    #[test]
    fn trust_is_a_sentence_and_a_bad_end_is_a_failure() {
        let run = json!({ "trust": { "caught": 0.9712, "delay_p50_seconds": 2.1, "delay_p99_seconds": 95.0 } });
        let said = "Webhooks told 97.1 % of the changes: half of them within 2.1s, 99 % within 1.6m.";
        assert_eq!(trust(&run).as_deref(), Some(said));
        assert_eq!(
            trust(&json!({ "trust": { "caught": 0.0 } })).as_deref(),
            Some("Webhooks told 0.0 % of the changes.")
        );
        assert_eq!(trust(&json!({})), None);
        assert!(verdict(&json!({ "state": "done" })).is_ok());
        let blind = json!({ "state": "done", "problem": "what is gone was not looked for" });
        assert_eq!(remark(&blind).as_deref(), Some("But what is gone was not looked for."));
        assert_eq!(remark(&json!({ "state": "failed", "problem": "because" })), None, "the failure says it");
        for (state, code) in
            [("failed", "run_failed"), ("waiting", "deletes_waiting"), ("interrupted", "run_interrupted")]
        {
            let failure = verdict(&json!({ "state": state, "problem": "because" })).expect_err(state);
            assert_eq!((failure.code.as_str(), failure.exit.code()), (code, 1));
        }
    }
}
