//! What the demo says first: where it is, and commands to try, each of which works as it is printed.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::plan::Plan;
use crate::exit::Outcome;
use crate::output::Output;

/// The address that commands take by themselves.
const DEFAULT_PORT: u16 = 8080;

struct Hint {
    what: &'static str,
    command: String,
}

pub struct Hints {
    url: String,
    api_key: String,
    config: PathBuf,
    data: PathBuf,
    hints: Vec<Hint>,
}

impl Hints {
    pub fn new(address: SocketAddr, plan: &Plan, data: &Path, config: &Path) -> Self {
        let (url, program) = (format!("http://{address}"), program());
        let is_default = address.ip().is_loopback() && address.is_ipv4() && address.port() == DEFAULT_PORT;
        let at = if is_default { String::new() } else { format!(" --url {url}") };
        let (key, github) = (&plan.api_key, &plan.github_secret);
        let hint = |what, command: String| Hint { what, command };
        let api = |what, command: &str| hint(what, format!("{program} {command} --key {key}{at}"));
        let hints = vec![
            api("follow events as they come", "tail"),
            api("bring them to a program of your own", "listen --source github --to http://localhost:3000/webhooks"),
            api("list what was accepted", "events --source github"),
            api("see what could not be delivered, and why", "dead-letters"),
            api("try all of that again", "dead-letters retry --all --yes"),
            api("deliver the last minute once more", "replay --since 1m --destination app --yes"),
            hint("send a webhook, signed as GitHub signs", format!("{program} send github --secret {github}{at}")),
            hint(
                "use the API",
                format!("curl -s -H 'Authorization: Bearer {key}' '{url}/api/v1/deliveries?state=delivered&limit=5'"),
            ),
            hint("check the configuration it runs", format!("{program} check --config {}", config.display())),
        ];
        Self { url, api_key: key.clone(), config: config.to_owned(), data: data.to_owned(), hints }
    }

    pub fn print(&self, output: Output) -> Outcome {
        output.json(&self.to_json())?;
        output.line(format!("trireme demo listens on {}", self.url))?;
        output.line(format!("API key  {}", self.api_key))?;
        output.line(format!("data in  {}", self.data.display()))?;
        output.line(format!("look at  {}/  (log in with the key)", self.url))?;
        output.line("\nTry next, in another terminal:")?;
        for Hint { what, command } in &self.hints {
            output.line(format!("  # {what}\n  {command}"))?;
        }
        output.line("\nWhat happens (Ctrl-C ends it):")
    }

    fn to_json(&self) -> Value {
        let hints = self.hints.iter().map(|hint| json!({ "what": hint.what, "command": hint.command }));
        json!({
            "what": "ready",
            "url": self.url,
            "api_key": self.api_key,
            "config": self.config,
            "data": self.data,
            "try": hints.collect::<Vec<_>>(),
        })
    }
}

/// How this program is called: by its name if the shell finds it, else by its path.
fn program() -> String {
    let Ok(path) = std::env::current_exe() else { return "trireme".to_owned() };
    let quoted = |path: &Path| match path.display().to_string() {
        plain if plain.chars().all(|letter| letter.is_ascii_alphanumeric() || "/._-".contains(letter)) => plain,
        other => format!("'{}'", other.replace('\'', r"'\''")),
    };
    if is_found_by_name(&path) {
        return "trireme".to_owned();
    }
    let here = std::env::current_dir().unwrap_or_default();
    match path.strip_prefix(here) {
        Ok(relative) => format!("./{}", quoted(relative)),
        Err(_) => quoted(&path),
    }
}

fn is_found_by_name(path: &Path) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&folders).map(|folder| folder.join("trireme")).find(|file| file.is_file());
    found.and_then(|file| file.canonicalize().ok()).is_some_and(|file| file == path)
}
