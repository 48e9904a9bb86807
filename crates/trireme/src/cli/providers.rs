//! `trireme providers`: the webhook senders that come with the binary, and what each needs. Asks no gateway.

use std::sync::Arc;

use connectors::provider::{self, Recipe, Settings};
use serde_json::{Value, json};

use crate::exit::{Failure, Outcome};
use crate::output::Output;

#[derive(clap::Args, Debug)]
pub struct ProvidersArgs {
    #[command(subcommand)]
    command: Option<ProvidersCommand>,
}

#[derive(clap::Subcommand, Debug)]
enum ProvidersCommand {
    /// List them all
    List,
    /// Show how one signs and what it needs
    Show {
        /// Name of the provider, as `github`
        name: String,
    },
}

pub fn run(args: &ProvidersArgs, output: Output) -> Outcome {
    match &args.command {
        None | Some(ProvidersCommand::List) => list(output),
        Some(ProvidersCommand::Show { name }) => show(&*recipe(name)?, output),
    }
}

/// A recipe by name, or which names there are.
pub fn recipe(name: &str) -> Outcome<Arc<Recipe>> {
    provider::catalogue().get(name).ok_or_else(|| {
        let names: Vec<_> = provider::catalogue().names().collect();
        Failure::usage(format!("there is no provider '{name}'")).hint(format!("There are: {}.", names.join(", ")))
    })
}

fn recipes() -> impl Iterator<Item = Arc<Recipe>> {
    provider::catalogue().names().filter_map(|name| provider::catalogue().get(name))
}

fn assurance(recipe: &Recipe) -> Option<&'static str> {
    recipe.assurance(&Settings::default()).ok().map(domain::Assurance::as_str)
}

fn list(output: Output) -> Outcome {
    let row =
        |recipe: &Recipe| json!({ "name": recipe.name(), "title": recipe.title(), "assurance": assurance(recipe) });
    output.json(&Value::from(recipes().map(|recipe| row(&recipe)).collect::<Vec<_>>()))?;
    let cells = |recipe: &Recipe| {
        [recipe.name(), recipe.title(), assurance(recipe).unwrap_or("by its settings")].map(str::to_owned).to_vec()
    };
    output.table(&["NAME", "SENDER", "PROVES"], recipes().map(|recipe| cells(&recipe)).collect())
}

fn describe(recipe: &Recipe) -> Value {
    let facts = recipe.facts();
    let secrets = recipe.roles().map(|(role, about)| json!({ "role": role.as_str(), "about": about }));
    let settings =
        recipe.settings().map(|(name, about, default)| json!({ "name": name, "about": about, "default": default }));
    json!({
        "name": recipe.name(),
        "title": recipe.title(),
        "docs": recipe.docs(),
        "assurance": assurance(recipe),
        "weaknesses": recipe.weaknesses(),
        "secrets": secrets.collect::<Vec<_>>(),
        "settings": settings.collect::<Vec<_>>(),
        "samples": recipe.samples().iter().map(|sample| &sample.event).collect::<Vec<_>>(),
        "facts": { "as_of": facts.as_of, "source": facts.source, "retries": facts.retries, "notes": facts.notes },
    })
}

fn show(recipe: &Recipe, output: Output) -> Outcome {
    output.json(&describe(recipe))?;
    let line = |name: &str, text: &str| output.line(format!("{name:<11} {text}"));
    line("provider", &format!("{} ({})", recipe.name(), recipe.title()))?;
    line("documented", recipe.docs())?;
    line("proves", assurance(recipe).unwrap_or("depends on its settings"))?;
    recipe.weaknesses().iter().try_for_each(|weakness| line("beware", weakness))?;
    recipe.roles().try_for_each(|(role, about)| line("secret", &format!("{}: {about}", role.as_str())))?;
    for (name, about, default) in recipe.settings() {
        let default = default.map(|default| format!(" (default {default})")).unwrap_or_default();
        line("setting", &format!("{name}: {about}{default}"))?;
    }
    let samples: Vec<_> = recipe.samples().iter().map(|sample| sample.event.as_str()).collect();
    line("samples", &samples.join(", "))?;
    if let Some(retries) = recipe.facts().retries {
        line("retries", &format!("{retries} (as of {})", recipe.facts().as_of))?;
    }
    output.line(format!(
        "\nsources:\n  {0}:\n    webhook: {{ provider: {0}, secret: \"${{{1}_SECRET}}\" }}",
        recipe.name(),
        recipe.name().to_ascii_uppercase().replace('-', "_"),
    ))
}
