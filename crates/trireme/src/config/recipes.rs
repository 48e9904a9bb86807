//! The owner's own recipes: `providers/*.yaml` beside the configuration, each like one of the catalogue. Every mistake
//! in them is told, and every vector in them is tried, before any of them is used.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use connectors::provider::{AdoptError, Recipe, RecipeError, catalogue};

use super::{ConfigErrors, Diagnosis, read_file};

/// The folder's name.
const FOLDER: &str = "providers";
/// Most recipes of one's own: more than there are in the catalogue.
const FILES_MAX: usize = 1_000;

/// Takes in the recipes beside a configuration. They are read once: a later change counts from the next start on,
/// because sources hold on to the recipe that they were checked by.
pub(super) fn adopt(directory: &Path) -> Result<(), ConfigErrors> {
    let folder = directory.join(FOLDER);
    let files = files(&folder)?;
    let (mut recipes, mut wrong) = (Vec::new(), Vec::new());
    for file in &files {
        match read(file) {
            Ok(recipe) => recipes.push(recipe),
            Err(mut found) => wrong.append(&mut found),
        }
    }
    if !wrong.is_empty() {
        return Err(ConfigErrors(wrong));
    }
    if recipes.is_empty() {
        return Ok(());
    }
    match catalogue().adopt(recipes) {
        Ok(()) | Err(AdoptError::AdoptedBefore) => Ok(()),
        Err(error @ AdoptError::NameTaken(_)) => {
            let folder = folder.display().to_string();
            Err(ConfigErrors(vec![Diagnosis::of_file(&folder, "name_taken", error.to_string(), None)]))
        }
    }
}

/// In the order of their names; none if there is no such folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>, ConfigErrors> {
    let shown = folder.display().to_string();
    let unreadable = |message: String| ConfigErrors(vec![Diagnosis::of_file(&shown, "file_unreadable", message, None)]);
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(format!("the folder of recipes cannot be read: {error}"))),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| unreadable(error.to_string()))?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
    if files.len() > FILES_MAX {
        return Err(unreadable(format!("there are more than {FILES_MAX} recipes in it")));
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> Result<Recipe, Vec<Diagnosis>> {
    let file = path.display().to_string();
    let whole = |code, message| vec![Diagnosis::of_file(&file, code, message, None)];
    let bytes = read_file(path).map_err(|problem| whole("file_unreadable", problem))?;
    let text = String::from_utf8(bytes).map_err(|_| whole("not_utf8", "the recipe is not UTF-8 text".to_owned()))?;
    let recipe =
        Recipe::from_yaml(&file, &text).map_err(|errors| errors.0.into_iter().map(diagnosis).collect::<Vec<_>>())?;
    if path.file_stem().is_none_or(|stem| stem != recipe.name()) {
        let message = format!("a recipe is called after its provider: this one belongs in {}.yaml", recipe.name());
        return Err(whole("recipe_invalid", message));
    }
    let failed: Vec<Diagnosis> = recipe
        .vectors()
        .iter()
        .filter_map(|vector| vector.run(&recipe).err())
        .flat_map(|problem| whole("vector_failed", problem))
        .collect();
    if failed.is_empty() { Ok(recipe) } else { Err(failed) }
}

fn diagnosis(error: RecipeError) -> Diagnosis {
    let RecipeError { file, place, message } = error;
    let known = |number: u64| u32::try_from(number).ok().filter(|number| *number > 0);
    Diagnosis::of_file(&file, "recipe_invalid", message, None).at(known(place.line), known(place.column))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECIPE: &str = "provider: ours
title: Ours
docs: https://ours.example
secrets: [{ role: token, about: a token }]
verify: { token: { key: token, from: { header: x-token } } }
event: { type: [[{ json: /type }]], type_otherwise: unknown }
facts: { as_of: 2026-01-31, source: https://ours.example }
---
vectors:
  - name: one
    kind: valid
    made_by: hand
    secrets: [{ role: token, value: a }]
    at: 2026-01-31T09:30:00Z
    headers: { x-token: a }
    body: '{\"type\":\"made\"}'
    expect: { assurance: shared, events: [{ type: made }] }
";

    fn folder(name: &str, text: &str) -> tempfile::TempDir {
        let directory = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(directory.path().join(FOLDER)).expect("made");
        std::fs::write(directory.path().join(FOLDER).join(name), text).expect("written");
        directory
    }

    fn wrong(name: &str, text: &str) -> Vec<(&'static str, Option<u32>, String)> {
        let errors = adopt(folder(name, text).path()).expect_err("wrong").0;
        errors.into_iter().map(|error| (error.code, error.line, error.message)).collect()
    }

    #[test]
    fn mistakes_are_told_with_their_file_line_and_column() {
        let found = wrong("ours.yaml", &RECIPE.replace("header: x-token", "hedder: x-token"));
        assert!(
            matches!(&found[..], [("recipe_invalid", Some(5), message)] if message.contains("hedder")),
            "{found:?}"
        );
        let found = wrong("ours.yaml", &RECIPE.replace("[{ type: made }]", "[{ type: unmade }]"));
        assert!(matches!(&found[..], [("vector_failed", None, message)] if message.contains("'one'")), "{found:?}");
        assert_eq!(wrong("other.yaml", RECIPE)[0].0, "recipe_invalid");
        let taken = wrong("github.yaml", &RECIPE.replace("provider: ours", "provider: github"));
        assert_eq!(taken[0].0, "name_taken", "what a name means never depends on a folder");
    }

    #[test]
    fn a_source_names_a_recipe_of_the_owner_as_any_other() {
        assert!(adopt(tempfile::tempdir().expect("a folder").path()).is_ok(), "there need not be any");
        let directory = folder("ours.yaml", RECIPE);
        let file = directory.path().join("trireme.yaml");
        let text = "sources: { one: { webhook: { provider: ours, secret: abc } } }\n";
        std::fs::write(&file, text).expect("written");
        for _ in 0..2 {
            let config = crate::config::load(&file, &|_| None).unwrap_or_else(|errors| panic!("{errors}"));
            assert_eq!(config.specs.sources.len(), 1);
        }
        assert!(catalogue().names().any(|name| name == "ours"));
    }
}
