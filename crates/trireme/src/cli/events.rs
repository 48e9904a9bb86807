//! `trireme events`: list what was accepted, show one with its deliveries, print a payload's exact bytes.

use serde_json::Value;

use super::filter::{FilterArgs, PageArgs, TimeArgs};
use crate::client::{Gateway, GatewayArgs, query, segment};
use crate::exit::Outcome;
use crate::output::{Output, cell, clean};

#[derive(clap::Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct EventsArgs {
    #[command(subcommand)]
    command: Option<EventsCommand>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(clap::Subcommand, Debug)]
enum EventsCommand {
    /// List events, newest first
    List(ListArgs),
    /// Show one event with its deliveries and sightings
    Get(OneArgs),
    /// Print the payload of an event, byte for byte
    Payload(OneArgs),
}

#[derive(clap::Args, Debug)]
struct ListArgs {
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    time: TimeArgs,
    #[command(flatten)]
    page: PageArgs,
    #[command(flatten)]
    gateway: GatewayArgs,
}

#[derive(clap::Args, Debug)]
struct OneArgs {
    /// Id of the event, as evt_01h455vb4pex5vsknk084sn02q
    id: String,
    #[command(flatten)]
    gateway: GatewayArgs,
}

pub async fn run(args: EventsArgs, output: Output) -> Outcome {
    match args.command {
        None => list(&args.list, output).await,
        Some(EventsCommand::List(args)) => list(&args, output).await,
        Some(EventsCommand::Get(args)) => {
            let gateway = Gateway::new(&args.gateway)?;
            show(&gateway.get(&format!("/api/v1/events/{}", segment(&args.id))).await?, output)
        }
        Some(EventsCommand::Payload(args)) => {
            let gateway = Gateway::new(&args.gateway)?;
            output.bytes(&gateway.bytes(&format!("/api/v1/events/{}/payload", segment(&args.id))).await?)
        }
    }
}

async fn list(args: &ListArgs, output: Output) -> Outcome {
    let gateway = Gateway::new(&args.gateway)?;
    let times = args.time.parameters(gateway.clock.now())?;
    let parameters = args.filter.parameters().chain(times).chain(args.page.parameters());
    let page = gateway.get(&format!("/api/v1/events{}", query(parameters))).await?;
    output.json(&page)?;
    let rows = page["data"].as_array().into_iter().flatten().map(row).collect();
    output.table(&["RECEIVED", "TYPE", "SOURCE", "SUBJECT", "ORIGIN", "ID"], rows)?;
    if output.is_terminal() {
        after_page(&page, output)?;
    }
    Ok(())
}

/// What a person should know about the rest of a list.
pub fn after_page(page: &Value, output: Output) -> Outcome {
    if let Some(until) = page["searched_until"].as_str() {
        output.line(format!("\nSearched back to {until}; the time for searching was used up there."))?;
    }
    match page["next"].as_str() {
        Some(next) => output.line(format!("\nThere are more: --cursor {next}")),
        None => Ok(()),
    }
}

fn row(event: &Value) -> Vec<String> {
    ["/received_at", "/type", "/source", "/subject", "/origin", "/id"].map(|at| cell(event, at)).to_vec()
}

fn show(event: &Value, output: Output) -> Outcome {
    output.json(event)?;
    let fields = event.as_object().into_iter().flatten();
    for (name, value) in fields.filter(|(_, value)| !value.is_array() && !value.is_object() && !value.is_null()) {
        output.line(format!("{name:<14} {}", clean(&cell(value, ""))))?;
    }
    if let Some(data) = event.get("data").filter(|data| !data.is_null()) {
        output.line(format!("data           {}", clean(&data.to_string())))?;
    }
    let rows_of = |list: &str, columns: &[&str]| -> Vec<Vec<String>> {
        let items = event[list].as_array().into_iter().flatten();
        items.map(|item| columns.iter().map(|column| cell(item, column)).collect()).collect()
    };
    let deliveries = rows_of("deliveries", &["/destination", "/route", "/state", "/attempts", "/cause/code", "/id"]);
    output.line("")?;
    output.table(&["DESTINATION", "ROUTE", "STATE", "ATTEMPTS", "CAUSE", "DELIVERY"], deliveries)?;
    let sightings = rows_of("sightings", &["/path", "/count", "/first_at", "/last_at"]);
    if sightings.is_empty() {
        return Ok(());
    }
    output.line("")?;
    output.table(&["SEEN AGAIN BY", "TIMES", "FIRST", "LAST"], sightings)
}
