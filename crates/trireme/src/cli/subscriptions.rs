//! `trireme subscriptions`: how the webhooks stand that are asked for at the sources themselves.

use domain::Timestamp;
use serde_json::{Value, json};

use super::streams::span;
use crate::client::{Gateway, GatewayArgs, segment};
use crate::exit::{Failure, Outcome};
use crate::output::{Output, aside, cell};

#[derive(clap::Args, Debug)]
pub struct SubscriptionsArgs {
    /// Only of this source; else of all that subscribe
    source: Option<String>,
    /// Look after them now, and then tell
    #[arg(long, requires = "source")]
    check: bool,
    #[command(flatten)]
    gateway: GatewayArgs,
}

const HEADINGS: [&str; 8] = ["SOURCE", "CONNECTION", "PLACE", "STATE", "ID", "SINCE", "CHECKED", "PROBLEM"];

pub async fn run(args: SubscriptionsArgs, output: Output) -> Outcome {
    let gateway = Gateway::new(&args.gateway)?;
    let sources = match args.source {
        Some(source) => vec![source],
        None => subscribing(&gateway).await?,
    };
    let (now, mut rows, mut all) = (gateway.clock.now(), Vec::new(), Vec::new());
    for source in sources {
        let path = format!("/api/v1/sources/{}/subscriptions", segment(&source));
        let listed = match args.check {
            true => gateway.post(&format!("{path}/check"), &json!({})).await?,
            false => gateway.get(&path).await?,
        };
        for one in listed["data"].as_array().into_iter().flatten() {
            rows.push(row(&source, one, now));
            let mut one = one.clone();
            one["source"] = source.as_str().into();
            all.push(one);
        }
    }
    output.json(&json!({ "data": all }))?;
    if rows.is_empty() {
        aside("Nothing is subscribed: a source says that it is to be, by `subscribe: true`.");
    }
    let failing = all.iter().filter(|one| one["state"] == "failing").count();
    output.table(&HEADINGS, rows)?;
    match failing {
        0 => Ok(()),
        _ => Err(Failure::general("subscription_failing", format!("{failing} of them do not work"))),
    }
}

/// The sources that say that they are to be subscribed.
async fn subscribing(gateway: &Gateway) -> Outcome<Vec<String>> {
    let (mut names, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let after = cursor.map(|cursor| format!("&cursor={}", segment(&cursor))).unwrap_or_default();
        let page = gateway.get(&format!("/api/v1/sources?limit=500{after}")).await?;
        let subscribing = |source: &&Value| source.pointer("/definition/subscribe") == Some(&Value::Bool(true));
        let sources = page["data"].as_array().into_iter().flatten().filter(subscribing);
        names.extend(sources.filter_map(|source| source["name"].as_str().map(str::to_owned)));
        cursor = page["next"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return Ok(names);
        }
    }
}

fn row(source: &str, one: &Value, now: Timestamp) -> Vec<String> {
    let ago = |name: &str| {
        let at = one[name].as_str().and_then(|text| text.parse::<Timestamp>().ok());
        at.map(|at| format!("{} ago", span(now.since(at).as_secs_f64()))).unwrap_or_default()
    };
    let place = one["place"].as_object().into_iter().flatten();
    let place: Vec<String> =
        place.map(|(_, value)| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).collect();
    let code = cell(one, "/problem/code");
    let problem = if code.is_empty() { code } else { format!("{code}: {}", cell(one, "/problem/message")) };
    vec![
        source.to_owned(),
        cell(one, "/connection"),
        place.join(" "),
        cell(one, "/state"),
        cell(one, "/id"),
        ago("since"),
        ago("checked_at"),
        problem,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_where_it_is_how_it_stands_and_why_not() {
        let now: Timestamp = "2026-01-31T09:30:00Z".parse().expect("a time");
        let one = json!({
            "connection": "acme", "place": { "repository": "acme/shop" }, "state": "failing", "id": "4711",
            "since": "2026-01-31T08:30:00Z", "problem": { "code": "subscription_refused", "message": "it said 403" },
        });
        let expected =
            ["github", "acme", "acme/shop", "failing", "4711", "1.0h ago", "", "subscription_refused: it said 403"];
        assert_eq!(row("github", &one, now), expected);
    }
}
