//! `trireme replay`: delivers stored events once more. The plan is shown before anything is sent.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::filter::{FilterArgs, TimeArgs, object};
use super::progress::{bar, confirm};
use crate::client::{Gateway, GatewayArgs, is_passing, segment};
use crate::exit::{Failure, Outcome};
use crate::output::{Output, aside, cell};

/// Between two looks at a running replay.
const LOOK_EVERY: Duration = Duration::from_millis(250);

#[derive(clap::Args, Debug)]
pub struct ReplayArgs {
    /// These events, by id; else all that the filter lets through
    #[arg(long = "event", value_name = "ID")]
    events: Vec<String>,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    time: TimeArgs,
    /// Only to this destination; else along every route that takes the event
    #[arg(long)]
    destination: Option<String>,
    /// Deliveries made per second at most
    #[arg(long, value_name = "PER_SECOND")]
    rate: Option<u32>,
    /// Give the messages new ids, so that receivers who deduplicate take them as new
    #[arg(long)]
    new_ids: bool,
    /// Show the plan and stop
    #[arg(long)]
    dry_run: bool,
    /// Do not ask first
    #[arg(long)]
    yes: bool,
    /// Start it and do not wait for its end
    #[arg(long)]
    detach: bool,
    #[command(flatten)]
    gateway: GatewayArgs,
}

pub async fn run(args: ReplayArgs, output: Output) -> Outcome {
    let gateway = Gateway::new(&args.gateway)?;
    let mut request = request_of(&args, &gateway)?;
    request.insert("dry_run".into(), true.into());
    let plan = gateway.post("/api/v1/replays", &request.clone().into()).await?;
    let planned = plan["events"].as_u64().unwrap_or_default();
    show_plan(&plan, output)?;
    if args.dry_run || planned == 0 {
        return output.json(&plan);
    }
    if !args.yes && !confirm(&format!("Replay {planned} events?"), "--yes")? {
        return Err(Failure::general("cancelled", "nothing was sent"));
    }
    request.remove("dry_run");
    let replay = gateway.post("/api/v1/replays", &request.into()).await?;
    if args.detach {
        output.json(&replay)?;
        return output.line(format!("Started as {}.", cell(&replay, "/id")));
    }
    let replay = wait_for(&gateway, replay).await?;
    output.json(&replay)?;
    let [state, events, deliveries] = ["/state", "/events_done", "/deliveries_made"].map(|at| cell(&replay, at));
    output.line(format!("{state}: {events} events gave {deliveries} new deliveries."))
}

fn request_of(args: &ReplayArgs, gateway: &Gateway) -> Outcome<Map<String, Value>> {
    let parameters = args.filter.parameters().chain(args.time.parameters(gateway.clock.now())?);
    let filter = object(parameters);
    let mut request = Map::new();
    match (args.events.is_empty(), filter.is_empty()) {
        (false, true) => request.insert("event_ids".into(), json!(args.events)),
        (true, false) => request.insert("filter".into(), filter.into()),
        (false, false) => return Err(Failure::usage("choose events by --event or by a filter, not by both")),
        (true, true) => {
            return Err(Failure::usage("this would replay every event there is")
                .hint("Choose some, as with --source github --since 1h; --since 9999d takes them all."));
        }
    };
    if let Some(destination) = &args.destination {
        request.insert("destination".into(), json!(destination));
    }
    if let Some(rate) = args.rate {
        request.insert("rate".into(), json!(rate));
    }
    if args.new_ids {
        request.insert("new_ids".into(), true.into());
    }
    Ok(request)
}

fn show_plan(plan: &Value, output: Output) -> Outcome {
    let exactly = if plan["exact"].as_bool().unwrap_or(true) { "" } else { "at least " };
    let routes: Vec<_> = plan["routes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let along = if routes.is_empty() { "no route, so that nothing is sent".to_owned() } else { routes.join(", ") };
    output.line(format!("{exactly}{} events, along: {along}", cell(plan, "/events")))
}

/// Follows a replay to its end. Ctrl-C asks whether to cancel it: it runs in the gateway, not here.
async fn wait_for(gateway: &Gateway, mut replay: Value) -> Outcome<Value> {
    let path = format!("/api/v1/replays/{}", segment(&cell(&replay, "/id")));
    let progress = bar(replay["planned"].as_u64().unwrap_or_default(), "replaying");
    while replay["state"] == "running" {
        progress.set_position(replay["events_done"].as_u64().unwrap_or_default());
        let interrupted = tokio::select! {
            () = gateway.clock.sleep(LOOK_EVERY) => false,
            _ = tokio::signal::ctrl_c() => true,
        };
        if interrupted {
            let cancel = progress.suspend(|| confirm("\nIt runs in the gateway. Cancel it there?", "--detach"));
            if !cancel.unwrap_or(false) {
                progress.abandon();
                aside(format!("It goes on: {}", cell(&replay, "/id")));
                return Ok(replay);
            }
            gateway.post(&format!("{path}/cancel"), &json!({})).await?;
        }
        match gateway.get(&path).await {
            Ok(now) => replay = now,
            // A restart of the gateway does not end a replay.
            Err(failure) if is_passing(&failure) => {}
            Err(failure) => return Err(failure),
        }
    }
    progress.finish_and_clear();
    Ok(replay)
}
