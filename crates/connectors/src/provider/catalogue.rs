//! The recipes that come with the binary: embedded as text, compiled when a source first asks for one.

use std::sync::{Arc, OnceLock};

use super::recipe::Recipe;

struct Entry {
    name: &'static str,
    text: &'static str,
    recipe: OnceLock<Arc<Recipe>>,
}

/// All recipes by name: the embedded ones, and those that the owner brought along.
pub struct Catalogue {
    entries: Vec<Entry>,
    own: OnceLock<Vec<Arc<Recipe>>>,
}

/// Why recipes of the owner's cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdoptError {
    #[error("there is a provider '{0}' already: give yours a name of its own")]
    NameTaken(String),
    #[error("the owner's recipes are read once, when the program starts")]
    AdoptedBefore,
}

/// Name and text of each file of `catalogue/providers`, in alphabetical order; `build.rs` lists them.
const TEXTS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));

/// The embedded catalogue. Costs nothing until a recipe is asked for.
pub fn catalogue() -> &'static Catalogue {
    static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
    CATALOGUE.get_or_init(|| {
        let entry = |&(name, text)| Entry { name, text, recipe: OnceLock::new() };
        Catalogue { entries: TEXTS.iter().map(entry).collect(), own: OnceLock::new() }
    })
}

impl Catalogue {
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<Recipe>> {
        let Some(entry) = self.entries.iter().find(|entry| entry.name == name) else {
            return self.own().iter().find(|recipe| recipe.name() == name).cloned();
        };
        let read = || {
            let recipe = Recipe::without_examples(&format!("{}.yaml", entry.name), entry.text);
            Arc::new(recipe.expect("every embedded recipe is read by the catalogue's tests"))
        };
        Some(entry.recipe.get_or_init(read).clone())
    }

    /// The embedded ones in alphabetical order, then the owner's.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name).chain(self.own().iter().map(|recipe| recipe.name()))
    }

    fn own(&self) -> &[Arc<Recipe>] {
        self.own.get().map_or(&[], Vec::as_slice)
    }

    /// Takes in recipes of the owner's, which from then on are like the embedded ones. None may have the name of
    /// another: what a name means must not depend on a folder.
    pub fn adopt(&self, recipes: Vec<Recipe>) -> Result<(), AdoptError> {
        let mut own: Vec<Arc<Recipe>> = Vec::with_capacity(recipes.len());
        for recipe in recipes {
            if self.entries.iter().any(|entry| entry.name == recipe.name())
                || own.iter().any(|other| other.name() == recipe.name())
            {
                return Err(AdoptError::NameTaken(recipe.name().to_owned()));
            }
            own.push(Arc::new(recipe));
        }
        self.own.set(own).map_err(|_| AdoptError::AdoptedBefore)
    }
}
