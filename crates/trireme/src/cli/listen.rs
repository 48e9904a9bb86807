//! `trireme listen`: brings the events of a running gateway to a program on this machine, by outgoing connections only.
//!
//! Where it stands is kept at the gateway and moves only after the program has answered: whatever ends in between,
//! nothing is lost.

mod history;
mod keys;
mod local;
mod screen;
mod session;

use engine::sign::{Signer, derived_secret};
use engine::spec::Secret;
use serde_json::{Value, json};

use self::keys::Keys;
use self::local::Local;
use self::screen::Place;
use self::session::Session;
use super::filter::moment;
use crate::client::{Gateway, GatewayArgs, segment};
use crate::exit::{Failure, Outcome};
use crate::output::{Output, cell};

/// Longest part of a listener's name that is taken from the machine's.
const HOST_CHARS_MAX: usize = 24;

/// The generation of a listener that was just made.
const FIRST_GENERATION: u64 = 1;

#[derive(clap::Args, Debug)]
pub struct ListenArgs {
    /// Bring events of this source
    #[arg(long, value_name = "SOURCE", required_unless_present_any = ["list", "forget"])]
    source: Option<String>,
    /// URL of the program that gets them, as http://localhost:3000/webhooks
    #[arg(long, value_name = "URL", required_unless_present_any = ["list", "forget"])]
    to: Option<String>,
    /// Address of the gateway; the same as --url
    #[arg(long, value_name = "URL")]
    from: Option<String>,
    /// Only events of this connection
    #[arg(long, help_heading = "Filter")]
    connection: Option<String>,
    /// Only events of this type; `order.*` takes all that begin so
    #[arg(long = "type", value_name = "TYPE", help_heading = "Filter")]
    event_type: Option<String>,
    /// Only events about this subject, as `orders/42`
    #[arg(long, help_heading = "Filter")]
    subject: Option<String>,
    /// Name under which the gateway keeps the place; two that share a name take it from each other
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Begin a new name with what was received since then: a time, or so long ago (15m, 2h, 3d)
    #[arg(long)]
    since: Option<String>,
    /// What the program gets: envelope, cloudevents, or raw (as the sender sent it, with its headers)
    #[arg(long, default_value = "envelope", value_parser = ["envelope", "cloudevents", "raw"])]
    body: String,
    /// Sign with this secret, as a destination's; without it, by one that belongs to the key and the name
    #[arg(long, env = "TRIREME_LISTEN_SECRET", hide_env_values = true)]
    secret: Option<String>,
    /// List the gateway's listeners
    #[arg(long, conflicts_with_all = ["source", "to", "forget"])]
    list: bool,
    /// Forget the listener of this name
    #[arg(long, value_name = "NAME", conflicts_with_all = ["source", "to"])]
    forget: Option<String>,
    #[command(flatten)]
    gateway: GatewayArgs,
}

pub async fn run(args: ListenArgs, output: Output) -> Outcome {
    let url = args.from.clone().unwrap_or_else(|| args.gateway.url.clone());
    let gateway = Gateway::new(&GatewayArgs { url, key: args.gateway.key.clone() })?;
    if args.list {
        return list(&gateway, output).await;
    }
    if let Some(name) = &args.forget {
        gateway.delete(&path_of(name)).await?;
        return output.line(format!("Forgotten: {name}"));
    }
    listen(&args, &gateway, output).await
}

async fn listen(args: &ListenArgs, gateway: &Gateway, output: Output) -> Outcome {
    let (source, to) = args.source.as_deref().zip(args.to.as_deref()).unwrap_or_default();
    let name = args.name.clone().unwrap_or_else(|| default_name(source));
    let since = args.since.as_deref().map(|since| moment(since, gateway.clock.now())).transpose()?;
    let secret = args.secret.clone().map_or_else(|| own_secret(args, &name), Secret::new);
    let signer = Signer::new([secret.expose()]).map_err(|error| Failure::usage(format!("--secret: {error}")))?;
    let local = Local::new(to, signer, gateway.clock.clone())?;
    let wish = json!({
        "source": source, "connection": args.connection, "type": args.event_type, "subject": args.subject,
        "since": since,
    });
    let opened = gateway.put(&path_of(&name), &wish).await?;
    let generation = generation(&opened)?;
    let place = match since {
        wished if generation > FIRST_GENERATION => Place::Kept { passed_over: wished.is_some() },
        Some(since) => Place::Since(since),
        None => Place::Now,
    };
    let session = Session::new(gateway, local, output, &name, generation, &args.body);
    let keys = Keys::open();
    screen::begin(&name, source, to, &place, secret.expose(), keys.is_some());
    let ended = session.run(keys).await;
    screen::end(&name);
    ended
}

fn generation(opened: &Value) -> Outcome<u64> {
    opened["generation"].as_u64().ok_or_else(|| {
        Failure::general("unexpected_answer", "the gateway does not say which generation the listener has")
    })
}

fn path_of(name: &str) -> String {
    format!("/api/v1/listeners/{}", segment(name))
}

/// The same each time on this machine, and another on another.
fn default_name(source: &str) -> String {
    let system = rustix::system::uname();
    let host = system.nodename().to_string_lossy();
    let host = host.split('.').next().unwrap_or_default();
    let plain: String = host.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '-').collect();
    let plain: String = plain.trim_start_matches('-').chars().take(HOST_CHARS_MAX).collect();
    if plain.is_empty() { format!("listen-{source}") } else { format!("{plain}-{source}") }
}

/// Made of the key, so that it is the same each time and the gateway need not keep it.
fn own_secret(args: &ListenArgs, name: &str) -> Secret {
    let key = args.gateway.key.as_deref().unwrap_or_default();
    Secret::new(derived_secret(key.as_bytes(), &format!("listener/{name}")).to_string())
}

async fn list(gateway: &Gateway, output: Output) -> Outcome {
    let listed = gateway.get("/api/v1/listeners").await?;
    output.json(&listed)?;
    let columns = ["/name", "/source", "/connection", "/type", "/seen_at", "/expires_at"];
    let listeners = listed["data"].as_array().into_iter().flatten();
    let rows = listeners.map(|listener| columns.map(|column| cell(listener, column)).to_vec()).collect();
    output.table(&["NAME", "SOURCE", "CONNECTION", "TYPE", "LAST HEARD", "FORGOTTEN AFTER"], rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_name_is_one_that_the_gateway_takes() {
        let name: Result<domain::ListenerName, _> = default_name("github").parse();
        assert!(name.is_ok_and(|name| name.as_str().ends_with("-github")));
    }
}
