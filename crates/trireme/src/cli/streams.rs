//! `trireme streams`: what is read by itself, how that goes, and what it costs.

use domain::Timestamp;
use serde_json::Value;

use super::events::after_page;
use super::filter::PageArgs;
use crate::client::{Gateway, GatewayArgs, query};
use crate::exit::Outcome;
use crate::output::{Output, aside, cell};

#[derive(clap::Args, Debug)]
pub struct StreamsArgs {
    /// Only of this source
    #[arg(long, help_heading = "Filter")]
    source: Option<String>,
    /// Only of this connection
    #[arg(long, help_heading = "Filter")]
    connection: Option<String>,
    #[command(flatten)]
    page: PageArgs,
    #[command(flatten)]
    gateway: GatewayArgs,
}

const HEADINGS: [&str; 10] = [
    "SOURCE",
    "CONNECTION",
    "STREAM",
    "STATE",
    "READ",
    "NEXT POLL",
    "NEXT RECONCILE",
    "CHANGES/H",
    "EMPTY POLLS",
    "REQUESTS/CHANGE",
];

pub async fn run(args: StreamsArgs, output: Output) -> Outcome {
    let gateway = Gateway::new(&args.gateway)?;
    let parameters = [("source", args.source), ("connection", args.connection)].into_iter();
    let path = format!("/api/v1/streams{}", query(parameters.chain(args.page.parameters())));
    let page = gateway.get(&path).await?;
    output.json(&page)?;
    let now = gateway.clock.now();
    let rows: Vec<_> = page["data"].as_array().into_iter().flatten().map(|stream| row(stream, now)).collect();
    if rows.is_empty() {
        aside("Nothing is read by itself: a source says what is, by its `streams`.");
    }
    output.table(&HEADINGS, rows)?;
    after_page(&page, output)
}

fn row(stream: &Value, now: Timestamp) -> Vec<String> {
    let figure = |name: &str, digits: usize| {
        stream[name].as_f64().map(|figure| format!("{figure:.digits$}")).unwrap_or_default()
    };
    let next = |name: &str| {
        let at = stream[name].as_str().and_then(|text| text.parse::<Timestamp>().ok());
        at.map(|at| if at <= now { "now".to_owned() } else { format!("in {}", span(at.since(now).as_secs_f64())) })
    };
    let by_budget = stream.pointer("/definition/poll/budget").map(|_| "by budget".to_owned());
    let waste = stream["waste"].as_f64().map(|share| format!("{:.0} %", share * 100.0));
    vec![
        cell(stream, "/source"),
        cell(stream, "/connection"),
        cell(stream, "/stream"),
        state(stream),
        stream["lag_seconds"].as_f64().map(|lag| format!("{} ago", span(lag))).unwrap_or_default(),
        next("next_poll_at").or(by_budget).unwrap_or_default(),
        next("next_reconcile_at").unwrap_or_default(),
        figure("changes_per_hour", 1),
        waste.unwrap_or_default(),
        figure("requests_per_change", 1),
    ]
}

/// One word or two for how it stands.
fn state(stream: &Value) -> String {
    let failures = stream["failures_in_a_row"].as_u64().unwrap_or_default();
    match (stream["running"] == true, failures, stream["baseline_at"].is_null()) {
        (true, _, true) => format!("first scan{}", place(stream)),
        (true, _, false) => format!("reading{}", place(stream)),
        (false, 0, true) => "never read".to_owned(),
        (false, 0, false) if stream["subscription"] == "covers" => "resting".to_owned(),
        (false, 0, false) => "ok".to_owned(),
        (false, failures, _) => format!("failed {failures}x"),
    }
}

/// How far a run has come that is listed.
fn place(stream: &Value) -> String {
    let Some(run) = stream.get("run") else { return String::new() };
    let slice = match run["slice"].as_object() {
        Some(slice) if !slice.is_empty() => {
            let part = |(name, part): (&String, &Value)| match part.as_str() {
                Some(text) => format!("{name}={text}"),
                None => format!("{name}={part}"),
            };
            format!(" of {}", slice.iter().map(part).collect::<Vec<_>>().join(" "))
        }
        _ => String::new(),
    };
    format!(": {} records, page {}{slice}", run["seen"], run["pages"])
}

/// Seconds in the largest unit that leaves one or more of it.
pub fn span(seconds: f64) -> String {
    const UNITS: [(f64, &str); 3] = [(86_400.0, "d"), (3_600.0, "h"), (60.0, "m")];
    match UNITS.into_iter().find(|(length, _)| seconds >= *length) {
        Some((length, unit)) => format!("{:.1}{unit}", seconds / length),
        None if seconds >= 10.0 => format!("{seconds:.0}s"),
        None => format!("{seconds:.1}s"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_says_how_a_stream_stands_in_words_that_are_read_at_a_glance() {
        let now: Timestamp = "2026-01-31T09:30:00Z".parse().expect("a time");
        let polled = json!({
            "source": "shop", "connection": "acme", "stream": "orders", "running": false, "failures_in_a_row": 0,
            "baseline_at": "2026-01-30T00:00:00Z", "lag_seconds": 12.3, "next_poll_at": "2026-01-31T09:30:18Z",
            "next_reconcile_at": "2026-01-31T10:00:00Z", "changes_per_hour": 50.04, "waste": 0.861,
            "requests_per_change": 7.2,
        });
        let expected =
            ["shop", "acme", "orders", "ok", "12s ago", "in 18s", "in 30.0m", "50.0", "86 %", "7.2"].map(str::to_owned);
        assert_eq!(row(&polled, now), expected);
        let shared = json!({ "definition": { "poll": { "budget": "5/h" } }, "failures_in_a_row": 3 });
        let shown = row(&shared, now);
        assert_eq!((shown[3].as_str(), shown[5].as_str(), shown[7].as_str()), ("failed 3x", "by budget", ""));
        assert_eq!(state(&json!({ "running": true, "baseline_at": null })), "first scan");
        assert_eq!(state(&json!({ "running": false, "baseline_at": null })), "never read");
        let run = json!({ "pages": 12, "seen": 1200, "slice": { "start": "2026-01-01", "end": "2026-01-31" } });
        let scanned = json!({ "running": true, "baseline_at": null, "run": run });
        assert_eq!(state(&scanned), "first scan: 1200 records, page 12 of start=2026-01-01 end=2026-01-31");
        let read = json!({ "running": true, "baseline_at": "2026-01-30T00:00:00Z", "run": { "pages": 1, "seen": 7 } });
        assert_eq!(state(&read), "reading: 7 records, page 1");
        assert_eq!([0.04, 59.6, 90.0, 7_200.0, 200_000.0].map(span), ["0.0s", "60s", "1.5m", "2.0h", "2.3d"]);
    }
}
