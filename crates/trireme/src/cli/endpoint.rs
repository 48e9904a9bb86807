//! `trireme endpoint`: addresses that take anything at once, what they answer, and taking them away again.

use engine::endpoint::endpoint_name;
use engine::entropy::SystemEntropy;
use serde_json::{Map, Value, json};

use super::progress::confirm;
use crate::client::{Gateway, GatewayArgs, query, segment};
use crate::exit::{Failure, Outcome};
use crate::output::{Output, cell};

/// Sources of one page while they are gone through.
const PAGE: &str = "500";

#[derive(clap::Args, Debug)]
pub struct EndpointArgs {
    #[command(subcommand)]
    command: EndpointCommand,
}

#[derive(clap::Subcommand, Debug)]
enum EndpointCommand {
    /// Make one, under a name that nobody can guess
    New(Box<NewArgs>),
    /// List them
    List(ListArgs),
    /// Remove one; its events stay
    Remove(RemoveArgs),
}

#[derive(clap::Args, Debug)]
struct NewArgs {
    /// Answer with this status, from 200 to 599
    #[arg(long, help_heading = "Answer")]
    status: Option<u16>,
    /// Answer with this header, as `content-type: application/json`; may be given several times
    #[arg(long = "header", value_name = "NAME: VALUE", help_heading = "Answer")]
    headers: Vec<String>,
    /// Answer with this body
    #[arg(long, help_heading = "Answer")]
    body: Option<String>,
    /// Let the sender wait so long for the answer, up to 30s
    #[arg(long, help_heading = "Answer")]
    delay: Option<String>,
    #[command(flatten)]
    gateway: GatewayArgs,
}

#[derive(clap::Args, Debug)]
struct ListArgs {
    #[command(flatten)]
    gateway: GatewayArgs,
}

#[derive(clap::Args, Debug)]
struct RemoveArgs {
    /// Its name, as `new` and `list` tell it
    name: String,
    /// Do not ask first
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    gateway: GatewayArgs,
}

pub async fn run(args: EndpointArgs, output: Output) -> Outcome {
    match args.command {
        EndpointCommand::New(args) => new(&args, output).await,
        EndpointCommand::List(args) => list(&args, output).await,
        EndpointCommand::Remove(args) => remove(&args, output).await,
    }
}

async fn new(args: &NewArgs, output: Output) -> Outcome {
    let gateway = Gateway::new(&args.gateway)?;
    let name = endpoint_name(&SystemEntropy::new());
    let mut webhook = json!({ "provider": "none" });
    if let Some(reply) = args.reply()? {
        webhook["reply"] = reply;
    }
    gateway.post("/api/v1/sources", &json!({ "name": name, "webhook": webhook })).await?;
    let source = gateway.get(&format!("/api/v1/sources/{}", segment(&name))).await?;
    let url = address(&source, &args.gateway.url);
    output.json(&json!({ "name": name, "url": url }))?;
    output.line(&url)?;
    if output.is_terminal() {
        output.line("\nIt takes anything: whoever knows the address can send. Try it, and see what comes:")?;
        output
            .line(format!("  curl -X POST {url} -H 'content-type: application/json' -d '{{\"hello\":\"world\"}}'"))?;
        output.line(format!("  trireme tail --source {name}"))?;
    }
    Ok(())
}

impl NewArgs {
    /// As a definition has it; what is wrong with its values is told by the gateway.
    fn reply(&self) -> Outcome<Option<Value>> {
        let mut reply = Map::new();
        reply.extend(self.status.map(|status| ("status".to_owned(), status.into())));
        reply.extend(self.body.as_deref().filter(|body| !body.is_empty()).map(|body| ("body".to_owned(), body.into())));
        reply.extend(self.delay.as_deref().map(|delay| ("delay".to_owned(), delay.into())));
        let headers = self.headers.iter().map(|line| header(line)).collect::<Outcome<Map<_, _>>>()?;
        reply.extend((!headers.is_empty()).then(|| ("headers".to_owned(), headers.into())));
        Ok((!reply.is_empty()).then(|| reply.into()))
    }
}

fn header(line: &str) -> Outcome<(String, Value)> {
    let parts = line.split_once(':').map(|(name, value)| (name.trim().to_owned(), value.trim().into()));
    parts.ok_or_else(|| Failure::usage(format!("'{line}' is not a header: write it as 'content-type: text/plain'")))
}

/// A gateway without a `public_url` only knows the path: then it is called as this program calls it.
fn address(source: &Value, gateway: &str) -> String {
    let url = cell(source, "/url");
    if url.starts_with('/') { format!("{}{url}", gateway.trim_end_matches('/')) } else { url }
}

async fn list(args: &ListArgs, output: Output) -> Outcome {
    let gateway = Gateway::new(&args.gateway)?;
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let path = format!("/api/v1/sources{}", query([("limit", Some(PAGE.to_owned())), ("cursor", cursor)]));
        let page = gateway.get(&path).await?;
        found.extend(page["data"].as_array().into_iter().flatten().filter(|source| is_endpoint(source)).cloned());
        cursor = page["next"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    output.json(&json!({ "data": found }))?;
    if found.is_empty() && output.is_terminal() {
        return output.line("There are none. Make one: trireme endpoint new");
    }
    let row = |source: &Value| {
        let provider = cell(source, "/definition/webhook/provider");
        vec![cell(source, "/name"), provider, address(source, &args.gateway.url)]
    };
    output.table(&["NAME", "PROVIDER", "ADDRESS"], found.iter().map(row).collect())
}

/// Those that were made as such, whatever sender was chosen since.
fn is_endpoint(source: &Value) -> bool {
    source["managed_by"] == "api" && source["name"].as_str().is_some_and(|name| name.starts_with("hook-"))
}

async fn remove(args: &RemoveArgs, output: Output) -> Outcome {
    let gateway = Gateway::new(&args.gateway)?;
    if !args.yes && !confirm("Whoever still sends there is refused from then on. Go on?", "--yes")? {
        return Err(Failure::general("cancelled", "nothing was done"));
    }
    gateway.delete(&format!("/api/v1/sources/{}", segment(&args.name))).await?;
    output.json(&json!({ "removed": args.name }))?;
    output.line("It is removed; its events stay.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_whole_even_where_the_gateway_knows_only_its_path() {
        let source = |url: &str| json!({ "url": url });
        assert_eq!(address(&source("/in/hook-x"), "http://127.0.0.1:8080/"), "http://127.0.0.1:8080/in/hook-x");
        assert_eq!(address(&source("https://h.example/in/x"), "http://127.0.0.1:8080"), "https://h.example/in/x");
    }

    #[test]
    fn a_header_needs_a_name_and_a_value() {
        assert_eq!(header("X-A:  b: c").expect("one"), ("X-A".to_owned(), "b: c".into()));
        assert!(header("nothing").is_err());
    }
}
