//! `trireme nodes`: the processes that share the store, and who is in charge of what.

use domain::Timestamp;
use serde_json::Value;

use super::streams::span;
use crate::client::{Gateway, GatewayArgs};
use crate::exit::Outcome;
use crate::output::{Output, cell};

#[derive(clap::Args, Debug)]
pub struct NodesArgs {
    #[command(flatten)]
    gateway: GatewayArgs,
}

const HEADINGS: [&str; 8] =
    ["NODE", "ADDRESS", "VERSION", "STATE", "HEARTBEAT", "DESTINATIONS", "CONNECTIONS", "REPLAYS"];

pub async fn run(args: NodesArgs, output: Output) -> Outcome {
    let gateway = Gateway::new(&args.gateway)?;
    let page = gateway.get("/api/v1/nodes").await?;
    output.json(&page)?;
    let now = gateway.clock.now();
    let rows = page["data"].as_array().into_iter().flatten().map(|node| row(node, now)).collect();
    output.table(&HEADINGS, rows)
}

fn row(node: &Value, now: Timestamp) -> Vec<String> {
    let name = cell(node, "/name");
    let beat = node["heartbeat_at"].as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let state = cell(node, "/state");
    vec![
        if node["this"] == true { format!("{name} (this)") } else { name },
        cell(node, "/address"),
        cell(node, "/version"),
        if node["agrees"] == false { format!("{state}, configured differently") } else { state },
        beat.map(|beat| format!("{} ago", span(now.since(beat).as_secs_f64()))).unwrap_or_default(),
        cell(node, "/charges/destinations"),
        cell(node, "/charges/connections"),
        cell(node, "/charges/replays"),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_says_who_lives_and_how_much_it_has() {
        let now: Timestamp = "2026-01-31T09:30:00Z".parse().expect("a time");
        let node = json!({
            "name": "a", "address": "127.0.0.1:8080", "version": "1.0.0", "state": "lives", "this": true,
            "heartbeat_at": "2026-01-31T09:29:57Z", "agrees": true,
            "charges": { "destinations": 4, "connections": 2, "replays": 0 },
        });
        let expected = ["a (this)", "127.0.0.1:8080", "1.0.0", "lives", "3.0s ago", "4", "2", "0"];
        assert_eq!(row(&node, now), expected.map(str::to_owned));
        let other = json!({ "name": "b", "state": "gone", "this": false, "agrees": false });
        assert_eq!(row(&other, now)[3], "gone, configured differently");
    }
}
