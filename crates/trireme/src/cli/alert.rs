//! `trireme alert`: what a person should know, who looks after it, and whether people can be told.

use serde_json::{Value, json};

use super::events::after_page;
use super::filter::PageArgs;
use crate::client::{Gateway, GatewayArgs, query, segment};
use crate::exit::{Failure, Outcome};
use crate::output::{Output, aside, cell};

#[derive(clap::Args, Debug)]
#[command(arg_required_else_help = true)]
pub struct AlertArgs {
    #[command(subcommand)]
    command: AlertCommand,
}

#[derive(clap::Subcommand, Debug)]
enum AlertCommand {
    /// List alerts that are open, newest first
    List(ListArgs),
    /// Say that you look after open alerts: nobody else is told of them any more
    Ack(IdsArgs),
    /// Resolve open alerts; they open again if their cause comes back
    Resolve(IdsArgs),
    /// List the channels by which people are told, and how each does
    Channels(ChannelsArgs),
    /// Send a test through a channel, and say what came back
    Test(TestArgs),
}

#[derive(clap::Args, Debug)]
struct ListArgs {
    /// Those too that are resolved
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    page: PageArgs,
    #[command(flatten)]
    gateway: GatewayArgs,
}

#[derive(clap::Args, Debug)]
struct IdsArgs {
    /// Ids of alerts, as alr_01h455vb4pex5vsknk084sn02q
    #[arg(required = true)]
    ids: Vec<String>,
    #[command(flatten)]
    gateway: GatewayArgs,
}

#[derive(clap::Args, Debug)]
struct ChannelsArgs {
    #[command(flatten)]
    gateway: GatewayArgs,
}

#[derive(clap::Args, Debug)]
struct TestArgs {
    /// Its name in the configuration
    channel: String,
    #[command(flatten)]
    gateway: GatewayArgs,
}

pub async fn run(args: AlertArgs, output: Output) -> Outcome {
    match args.command {
        AlertCommand::List(args) => list(args, output).await,
        AlertCommand::Ack(args) => each(args, "acknowledge", output).await,
        AlertCommand::Resolve(args) => each(args, "resolve", output).await,
        AlertCommand::Channels(args) => channels(args, output).await,
        AlertCommand::Test(args) => test(args, output).await,
    }
}

async fn list(args: ListArgs, output: Output) -> Outcome {
    let gateway = Gateway::new(&args.gateway)?;
    let open = (!args.all).then(|| "true".to_owned());
    let parameters = query([("open", open)].into_iter().chain(args.page.parameters()));
    let listed = gateway.get(&format!("/api/v1/alerts{parameters}")).await?;
    output.json(&listed)?;
    let rows: Vec<_> = rows_of(&listed, ["/state", "/severity", "/kind", "/object", "/count", "/opened_at", "/id"]);
    if rows.is_empty() && output.is_terminal() {
        return output.line("Nothing needs a person.");
    }
    output.table(&["STATE", "SEVERITY", "KIND", "OBJECT", "TIMES", "SINCE", "ALERT"], rows)?;
    if output.is_terminal() { after_page(&listed, output) } else { Ok(()) }
}

fn rows_of<const N: usize>(listed: &Value, columns: [&str; N]) -> Vec<Vec<String>> {
    let rows = listed["data"].as_array().into_iter().flatten();
    rows.map(|row| columns.map(|at| cell(row, at)).to_vec()).collect()
}

async fn each(args: IdsArgs, act: &str, output: Output) -> Outcome {
    let gateway = Gateway::new(&args.gateway)?;
    let (mut done, mut missing) = (Vec::new(), 0);
    for id in &args.ids {
        match gateway.post(&format!("/api/v1/alerts/{}/{act}", segment(id)), &json!({})).await {
            Ok(alert) => done.push(alert),
            Err(failure) if failure.code == "not_found" => {
                aside(format!("{id}: {}", failure.message));
                missing += 1;
            }
            Err(failure) => return Err(failure),
        }
    }
    output.json(&json!({ "data": done }))?;
    for alert in &done {
        output.line(format!("{} {}: {}", cell(alert, "/state"), cell(alert, "/id"), cell(alert, "/detail")))?;
    }
    match missing {
        0 => Ok(()),
        some => Err(Failure::general("not_found", format!("{some} of them are not open"))),
    }
}

async fn channels(args: ChannelsArgs, output: Output) -> Outcome {
    let gateway = Gateway::new(&args.gateway)?;
    let listed = gateway.get("/api/v1/alert-channels").await?;
    output.json(&listed)?;
    let rows = rows_of(&listed, ["/name", "/way", "/severity", "/waiting", "/sent_at", "/problem"]);
    if rows.is_empty() {
        aside("Nobody is told of alerts: channels are configured below `alerts.channels`.");
    }
    output.table(&["CHANNEL", "WAY", "FROM", "WAITING", "LAST SENT", "PROBLEM"], rows)
}

async fn test(args: TestArgs, output: Output) -> Outcome {
    let gateway = Gateway::new(&args.gateway)?;
    let path = format!("/api/v1/alert-channels/{}/test", segment(&args.channel));
    let tested = gateway.post(&path, &json!({})).await?;
    output.json(&tested)?;
    output.line(format!("Channel '{}' took it: {}", args.channel, cell(&tested, "/said")))?;
    match tested["complaint"].as_str() {
        None => Ok(()),
        Some(complaint) => Err(Failure::general("channel_incomplete", complaint.to_owned())),
    }
}
