//! The recipes that a command can name: ours, and those in the folder `providers` beside a configuration, of which
//! the configuration itself is not read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use connectors::provider::{Catalogue, Recipe, catalogue};

use crate::config::recipes::{self, Own};
use crate::exit::{Exit, Failure, Outcome};

/// Where `serve` and `check` look, too.
const CONFIG: &str = "trireme.yaml";

#[derive(clap::Args, Debug)]
pub struct KnownArgs {
    /// The configuration in whose folder are your own recipes, in `providers`; trireme.yaml if left out
    #[arg(long, env = "TRIREME_CONFIG", value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

impl KnownArgs {
    /// All of them, or every mistake in the owner's.
    pub fn catalogue(&self) -> Outcome<Arc<Catalogue>> {
        if let Some(path) = self.config.as_ref().filter(|path| !path.exists()) {
            let failure = Failure::usage(format!("there is no configuration {}", path.display()));
            return Err(failure.hint("--config and TRIREME_CONFIG take the path of trireme.yaml."));
        }
        usable(recipes::beside(self.config.as_deref().unwrap_or(Path::new(CONFIG)))).map(|own| own.catalogue)
    }

    /// A recipe by name, or which names there are. What is wrong with the owner's does not matter for ours.
    pub fn recipe(&self, name: &str) -> Outcome<Arc<Recipe>> {
        if let Some(recipe) = catalogue().get(name) {
            return Ok(recipe);
        }
        let known = self.catalogue()?;
        known.get(name).ok_or_else(|| {
            let names: Vec<_> = known.names().collect();
            let help = match domain::suggest::nearest(name, known.names()) {
                Some(near) => format!("Did you mean '{near}'?"),
                None => format!("There are: {}.", names.join(", ")),
            };
            Failure::usage(format!("there is no provider '{name}'")).hint(help)
        })
    }
}

/// The recipe of one file. Vectors that fail are told and no obstacle: sending is how one finds out why.
pub fn recipe_of(file: &Path, name: &str) -> Outcome<Arc<Recipe>> {
    let own = recipes::alone(file);
    if let Some(recipe) = own.catalogue.own().next() {
        if recipe.name() == name {
            own.found.iter().for_each(|one| crate::output::aside(one.to_string().trim_end()));
            return Ok(Arc::clone(recipe));
        }
        let failure = Failure::usage(format!("{} is the recipe of '{}'", file.display(), recipe.name()));
        return Err(failure.hint(format!("Write `trireme send {}`.", recipe.name())));
    }
    usable(own)?;
    Err(Failure::usage(format!("there is no recipe in {}", file.display())))
}

fn usable(own: Own) -> Outcome<Own> {
    let errors: Vec<_> = own.found.iter().filter(|one| one.is_error()).map(ToString::to_string).collect();
    match &errors[..] {
        [] => Ok(own),
        errors => Err(Failure::new(Exit::Usage, "recipe_invalid", errors.join("\n"))),
    }
}
