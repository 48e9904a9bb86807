//! `trireme providers`: the webhook senders that are known, ours and the owner's, and what each needs. Asks no gateway.

use std::sync::Arc;

use connectors::provider::{Catalogue, Origin, Published, Recipe};
use serde_json::{Value, json};

use super::known::KnownArgs;
use crate::exit::Outcome;
use crate::output::Output;

#[derive(clap::Args, Debug)]
pub struct ProvidersArgs {
    #[command(flatten)]
    known: KnownArgs,
    #[command(subcommand)]
    command: Option<ProvidersCommand>,
}

#[derive(clap::Subcommand, Debug)]
enum ProvidersCommand {
    /// List them all
    List,
    /// Show how one signs, what it needs, and what to do at the sender
    Show {
        /// Name of the provider, as `github`
        name: String,
        /// The address that senders call this gateway by, as trireme.yaml has it
        #[arg(long, env = "TRIREME_PUBLIC_URL", default_value = "https://hooks.example", value_name = "URL")]
        public_url: String,
        /// Name of the source, if it is not the provider's
        #[arg(long, value_name = "NAME")]
        source: Option<String>,
    },
}

pub fn run(args: &ProvidersArgs, output: Output) -> Outcome {
    match &args.command {
        None | Some(ProvidersCommand::List) => list(&*args.known.catalogue()?, output),
        Some(ProvidersCommand::Show { name, public_url, source }) => {
            let source = source.as_deref().unwrap_or(name);
            let address = format!("{}/in/{source}", public_url.trim_end_matches('/'));
            show(&*args.known.recipe(name)?, source, &address, output)
        }
    }
}

fn assurance(recipe: &Recipe) -> Option<&'static str> {
    recipe.assurance(&recipe.settings_to_start_with()).ok().map(domain::Assurance::as_str)
}

fn list(catalogue: &Catalogue, output: Output) -> Outcome {
    let row = |(origin, recipe): (Origin, Arc<Recipe>)| {
        json!({
            "name": recipe.name(),
            "title": recipe.title(),
            "origin": origin.as_str(),
            "assurance": assurance(&recipe),
            "thin": recipe.is_thin(),
            "batched": recipe.is_batched(),
            "confirmed": recipe.is_confirmed(),
        })
    };
    output.json(&Value::from(catalogue.recipes().map(row).collect::<Vec<_>>()))?;
    let cells = |(origin, recipe): (Origin, Arc<Recipe>)| {
        let notes = [(origin == Origin::Own, "own"), (recipe.is_thin(), "thin"), (recipe.is_batched(), "batched")];
        let mut notes: Vec<&str> = notes.iter().filter_map(|(is, word)| is.then_some(*word)).collect();
        if !recipe.is_confirmed() {
            notes.push("unconfirmed");
        }
        let proves = assurance(&recipe).unwrap_or("by its settings");
        [recipe.name(), recipe.title(), proves, &notes.join(", ")].map(str::to_owned).to_vec()
    };
    output.table(&["NAME", "SENDER", "PROVES", "NOTES"], catalogue.recipes().map(cells).collect())
}

fn describe(recipe: &Recipe, source: &str, address: &str) -> Value {
    let facts = recipe.facts();
    let secrets = recipe.roles().map(|(role, about)| json!({ "role": role.as_str(), "about": about }));
    let settings =
        recipe.settings().map(|(name, about, default)| json!({ "name": name, "about": about, "default": default }));
    json!({
        "name": recipe.name(),
        "title": recipe.title(),
        "docs": recipe.docs(),
        "confirmed": recipe.is_confirmed(),
        "assurance": assurance(recipe),
        "verified": schemes(recipe),
        "weaknesses": recipe.weaknesses(),
        "thin": recipe.is_thin(),
        "batched": recipe.is_batched(),
        "url": address,
        "setup": recipe.setup(address).collect::<Vec<_>>(),
        "configuration": recipe.configuration(source),
        "secrets": secrets.collect::<Vec<_>>(),
        "settings": settings.collect::<Vec<_>>(),
        "addresses": recipe.published_addresses().map(addresses),
        "samples": recipe.samples().iter().map(|sample| &sample.event).collect::<Vec<_>>(),
        "facts": { "as_of": facts.as_of, "source": facts.source, "retries": facts.retries, "notes": facts.notes },
    })
}

fn schemes(recipe: &Recipe) -> Vec<String> {
    let schemes = recipe.schemes(&recipe.settings_to_start_with()).unwrap_or_default();
    schemes.into_iter().map(|scheme| scheme.text).collect()
}

fn addresses(published: Published<'_>) -> &str {
    match published {
        Published::List { url, .. } | Published::Page(url) => url,
    }
}

fn show(recipe: &Recipe, source: &str, address: &str, output: Output) -> Outcome {
    output.json(&describe(recipe, source, address))?;
    let line = |name: &str, text: &str| output.line(format!("{name:<11} {text}"));
    line("provider", &format!("{} ({})", recipe.name(), recipe.title()))?;
    line("documented", recipe.docs())?;
    if !recipe.is_confirmed() {
        line("beware", "only one secondary source says so: try it before you rely on it")?;
    }
    line("proves", assurance(recipe).unwrap_or("depends on its settings"))?;
    schemes(recipe).iter().try_for_each(|scheme| line("verified", scheme))?;
    recipe.weaknesses().iter().try_for_each(|weakness| line("beware", weakness))?;
    recipe.roles().try_for_each(|(role, about)| line("secret", &format!("{}: {about}", role.as_str())))?;
    for (name, about, default) in recipe.settings() {
        let default = default.map(|default| format!(" (default {default})")).unwrap_or_default();
        line("setting", &format!("{name}: {about}{default}"))?;
    }
    let samples: Vec<_> = recipe.samples().iter().map(|sample| sample.event.as_str()).collect();
    if !samples.is_empty() {
        line("samples", &samples.join(", "))?;
    }
    if let Some(published) = recipe.published_addresses() {
        line("addresses", addresses(published))?;
    }
    let facts = recipe.facts();
    if let Some(retries) = facts.retries {
        line("retries", &format!("{retries} (as of {})", facts.as_of))?;
    }
    facts.notes.iter().try_for_each(|note| line("note", note))?;
    steps(recipe, source, address, output)
}

/// What to do, in order: at the sender, then here.
fn steps(recipe: &Recipe, source: &str, address: &str, output: Output) -> Outcome {
    output.line(format!("\nAt the sender, for {address}:"))?;
    for (number, step) in (1..).zip(recipe.setup(address)) {
        output.line(format!("  {number}. {step}"))?;
    }
    output.line(format!("\nIn trireme.yaml:\n{}", recipe.configuration(source)))
}
