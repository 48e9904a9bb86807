//! `trireme schemas`: what events and records look like, as it was learned, and what changed about that.

use serde_json::Value;

use super::events::after_page;
use super::filter::PageArgs;
use crate::client::{Gateway, GatewayArgs, query, segment};
use crate::exit::Outcome;
use crate::output::{Output, aside, cell};

#[derive(clap::Args, Debug)]
pub struct SchemasArgs {
    /// Only of this source
    source: Option<String>,
    /// The one schema of this type of events, with its changes
    #[arg(requires = "source")]
    name: Option<String>,
    /// `name` is a stream's: its records, not events of a type
    #[arg(long, requires = "name")]
    stream: bool,
    /// Print the JSON Schema alone, as validators take it
    #[arg(long, requires = "name")]
    export: bool,
    #[command(flatten)]
    page: PageArgs,
    #[command(flatten)]
    gateway: GatewayArgs,
}

const HEADINGS: [&str; 7] = ["SOURCE", "OF", "NAME", "VERSION", "LOOKED AT", "CHANGED", "LAST"];
const CHANGE_HEADINGS: [&str; 5] = ["WHEN", "VERSION", "SEVERITY", "WHAT", "EVENT"];

pub async fn run(args: SchemasArgs, output: Output) -> Outcome {
    let gateway = Gateway::new(&args.gateway)?;
    match (&args.source, &args.name) {
        (Some(source), Some(name)) => {
            let of = if args.stream { "stream" } else { "event" };
            let path = format!("/api/v1/schemas/{}/{of}/{}", segment(source), segment(name));
            if args.export { export(&gateway, &path, output).await } else { show(&gateway, &path, output).await }
        }
        _ => list(&gateway, args, output).await,
    }
}

async fn list(gateway: &Gateway, args: SchemasArgs, output: Output) -> Outcome {
    let parameters = [("source", args.source)].into_iter();
    let page = gateway.get(&format!("/api/v1/schemas{}", query(parameters.chain(args.page.parameters())))).await?;
    output.json(&page)?;
    let rows: Vec<_> = page["data"].as_array().into_iter().flatten().map(row).collect();
    if rows.is_empty() {
        aside("Nothing is learned yet: what events and records look like is learned from the first ones that come.");
    }
    output.table(&HEADINGS, rows)?;
    after_page(&page, output)
}

fn row(schema: &Value) -> Vec<String> {
    ["/source", "/of", "/name", "/version", "/seen", "/changed_at", "/last_at"].map(|at| cell(schema, at)).to_vec()
}

async fn show(gateway: &Gateway, path: &str, output: Output) -> Outcome {
    let detail = gateway.get(path).await?;
    output.json(&detail)?;
    output.table(&HEADINGS, vec![row(&detail)])?;
    let changes = detail["changes"].as_array().into_iter().flatten();
    let change =
        |change: &Value| ["/at", "/version", "/severity", "/summary", "/event"].map(|at| cell(change, at)).to_vec();
    let rows: Vec<_> = changes.map(change).collect();
    if rows.is_empty() {
        aside("No changes: every value looked as those before. `--export` prints the JSON Schema.");
        return Ok(());
    }
    output.table(&CHANGE_HEADINGS, rows)
}

async fn export(gateway: &Gateway, path: &str, output: Output) -> Outcome {
    output.bytes(&gateway.bytes(&format!("{path}/schema.json")).await?)
}
