//! All recipes by name: those embedded in the binary as text, read when a source first asks for one, and those that
//! the owner brought along. A value: nothing changes it, a reload makes another.

use std::sync::{Arc, OnceLock};

use super::error::{RecipeError, RecipeErrors};
use super::recipe::Recipe;

struct Entry {
    name: &'static str,
    text: &'static str,
    recipe: OnceLock<Arc<Recipe>>,
}

/// Where a recipe comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    BuiltIn,
    Own,
}

impl Origin {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BuiltIn => "built_in",
            Self::Own => "own",
        }
    }
}

/// The embedded recipes and the owner's. Without the owner's it costs nothing until a recipe is asked for.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    own: Vec<Arc<Recipe>>,
}

/// Name and text of each file of `catalogue/providers`, in alphabetical order; `build.rs` lists them.
const TEXTS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));

/// The embedded recipes alone, for what has no owner.
pub fn catalogue() -> &'static Catalogue {
    static BUILT_IN: Catalogue = Catalogue { own: Vec::new() };
    &BUILT_IN
}

/// What each catalogue holds: read once, the same for all.
fn built_in() -> &'static [Entry] {
    static ENTRIES: OnceLock<Vec<Entry>> = OnceLock::new();
    ENTRIES.get_or_init(|| TEXTS.iter().map(|&(name, text)| Entry { name, text, recipe: OnceLock::new() }).collect())
}

impl Catalogue {
    /// With recipes of the owner's, which are then like the embedded ones. None may have the name of another: what a
    /// name means must not depend on a folder.
    pub fn with_own(recipes: impl IntoIterator<Item = Recipe>) -> Result<Self, RecipeErrors> {
        let mut catalogue = Self::default();
        let errors: Vec<_> = recipes.into_iter().filter_map(|recipe| catalogue.add(recipe).err()).collect();
        if errors.is_empty() { Ok(catalogue) } else { Err(RecipeErrors(errors)) }
    }

    /// Adds one recipe of the owner's, unless its name is taken.
    pub fn add(&mut self, recipe: Recipe) -> Result<(), RecipeError> {
        if let Some(error) = self.clash(&recipe) {
            return Err(error);
        }
        let at = self.own.partition_point(|other| other.name() < recipe.name());
        self.own.insert(at, Arc::new(recipe));
        Ok(())
    }

    fn clash(&self, recipe: &Recipe) -> Option<RecipeError> {
        let name = recipe.name();
        let help = match self.origin(name)? {
            Origin::BuiltIn => format!("give yours another name, such as own-{name}, or remove the file to use ours"),
            Origin::Own => "give one of your two files another name".to_owned(),
        };
        Some(recipe.name_error(format!("there is a provider '{name}' already"), help))
    }

    /// The owner's alone.
    pub fn own(&self) -> impl Iterator<Item = &Arc<Recipe>> {
        self.own.iter()
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<Recipe>> {
        let Ok(at) = built_in().binary_search_by(|entry| entry.name.cmp(name)) else {
            return self.own.iter().find(|recipe| recipe.name() == name).cloned();
        };
        let entry = &built_in()[at];
        let read = || {
            let recipe = Recipe::without_examples(&format!("{}.yaml", entry.name), entry.text);
            Arc::new(recipe.expect("every embedded recipe is read by the catalogue's tests"))
        };
        Some(entry.recipe.get_or_init(read).clone())
    }

    /// The embedded ones in alphabetical order, then the owner's in theirs.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        built_in().iter().map(|entry| entry.name).chain(self.own.iter().map(|recipe| recipe.name()))
    }

    /// All of them, in the order of [`Self::names`].
    pub fn recipes(&self) -> impl Iterator<Item = (Origin, Arc<Recipe>)> {
        self.names().filter_map(|name| Some((self.origin(name)?, self.get(name)?)))
    }

    /// `None` if there is no such recipe.
    #[must_use]
    pub fn origin(&self, name: &str) -> Option<Origin> {
        if built_in().binary_search_by(|entry| entry.name.cmp(name)).is_ok() {
            return Some(Origin::BuiltIn);
        }
        self.own.iter().any(|recipe| recipe.name() == name).then_some(Origin::Own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(name: &str) -> Recipe {
        let text = format!(
            "title: Ours\nprovider: {name}\ndocs: https://ours.example\nverify: none\n\
             event: {{ type: [], type_otherwise: x }}\nfacts: {{ as_of: 2026-01-31, source: https://ours.example }}\n"
        );
        Recipe::from_yaml("ours.yaml", &text).expect("a recipe")
    }

    #[test]
    fn own_recipes_stand_beside_the_embedded_ones_of_this_value_only() {
        let own = Catalogue::with_own([recipe("zulu"), recipe("alpha-of-ours")]).expect("names of their own");
        let names: Vec<_> = own.names().skip(catalogue().names().count()).collect();
        assert_eq!(names, ["alpha-of-ours", "zulu"]);
        assert_eq!((own.origin("zulu"), own.origin("github")), (Some(Origin::Own), Some(Origin::BuiltIn)));
        assert!(own.get("zulu").is_some() && own.get("github").is_some() && own.get("nobody").is_none());
        assert!(catalogue().get("zulu").is_none() && catalogue().origin("zulu").is_none());
        assert_eq!(own.recipes().filter(|(origin, _)| *origin == Origin::Own).count(), 2);
    }

    #[test]
    fn a_name_that_is_taken_is_told_where_it_stands_with_what_to_do() {
        let errors = Catalogue::with_own([recipe("github"), recipe("ours"), recipe("ours")]).expect_err("taken").0;
        let told: Vec<_> = errors.iter().map(|error| (error.place.line, error.help.as_deref().unwrap_or(""))).collect();
        assert!(
            matches!(told[..], [(2, first), (2, second)]
            if first.contains("own-github") && second.contains("one of your two")),
            "{told:?}"
        );
    }
}
