//! `trireme dead-letters`: what could not be delivered and why, and another try of it.

use serde_json::{Value, json};

use super::events::after_page;
use super::filter::PageArgs;
use super::progress::{bar, confirm};
use crate::client::{Gateway, GatewayArgs, query, segment};
use crate::exit::{Failure, Outcome};
use crate::output::{Output, aside, cell};

/// Dead letters of one page when all are tried again.
const PAGE: u32 = 200;

#[derive(clap::Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct DeadLettersArgs {
    #[command(subcommand)]
    command: Option<DeadLettersCommand>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(clap::Subcommand, Debug)]
enum DeadLettersCommand {
    /// List dead letters, newest first
    List(ListArgs),
    /// Try dead letters again, oldest first: prepared anew, tries start over
    Retry(RetryArgs),
}

#[derive(clap::Args, Clone, Debug)]
struct ChoiceArgs {
    /// Only of this destination
    #[arg(long, help_heading = "Filter")]
    destination: Option<String>,
    /// Only of this source
    #[arg(long, help_heading = "Filter")]
    source: Option<String>,
    /// Only those that died of this, as `refused` or `expression_failed`
    #[arg(long, help_heading = "Filter")]
    cause: Option<String>,
}

impl ChoiceArgs {
    fn path(&self, page: &PageArgs) -> String {
        let parameters =
            [("destination", self.destination.clone()), ("source", self.source.clone()), ("cause", self.cause.clone())];
        format!("/api/v1/dead-letters{}", query(parameters.into_iter().chain(page.parameters())))
    }
}

#[derive(clap::Args, Debug)]
struct ListArgs {
    #[command(flatten)]
    choice: ChoiceArgs,
    #[command(flatten)]
    page: PageArgs,
    #[command(flatten)]
    gateway: GatewayArgs,
}

#[derive(clap::Args, Debug)]
struct RetryArgs {
    /// Ids of deliveries, as dlv_01h455vb4pex5vsknk084sn02q
    #[arg(required_unless_present = "all")]
    ids: Vec<String>,
    /// All that the filter lets through
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    /// Do not ask first
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    choice: ChoiceArgs,
    #[command(flatten)]
    gateway: GatewayArgs,
}

pub async fn run(args: DeadLettersArgs, output: Output) -> Outcome {
    match args.command {
        None => list(args.list, output).await,
        Some(DeadLettersCommand::List(args)) => list(args, output).await,
        Some(DeadLettersCommand::Retry(args)) => retry(args, output).await,
    }
}

async fn list(args: ListArgs, output: Output) -> Outcome {
    let gateway = Gateway::new(&args.gateway)?;
    let page = gateway.get(&args.choice.path(&args.page)).await?;
    output.json(&page)?;
    let rows: Vec<_> = page["data"].as_array().into_iter().flatten().map(row).collect();
    if rows.is_empty() && output.is_terminal() {
        return output.line("No dead letters.");
    }
    output.table(&["DIED", "DESTINATION", "TYPE", "TRIES", "CAUSE", "DELIVERY"], rows)?;
    if output.is_terminal() { after_page(&page, output) } else { Ok(()) }
}

fn row(letter: &Value) -> Vec<String> {
    let columns = ["/finished_at", "/destination", "/type", "/attempts", "/cause/code", "/id"];
    columns.map(|at| cell(letter, at)).to_vec()
}

async fn retry(args: RetryArgs, output: Output) -> Outcome {
    let gateway = Gateway::new(&args.gateway)?;
    let mut ids = if args.all { all_ids(&gateway, &args.choice).await? } else { args.ids };
    // Each leaves as soon as it is asked for, and ids sort as their times do: the oldest goes first.
    ids.sort_unstable();
    ids.dedup();
    if args.all && !ids.is_empty() && !args.yes && !confirm(&format!("Try {} deliveries again?", ids.len()), "--yes")? {
        return Err(Failure::general("cancelled", "nothing was done"));
    }
    let progress = bar(ids.len() as u64, "retrying");
    let mut refused = Vec::new();
    for id in &ids {
        let path = format!("/api/v1/deliveries/{}/retry", segment(id));
        if let Err(failure) = gateway.post(&path, &json!({})).await {
            if failure.code != "state_refused" && failure.code != "not_found" {
                return Err(failure);
            }
            refused.push(json!({ "id": id, "code": failure.code, "detail": failure.message }));
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    report(ids.len() - refused.len(), &refused, output)
}

/// Collected before the first retry: a list that shrinks while it is read skips some.
async fn all_ids(gateway: &Gateway, choice: &ChoiceArgs) -> Outcome<Vec<String>> {
    let (mut ids, mut wanted) = (Vec::new(), PageArgs { limit: PAGE, cursor: None });
    loop {
        let page = gateway.get(&choice.path(&wanted)).await?;
        ids.extend(page["data"].as_array().into_iter().flatten().map(|letter| cell(letter, "/id")));
        wanted.cursor = page["next"].as_str().map(str::to_owned);
        if wanted.cursor.is_none() {
            return Ok(ids);
        }
    }
}

fn report(retried: usize, refused: &[Value], output: Output) -> Outcome {
    output.json(&json!({ "retried": retried, "refused": refused }))?;
    output.line(format!("{retried} will be tried again."))?;
    for one in refused {
        aside(format!("{}: {}", cell(one, "/id"), cell(one, "/detail")));
    }
    match refused.len() {
        0 => Ok(()),
        some => Err(Failure::general("some_refused", format!("{some} could not be tried again"))),
    }
}
