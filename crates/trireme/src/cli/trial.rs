//! `trireme try`: what a route makes of a stored event, with another `when` or `map` if wished, beside what it made of
//! it before. Nothing is sent.

mod diff;

use serde_json::{Map, Value, json};

use self::diff::{Line, difference};
use crate::client::{Gateway, GatewayArgs, segment};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{Output, cell, clean};

#[derive(clap::Args, Debug)]
pub struct TrialArgs {
    /// Name of the route
    route: String,
    /// Id of the event, as evt_01h455vb4pex5vsknk084sn02q
    #[arg(long, value_name = "ID")]
    event: String,
    /// Try this condition instead of the route's (JSONata); empty: none
    #[arg(long, value_name = "EXPRESSION")]
    when: Option<String>,
    /// Try this mapping instead of the route's (JSONata); empty: none
    #[arg(long, value_name = "EXPRESSION")]
    map: Option<String>,
    #[command(flatten)]
    gateway: GatewayArgs,
}

pub async fn run(args: TrialArgs, output: Output) -> Outcome {
    let gateway = Gateway::new(&args.gateway)?;
    let mut wish = Map::from_iter([("event".to_owned(), Value::from(args.event.as_str()))]);
    for (name, text) in [("when", &args.when), ("map", &args.map)] {
        if let Some(text) = text {
            wish.insert(name.to_owned(), json!(text));
        }
    }
    let trial = gateway.post(&format!("/api/v1/routes/{}/try", segment(&args.route)), &Value::Object(wish)).await?;
    output.json(&trial)?;
    show(&trial, output)?;
    if trial["when"] == "failed" || trial.get("result_problem").is_some() {
        // It was said above; a script sees it by the exit code.
        return Err(Failure::new(Exit::General, "trial_failed", ""));
    }
    Ok(())
}

fn show(trial: &Value, output: Output) -> Outcome {
    let verdict = match trial["when"].as_str() {
        Some("passes") => "goes through".to_owned(),
        Some("stopped") => "filtered: `when` is not true for this event".to_owned(),
        _ => format!("`when` failed: {}", clean(&cell(trial, "/when_problem"))),
    };
    output.line(format!("when    {verdict}"))?;
    if let Some(enriched) = trial.get("enriched") {
        output.line("\nFetched for it:")?;
        lines(&pretty(enriched), output)?;
    }
    if let Some(problem) = trial["result_problem"].as_str() {
        return output.line(format!("map     {}", clean(problem)));
    }
    let made = body(&trial["result"]);
    output.line(format!(
        "\nWhat the destination {} ({}):",
        if trial["when"] == "passes" { "gets" } else { "would get" },
        clean(&cell(trial, "/result/content_type"))
    ))?;
    lines(&made, output)?;
    match trial.get("before") {
        Some(before) => compared(before, &made, output),
        None => output.line("\nThis event was not delivered along this route."),
    }
}

fn compared(before: &Value, made: &str, output: Output) -> Outcome {
    let what = if before["sent"] == true { "was sent" } else { "the route makes as it is configured" };
    let of = format!("{} ({})", cell(before, "/delivery"), cell(before, "/state"));
    let known = body(&before["made"]);
    if known == made {
        return output.line(format!("\nThe same as what {what}: {}", clean(&of)));
    }
    output.line(format!("\nCompared with what {what}: {}", clean(&of)))?;
    for line in difference(&known, made) {
        output.line(match line {
            Line::Same(text) => format!("  {}", clean(text)),
            Line::Gone(text) => format!("- {}", clean(text)),
            Line::New(text) => format!("+ {}", clean(text)),
        })?;
    }
    Ok(())
}

/// A body as a text of lines.
fn body(made: &Value) -> String {
    match (made.get("data"), made["data_base64"].as_str()) {
        (Some(data), _) => pretty(data),
        (None, Some(base64)) => format!("base64: {base64}"),
        (None, None) => "(larger than what is shown)".to_owned(),
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn lines(text: &str, output: Output) -> Outcome {
    text.lines().try_for_each(|line| output.line(format!("  {}", clean(line))))
}
