//! The owner's own recipes: `providers/*.yaml` beside the configuration, each like one of the catalogue. Every mistake
//! in them is told, and every vector in them is tried, before any of them is used.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use connectors::provider::{Catalogue, Kind, Recipe, RecipeError};
use domain::identity::Digest;

use super::Diagnosis;
use super::report::diagnose_recipe;

/// The folder's name.
const FOLDER: &str = "providers";
/// Most recipes of one's own: more than there are in the catalogue.
const FILES_MAX: usize = 1_000;
/// Largest recipe: the longest of the catalogue has a twentieth of it.
const FILE_BYTES_MAX: u64 = 256 * 1024;
/// Most bytes of all recipes: they are read at start and on every SIGHUP, and stay in memory.
const FOLDER_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What a folder of recipes comes to.
#[derive(Debug, Default)]
pub struct Own {
    /// Ours, and those of the owner's that could be read.
    pub catalogue: Arc<Catalogue>,
    /// Names of those that could not.
    pub wrong: Arc<BTreeSet<String>>,
    /// Mistakes and warnings, in the order of the files.
    pub found: Vec<Diagnosis>,
    /// Of the text of each file, in their order.
    pub digests: Vec<Digest>,
}

/// Reads the recipes beside a configuration; there need not be any.
pub fn beside(config: &Path) -> Own {
    let folder = config.parent().unwrap_or(Path::new("")).join(FOLDER);
    let mut reader = Reader::default();
    for path in reader.files(&folder) {
        reader.file(&path, true);
    }
    reader.finish()
}

/// Reads one recipe from wherever it is, whatever its file is called.
pub fn alone(path: &Path) -> Own {
    let mut reader = Reader::default();
    reader.file(path, false);
    reader.finish()
}

#[derive(Default)]
struct Reader {
    catalogue: Catalogue,
    wrong: BTreeSet<String>,
    found: Vec<Diagnosis>,
    digests: Vec<Digest>,
    bytes: u64,
}

