//! `trireme key`: API keys through the gateway, and the master key offline on the data folder.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Environment;
use super::filter::duration;
use super::serve::secret;
use crate::client::{Gateway, GatewayArgs, segment};
use crate::config::StoreChoice;
use crate::exit::{Failure, Outcome};
use crate::output::{Output, cell};
use crate::wiring::rewrap::{self, GivenKeys};
use crate::wiring::runtime::run_here;

/// Keys asked for at once: as many as a page holds.
const PAGE: u32 = 500;

#[derive(clap::Args, Debug)]
pub struct KeyArgs {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(clap::Subcommand, Debug)]
enum KeyCommand {
    /// Make an API key; it is shown this once
    Create(CreateArgs),
    /// List API keys, without their secrets
    List(ListArgs),
    /// Revoke an API key at once
    Revoke(RevokeArgs),
    /// Change the master key of a stopped gateway: every secret is wrapped anew
    Rewrap(RewrapArgs),
}

#[derive(clap::Args, Debug)]
struct CreateArgs {
    /// What it may do: ingest:publish, read, operate, admin; may be given more than once
    #[arg(long = "scope", value_name = "SCOPE", required = true)]
    scopes: Vec<String>,
    /// What it is for
    #[arg(long, default_value = "")]
    note: String,
    /// Ends after so long, as 90d
    #[arg(long, value_name = "DURATION")]
    expires: Option<String>,
    /// Whose things it opens, if not those of the tenant of --key; only a key of the tenant `default` may say so
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
    #[command(flatten)]
    gateway: GatewayArgs,
}

#[derive(clap::Args, Debug)]
struct ListArgs {
    #[command(flatten)]
    gateway: GatewayArgs,
}

#[derive(clap::Args, Debug)]
struct RevokeArgs {
    /// Id of the key, as `trireme key list` shows it
    id: String,
    #[command(flatten)]
    gateway: GatewayArgs,
}

#[derive(clap::Args, Debug)]
struct RewrapArgs {
    /// Folder of the store and the master key
    #[arg(long, env = "TRIREME_DATA", default_value = "trireme-data", value_name = "FOLDER")]
    data: PathBuf,
    /// Where the state is kept, if not in that folder, as sqlite:PATH or postgres://…
    #[arg(long, env = "TRIREME_STORE", value_name = "STORE", hide_env_values = true)]
    store: Option<String>,
}

pub fn run(args: KeyArgs, output: Output, environment: Environment<'_>) -> Outcome {
    match args.command {
        KeyCommand::Create(args) => run_here(create(args, output)),
        KeyCommand::List(args) => run_here(list(args, output)),
        KeyCommand::Revoke(args) => run_here(revoke(args, output)),
        KeyCommand::Rewrap(args) => run_here(rewrap(args, output, environment)),
    }
}

async fn rewrap(args: RewrapArgs, output: Output, environment: Environment<'_>) -> Outcome {
    let store = args.store.as_deref().map(|store| StoreChoice::parse(store, Path::new(""))).transpose();
    let store = store.map_err(Failure::usage)?.unwrap_or_default();
    let keys = GivenKeys {
        now: secret(environment, "TRIREME_MASTER_KEY"),
        next: secret(environment, "TRIREME_NEW_MASTER_KEY"),
    };
    let rewrapped = rewrap::rewrap(&args.data, store, keys).await?;
    output.json(&json!({ "objects": rewrapped.objects, "key": rewrapped.key_id, "former": rewrapped.former_file }))?;
    output.line(format!("{} objects are sealed by master key {} now.", rewrapped.objects, rewrapped.key_id))?;
    match rewrapped.former_file {
        Some(file) => output.line(format!("The former key is in {}: backups made before need it.", file.display())),
        None => output.line("Start the gateway with the new key as TRIREME_MASTER_KEY from now on."),
    }
}

async fn create(args: CreateArgs, output: Output) -> Outcome {
    let gateway = Gateway::new(&args.gateway)?;
    let mut request = json!({ "scopes": args.scopes, "note": args.note });
    if let Some(text) = &args.expires {
        let life = duration(text).ok_or_else(|| Failure::usage(format!("'{text}' is no duration such as 90d")))?;
        request["expires_at"] = json!(gateway.clock.now() + life);
    }
    if let Some(tenant) = args.tenant {
        request["tenant"] = json!(tenant);
    }
    let key = gateway.post("/api/v1/api-keys", &request).await?;
    output.json(&key)?;
    output.line(cell(&key, "/key"))?;
    if output.is_terminal() {
        output.line("Keep it: it is not shown again.")?;
    }
    Ok(())
}

async fn list(args: ListArgs, output: Output) -> Outcome {
    let gateway = Gateway::new(&args.gateway)?;
    let keys = all(&gateway).await?;
    output.json(&json!({ "data": keys }))?;
    let rows = keys.iter().map(row).collect();
    output.table(&["ID", "SCOPES", "NOTE", "CREATED", "LAST USED", "ENDS"], rows)
}

/// Page after page: whoever looks for a key that must not be there has to see them all.
async fn all(gateway: &Gateway) -> Outcome<Vec<Value>> {
    let mut keys = Vec::new();
    let mut path = format!("/api/v1/api-keys?limit={PAGE}");
    loop {
        let mut page = gateway.get(&path).await?;
        keys.append(page["data"].as_array_mut().unwrap_or(&mut Vec::new()));
        match page["next"].as_str() {
            Some(next) => path = format!("/api/v1/api-keys?limit={PAGE}&cursor={}", segment(next)),
            None => return Ok(keys),
        }
    }
}

fn row(key: &Value) -> Vec<String> {
    let scopes: Vec<_> = key["scopes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let ended = [cell(key, "/revoked_at"), cell(key, "/expires_at")].into_iter().find(|text| !text.is_empty());
    let [id, note, created, used] = ["/id", "/note", "/created_at", "/last_used_at"].map(|at| cell(key, at));
    vec![id, scopes.join(" "), note, created, used, ended.unwrap_or_default()]
}

async fn revoke(args: RevokeArgs, output: Output) -> Outcome {
    let gateway = Gateway::new(&args.gateway)?;
    gateway.delete(&format!("/api/v1/api-keys/{}", segment(&args.id))).await?;
    output.json(&json!({ "revoked": args.id }))?;
    output.line(format!("{} is revoked.", args.id))
}
