//! `trireme source`: what a person decides about a source's sender: its secret, and the addresses it wants opened.

use serde_json::{Value, json};

use super::progress::confirm;
use crate::client::{Gateway, GatewayArgs, segment};
use crate::exit::{Failure, Outcome};
use crate::output::{Output, cell};

#[derive(clap::Args, Debug)]
pub struct SourceArgs {
    #[command(subcommand)]
    command: SourceCommand,
}

#[derive(clap::Subcommand, Debug)]
enum SourceCommand {
    /// Wait for the secret that the sender hands over
    Pair(PairArgs),
    /// List the secrets that were handed over, and who waits for one
    Pairing(NameArgs),
    /// Show a secret, once, to give it back to its sender
    HandBack(HandBackArgs),
    /// Trust the secrets no more that were handed over
    Unpair(UnpairArgs),
    /// List the addresses that the sender asks to be opened
    Handshakes(NameArgs),
    /// Open such an address
    Approve(HandshakeArgs),
    /// Never open such an address
    Refuse(HandshakeArgs),
}

#[derive(clap::Args, Debug)]
struct NameArgs {
    /// The source
    name: String,
    #[command(flatten)]
    gateway: GatewayArgs,
}

#[derive(clap::Args, Debug)]
struct PairArgs {
    #[command(flatten)]
    source: NameArgs,
    /// Of one account
    #[arg(long)]
    connection: Option<String>,
    /// How long to wait
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=60))]
    minutes: u64,
}

#[derive(clap::Args, Debug)]
struct HandBackArgs {
    #[command(flatten)]
    source: NameArgs,
    /// Which one, as `pairing` lists it; needed if several can be shown
    #[arg(long)]
    id: Option<String>,
}

#[derive(clap::Args, Debug)]
struct UnpairArgs {
    #[command(flatten)]
    source: NameArgs,
    /// Only this one
    #[arg(long)]
    id: Option<String>,
    /// Do not ask first
    #[arg(long)]
    yes: bool,
}

#[derive(clap::Args, Debug)]
struct HandshakeArgs {
    #[command(flatten)]
    source: NameArgs,
    /// Which one, as `handshakes` lists it
    id: String,
}

pub async fn run(args: SourceArgs, output: Output) -> Outcome {
    match args.command {
        SourceCommand::Pair(args) => pair(args, output).await,
        SourceCommand::Pairing(args) => {
            let (gateway, path) = args.at("pairing")?;
            show_pairing(&gateway.get(&path).await?, output)
        }
        SourceCommand::HandBack(args) => hand_back(args, output).await,
        SourceCommand::Unpair(args) => unpair(args, output).await,
        SourceCommand::Handshakes(args) => handshakes(&args, output).await,
        SourceCommand::Approve(args) => settle(&args, "approve", output).await,
        SourceCommand::Refuse(args) => settle(&args, "refuse", output).await,
    }
}

impl NameArgs {
    fn at(&self, what: &str) -> Outcome<(Gateway, String)> {
        let gateway = Gateway::new(&self.gateway)?;
        Ok((gateway, format!("/api/v1/sources/{}/{what}", segment(&self.name))))
    }
}

async fn pair(args: PairArgs, output: Output) -> Outcome {
    let (gateway, path) = args.source.at("pair")?;
    let mut wish = json!({ "minutes": args.minutes });
    if let Some(connection) = args.connection {
        wish["connection"] = connection.into();
    }
    show_pairing(&gateway.post(&path, &wish).await?, output)
}

fn show_pairing(pairing: &Value, output: Output) -> Outcome {
    output.json(pairing)?;
    for waiting in list(&pairing["waiting"]) {
        let connection = cell(waiting, "/connection");
        let whose = if connection.is_empty() { String::new() } else { format!(" of '{connection}'") };
        output.line(format!("Waiting for the secret{whose} until {}.", cell(waiting, "/until")))?;
    }
    let row = |secret: &Value| {
        ["/paired_at", "/connection", "/role", "/from", "/hand_back_until", "/id"].map(|at| cell(secret, at)).to_vec()
    };
    let rows: Vec<_> = list(&pairing["paired"]).map(row).collect();
    if rows.is_empty() && output.is_terminal() {
        return output.line("No secret was handed over.");
    }
    output.table(&["PAIRED", "CONNECTION", "ROLE", "FROM", "HAND BACK UNTIL", "ID"], rows)
}

async fn hand_back(args: HandBackArgs, output: Output) -> Outcome {
    let (gateway, path) = args.source.at("pairing")?;
    let id = match args.id {
        Some(id) => id,
        None => only_one(&gateway.get(&path).await?)?,
    };
    let answer = gateway.post(&format!("{path}/{}/hand-back", segment(&id)), &json!({})).await?;
    output.json(&answer)?;
    output.line(cell(&answer, "/secret"))
}

/// The one that can be shown.
fn only_one(pairing: &Value) -> Outcome<String> {
    let mut ready = list(&pairing["paired"]).filter(|secret| !secret["hand_back_until"].is_null());
    match (ready.next(), ready.next()) {
        (Some(secret), None) => Ok(cell(secret, "/id")),
        (None, _) => Err(Failure::general("none_to_hand_back", "no secret of this source is to be handed back now")),
        (Some(_), Some(_)) => Err(Failure::usage("several secrets can be handed back: say which one with --id")),
    }
}

async fn unpair(args: UnpairArgs, output: Output) -> Outcome {
    let (gateway, path) = args.source.at("pairing")?;
    let question = "Requests that these secrets sign are refused from then on. Go on?";
    if !args.yes && !confirm(question, "--yes")? {
        return Err(Failure::general("cancelled", "nothing was done"));
    }
    let path = args.id.map_or(path.clone(), |id| format!("{path}/{}", segment(&id)));
    gateway.delete(&path).await?;
    output.json(&json!({ "unpaired": true }))?;
    output.line("They are trusted no more.")
}

async fn handshakes(args: &NameArgs, output: Output) -> Outcome {
    let (gateway, path) = args.at("handshakes")?;
    let page = gateway.get(&path).await?;
    output.json(&page)?;
    let row = |one: &Value| ["/proposed_at", "/state", "/from", "/url", "/id"].map(|at| cell(one, at)).to_vec();
    let rows: Vec<_> = list(&page["data"]).map(row).collect();
    if rows.is_empty() && output.is_terminal() {
        return output.line("Its sender asked for nothing.");
    }
    output.table(&["ASKED", "STATE", "FROM", "ADDRESS", "ID"], rows)
}

async fn settle(args: &HandshakeArgs, how: &str, output: Output) -> Outcome {
    let (gateway, path) = args.source.at("handshakes")?;
    let answer = gateway.post(&format!("{path}/{}/{how}", segment(&args.id)), &json!({})).await?;
    output.json(&answer)?;
    output.line(format!("It is {} now.", cell(&answer, "/state")))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
