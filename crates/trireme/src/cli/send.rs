//! `trireme send PROVIDER`: a sample of a sender's events, filled in and signed as the sender would, to any URL.

use std::path::PathBuf;

use bytes::Bytes;
use connectors::provider::{Moment, Recipe, Role, RoleSecret, Settings, SignError, sign_sample};
use engine::clock::SystemClock;
use engine::entropy::{Entropy, SystemEntropy};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};

use super::known::{KnownArgs, recipe_of};
use crate::client::Caller;
use crate::exit::{Failure, Outcome};
use crate::output::{Output, clean};

#[derive(clap::Args, Debug)]
pub struct SendArgs {
    #[command(flatten)]
    known: KnownArgs,
    /// The recipe of this provider, wherever it is, instead of those that are known
    #[arg(long, value_name = "FILE")]
    provider_file: Option<PathBuf>,
    /// Whose sample to send, as `github`; `trireme providers` lists them
    provider: String,
    /// Which sample: its event type, as `trireme providers show` lists them; the first one if left out
    #[arg(long)]
    event: Option<String>,
    /// Where to send it; else to /in/PROVIDER of the gateway
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// The secret to sign with, as the source has it; `private=KEY` for a private test key
    #[arg(long, env = "TRIREME_SECRET", hide_env_values = true)]
    secret: Vec<String>,
    /// A setting of the provider, as the source has it
    #[arg(long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,
    /// Address of the gateway
    #[arg(long, env = "TRIREME_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
}

pub async fn run(args: SendArgs, output: Output) -> Outcome {
    let recipe = match &args.provider_file {
        Some(file) => recipe_of(file, &args.provider)?,
        None => args.known.recipe(&args.provider)?,
    };
    let sample = recipe.sample(args.event.as_deref()).ok_or_else(|| no_such_sample(&recipe))?;
    let to = args.to.unwrap_or_else(|| format!("{}/in/{}", args.url.trim_end_matches('/'), recipe.name()));
    let (clock, mut nonce) = (SystemClock::shared(), [0; 16]);
    SystemEntropy::new().fill(&mut nonce);
    let moment = Moment { now: clock.now(), nonce: u128::from_ne_bytes(nonce) };
    let secrets: Vec<_> = args.secret.iter().map(|secret| role_secret(secret)).collect();
    let settings = settings(&args.settings)?;
    let signed = sign_sample(&recipe, &secrets, &settings, sample, &to, moment).map_err(|error| not_signed(&error))?;
    let method = Method::from_bytes(signed.method.as_bytes());
    let method = method.map_err(|error| Failure::general("sample_unusable", error.to_string()))?;
    let headers = headers(&signed.headers)?;
    let response = Caller::new(clock)?.send(method, &signed.url, headers, signed.body).await?;
    report(response.status, &response.body_head, sample.event.as_str(), &to, output)
}

fn no_such_sample(recipe: &Recipe) -> Failure {
    let known: Vec<_> = recipe.samples().iter().map(|sample| sample.event.as_str()).collect();
    if known.is_empty() {
        return not_signed(&SignError::OnlyTheSender { provider: recipe.name().to_owned() });
    }
    let failure = Failure::usage(format!("there is no such sample of {}", recipe.name()));
    failure.hint(format!("There are: {}.", known.join(", ")))
}

fn not_signed(error: &SignError) -> Failure {
    let failure = Failure::usage(error.to_string());
    match error {
        SignError::OnlyTheSender { .. } => failure,
        _ => failure.hint("Give the source's secret with --secret."),
    }
}

/// A secret, perhaps with its role before it. Secrets of senders hold `=` too, but no role's name before it.
fn role_secret(text: &str) -> RoleSecret {
    match text.split_once('=').and_then(|(role, value)| Some((Role::parse(role)?, value))) {
        Some((role, value)) => RoleSecret::new(Some(role), value),
        None => RoleSecret::plain(text),
    }
}

fn settings(pairs: &[String]) -> Outcome<Settings> {
    let mut settings = Settings::default();
    for pair in pairs {
        let (name, value) =
            pair.split_once('=').ok_or_else(|| Failure::usage(format!("'{pair}' is no setting: write NAME=VALUE")))?;
        settings.set(name, value);
    }
    Ok(settings)
}

pub fn headers(pairs: &[(std::sync::Arc<str>, Bytes)]) -> Outcome<HeaderMap> {
    let unusable = |name: &str| Failure::general("sample_unusable", format!("its header '{name}' cannot be sent"));
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let header = HeaderName::try_from(&**name).map_err(|_| unusable(name))?;
        headers.append(header, HeaderValue::from_maybe_shared(value.clone()).map_err(|_| unusable(name))?);
    }
    Ok(headers)
}

fn report(status: u16, body: &[u8], event: &str, to: &str, output: Output) -> Outcome {
    let text = String::from_utf8_lossy(body);
    let answer: Value = serde_json::from_slice(body).unwrap_or_else(|_| Value::from(&*text));
    output.json(&json!({ "event": event, "to": to, "status": status, "answer": answer }))?;
    output.line(format!("{event} → {to}: {status} {}", clean(text.trim())))?;
    if (200..300).contains(&status) {
        return Ok(());
    }
    let failure = Failure::general("not_accepted", format!("{to} answered {status}"));
    Err(match status {
        401 => failure.hint("The secret is not the one of the source; `trireme providers show` says what is needed."),
        404 => failure
            .hint("No source of this name listens to a sender; /in/NAME takes the name that trireme.yaml gives it."),
        _ => failure,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_of_fetched_keys_says_that_nobody_else_can_sign() {
        let recipe = connectors::provider::catalogue().get("aws-sns").expect("listed");
        let said = no_such_sample(&recipe).to_json().to_string();
        assert!(said.contains("'aws-sns' signs by keys that it publishes") && !said.contains("--secret"), "{said}");
    }

    #[test]
    fn a_role_is_told_from_a_secret_that_holds_an_equals_sign() {
        assert_eq!(role_secret("private=abc").role(), Some(Role::Private));
        assert_eq!(role_secret("c2VjcmV0=").role(), None);
        assert_eq!(role_secret("other=abc").role(), None);
    }
}
