//! `trireme explain`: why a delivery failed or a request was rejected, and what to do next.

use serde_json::{Value, json};

use crate::client::{Gateway, GatewayArgs, segment};
use crate::exit::{Failure, Outcome};
use crate::output::{Output, cell, clean};

#[derive(clap::Args, Debug)]
pub struct ExplainArgs {
    /// Id of a delivery (dlv_…) or of a request (req_…)
    id: String,
    /// Ask the model too that the gateway's configuration names
    #[arg(long)]
    model: bool,
    #[command(flatten)]
    gateway: GatewayArgs,
}

pub async fn run(args: ExplainArgs, output: Output) -> Outcome {
    let path = path_of(&args.id)?;
    let gateway = Gateway::new(&args.gateway)?;
    let explained = if args.model { gateway.post(&path, &json!({})).await? } else { gateway.get(&path).await? };
    output.json(&explained)?;
    show(&explained, output)
}

fn path_of(id: &str) -> Outcome<String> {
    let noun = match id.split('_').next() {
        Some("dlv") => "deliveries",
        Some("req") => "requests",
        _ => {
            return Err(Failure::usage(format!("'{id}' is neither a delivery (dlv_…) nor a request (req_…)"))
                .hint("`trireme dead-letters` lists deliveries; the dashboard lists rejected requests."));
        }
    };
    Ok(format!("/api/v1/{noun}/{}/explain", segment(id)))
}

fn show(explained: &Value, output: Output) -> Outcome {
    let diagnoses = explained["diagnoses"].as_array().map(Vec::as_slice).unwrap_or_default();
    if diagnoses.is_empty() {
        output.line("Nothing is wrong with it, as far as the rules can tell.")?;
    }
    for diagnosis in diagnoses {
        let [certainty, cause, next] = ["/certainty", "/cause", "/next"].map(|field| cell(diagnosis, field));
        output.line(format!("{}: {}\n  Next: {}\n", clean(&certainty), clean(&cause), clean(&next)))?;
    }
    match explained.get("model") {
        Some(model) => show_model(model, output),
        None => Ok(()),
    }
}

/// Apart from what the rules say, and marked as what it is.
fn show_model(model: &Value, output: Output) -> Outcome {
    if let Some(problem) = model.get("problem") {
        return output.line(format!("No answer of a model: {}", clean(&cell(problem, "/detail"))));
    }
    output.line(format!("The model {} guesses, from figures alone:", clean(&cell(model, "/name"))))?;
    cell(model, "/answer").lines().try_for_each(|line| output.line(format!("  {}", clean(line))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_what_it_is_of() {
        assert_eq!(path_of("dlv_1").ok().as_deref(), Some("/api/v1/deliveries/dlv_1/explain"));
        assert_eq!(path_of("req_1").ok().as_deref(), Some("/api/v1/requests/req_1/explain"));
        for other in ["evt_1", "", "dlv", "../dlv_1"] {
            assert!(path_of(other).is_err() || other == "dlv", "{other}");
        }
    }
}
