//! The recipes that come with the binary: embedded as text, compiled when a source first asks for one.

use std::sync::{Arc, OnceLock};

use super::recipe::Recipe;

struct Entry {
    name: &'static str,
    text: &'static str,
    recipe: OnceLock<Arc<Recipe>>,
}

/// All embedded recipes by name.
pub struct Catalogue {
    entries: Vec<Entry>,
}

/// Name and text of each file of `catalogue/providers`, in alphabetical order; `build.rs` lists them.
const TEXTS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));

/// The embedded catalogue. Costs nothing until a recipe is asked for.
pub fn catalogue() -> &'static Catalogue {
    static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
    CATALOGUE.get_or_init(|| {
        let entry = |&(name, text)| Entry { name, text, recipe: OnceLock::new() };
        Catalogue { entries: TEXTS.iter().map(entry).collect() }
    })
}

impl Catalogue {
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<Recipe>> {
        let entry = self.entries.iter().find(|entry| entry.name == name)?;
        let read = || {
            let recipe = Recipe::without_examples(&format!("{}.yaml", entry.name), entry.text);
            Arc::new(recipe.expect("every embedded recipe is read by the catalogue's tests"))
        };
        Some(entry.recipe.get_or_init(read).clone())
    }

    /// In alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name)
    }
}