impl Reader {
    /// In the order of their names; none if there is no such folder.
    fn files(&mut self, folder: &Path) -> Vec<PathBuf> {
        let shown = folder.display().to_string();
        let mut files = Vec::new();
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return files,
            Err(error) => {
                let message = format!("the folder of recipes cannot be read: {error}");
                self.wrong_file(&shown, "file_unreadable", message, "make it readable, or remove it");
                return files;
            }
        };
        for entry in entries {
            match entry {
                Ok(entry) => files.push(entry.path()),
                Err(error) => self.wrong_file(&shown, "file_unreadable", error.to_string(), "try again"),
            }
            // Before all of a folder is in memory that was never meant to be one of recipes.
            if files.len() > FILES_MAX {
                let message = format!("there are more than {FILES_MAX} files in it");
                self.wrong_file(&shown, "too_many", message, "keep nothing but recipes in this folder");
                return Vec::new();
            }
        }
        files.sort();
        files.retain(|path| self.is_recipe(path));
        files
    }

    /// Hidden files belong to editors and to Kubernetes; whatever else is no recipe by its name is left alone, but
    /// for the ending that people mean the same by.
    fn is_recipe(&mut self, path: &Path) -> bool {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') {
            return false;
        }
        if name.ends_with(".yml") {
            let message = "this file is not read: recipes end in .yaml".to_owned();
            let help = Some("rename it".to_owned());
            self.found.push(Diagnosis::warning_of_file(&path.display().to_string(), "recipe_ignored", message, help));
        }
        name.ends_with(".yaml")
    }

    fn file(&mut self, path: &Path, is_called_after_provider: bool) {
        if self.read(path, is_called_after_provider).is_none() {
            self.wrong.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }

    /// `None` if no recipe came of it.
    fn read(&mut self, path: &Path, is_called_after_provider: bool) -> Option<()> {
        let file = path.display().to_string();
        let text = match read_text(path, FOLDER_BYTES_MAX.saturating_sub(self.bytes)) {
            Ok(text) => text,
            Err(Unread { code, message, help }) => {
                self.wrong_file(&file, code, message, help);
                return None;
            }
        };
        self.bytes += text.len() as u64;
        self.digests.push(Digest::of(text.as_bytes()));
        let recipe = Recipe::from_yaml(&file, &text).map_err(|errors| self.tell("recipe_invalid", &errors.0, &text));
        let recipe = recipe.ok()?;
        if is_called_after_provider && path.file_stem().is_none_or(|stem| stem != recipe.name()) {
            let name = recipe.name();
            let message = format!("a recipe is called after its provider, and this one is for '{name}'");
            let error = recipe.name_error(message, format!("call the file {name}.yaml, or correct the name in it"));
            self.tell("recipe_invalid", &[error], &text);
        }
        self.try_vectors(&file, &recipe, &text);
        self.catalogue.add(recipe).map_err(|error| self.tell("name_taken", &[error], &text)).ok()
    }

    fn try_vectors(&mut self, file: &str, recipe: &Recipe, text: &str) {
        for vector in recipe.vectors() {
            if let Err(message) = vector.run(recipe) {
                let help = "correct the recipe if this is what the sender sends, else the vector".to_owned();
                let error = RecipeError { file: file.to_owned(), place: vector.place, message, help: Some(help) };
                self.tell("vector_failed", &[error], text);
            }
        }
        self.missing_vectors(file, recipe);
    }

    fn tell(&mut self, code: &'static str, errors: &[RecipeError], text: &str) {
        self.found.extend(errors.iter().map(|error| diagnose_recipe(code, error, text)));
    }

    /// A recipe that nothing was ever refused by may accept everything.
    fn missing_vectors(&mut self, file: &str, recipe: &Recipe) {
        let has = |kind: Kind| recipe.vectors().iter().any(|vector| vector.kind == kind);
        let missing: Vec<&str> = Kind::REQUIRED.into_iter().filter(|kind| !has(*kind)).map(Kind::as_str).collect();
        if missing.is_empty() {
            return;
        }
        let message = format!("'{}' has no vector of the kind {}", recipe.name(), missing.join(", "));
        let help = "add them after a line '---' under 'vectors', or say not_applicable: and why".to_owned();
        self.found.push(Diagnosis::warning_of_file(file, "vectors_missing", message, Some(help)));
    }

    fn wrong_file(&mut self, file: &str, code: &'static str, message: String, help: &str) {
        self.found.push(Diagnosis::of_file(file, code, message, Some(help.to_owned())));
    }

    fn finish(self) -> Own {
        let (catalogue, wrong) = (Arc::new(self.catalogue), Arc::new(self.wrong));
        Own { catalogue, wrong, found: self.found, digests: self.digests }
    }
}

/// Why a file is no text to read a recipe from.
struct Unread {
    code: &'static str,
    message: String,
    help: &'static str,
}

fn read_text(path: &Path, left: u64) -> Result<String, Unread> {
    let unreadable = |error: std::io::Error| Unread {
        code: "file_unreadable",
        message: format!("the recipe cannot be read: {error}"),
        help: "make it readable, or remove it",
    };
    // Opening a pipe would wait for somebody to write.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        let message = "this is no file".to_owned();
        return Err(Unread { code: "file_unreadable", message, help: "keep nothing but recipes in this folder" });
    }
    let mut bytes = Vec::new();
    let most = FILE_BYTES_MAX.min(left);
    File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
    if bytes.len() as u64 > most {
        let message = format!(
            "a recipe has at most {FILE_BYTES_MAX} bytes, and all of them together {FOLDER_BYTES_MAX}; this is more"
        );
        return Err(Unread { code: "too_large", message, help: "shorten the bodies of its samples and vectors" });
    }
    String::from_utf8(bytes).map_err(|_| Unread {
        code: "not_utf8",
        message: "the recipe is not UTF-8 text".to_owned(),
        help: "save the file as UTF-8",
    })
}

#[cfg(test)]
mod tests;
