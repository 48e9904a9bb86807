//! Which manifest is meant: a file, one beside the program, one of ours, or the one inside of the configuration.

use std::path::{Path, PathBuf};

use connectors::manifest::catalogue::{embedded, embedded_names};
use serde_json::Value;

use super::files;
use crate::cli::Environment;
use crate::exit::{Exit, Failure, Outcome};

/// The manifest of a program that was started under a connector's name.
const VARIABLE: &str = "TRIREME_MANIFEST";

/// What was said about the manifest.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub manifest: Option<PathBuf>,
    /// The connector's name, as the program's name or the option gives it.
    pub connector: Option<String>,
    pub overrides: Option<PathBuf>,
}

/// A manifest, and where its mistakes are to be looked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub name: String,
    pub text: Text,
    /// Replacements of custom components, with the name of their file.
    pub overrides: Option<(String, String)>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Text {
    Yaml(String),
    Json(Value),
}

impl Wanted {
    /// Finds it. `injected` is the manifest inside of the configuration: taken when nothing else was said.
    pub fn find(&self, injected: Option<Value>, environment: Environment<'_>) -> Outcome<Found> {
        let overrides = match &self.overrides {
            Some(path) => Some((path.display().to_string(), files::text(path)?)),
            None => None,
        };
        let (name, text) = self.text(injected, environment)?;
        Ok(Found { name, text, overrides })
    }

    fn text(&self, injected: Option<Value>, environment: Environment<'_>) -> Outcome<(String, Text)> {
        let variable = environment(VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
        if let Some(path) = self.manifest.clone().or(variable).or_else(|| self.beside()) {
            return Ok((path.display().to_string(), Text::Yaml(files::text(&path)?)));
        }
        let ours = self.connector.as_deref().and_then(|name| Some((name, embedded(name)?)));
        match (ours, injected) {
            (Some((name, text)), _) => Ok((format!("{name}.yaml (ours)"), Text::Yaml(text.to_owned()))),
            (None, Some(manifest)) => Ok((files::INJECTED_MANIFEST.to_owned(), Text::Json(manifest))),
            (None, None) => Err(self.missing()),
        }
    }

    /// `source-x.yaml` in the folder of the program.
    fn beside(&self) -> Option<PathBuf> {
        let name = self.connector.as_ref()?;
        let program = std::env::current_exe().ok()?;
        let folders = [std::env::args_os().next().map(PathBuf::from), Some(program)];
        let beside = |program: &Path| program.with_file_name(format!("source-{name}.yaml"));
        folders.into_iter().flatten().map(|program| beside(&program)).find(|path| path.is_file())
    }

    fn missing(&self) -> Failure {
        let Some(name) = &self.connector else {
            let failure = Failure::new(Exit::Usage, "manifest_missing", "there is no manifest");
            return failure
                .hint(format!("Give one with --manifest, or inside of the configuration as {}.", files::INJECTED_MANIFEST));
        };
        let failure = Failure::new(Exit::Usage, "manifest_missing", format!("there is no manifest of '{name}'"));
        let known: Vec<_> = embedded_names().collect();
        failure.hint(format!("Put source-{name}.yaml beside the program, or set {VARIABLE}. Ours are: {}.", known.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_file_goes_before_what_the_configuration_brings() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.yaml");
        std::fs::write(&path, "version: 1").unwrap();
        let wanted = Wanted { manifest: Some(path.clone()), ..Wanted::default() };
        let nothing = |_: &str| None;
        assert_eq!(wanted.find(Some(json!({})), &nothing).unwrap().text, Text::Yaml("version: 1".to_owned()));
        let injected = Wanted::default().find(Some(json!({ "version": "1" })), &nothing).unwrap();
        assert_eq!(injected.text, Text::Json(json!({ "version": "1" })));
        let variable = |name: &str| (name == VARIABLE).then(|| path.display().to_string());
        let named = Wanted { connector: Some("no-such".to_owned()), ..Wanted::default() };
        assert_eq!(named.find(None, &variable).unwrap().text, Text::Yaml("version: 1".to_owned()));
        assert_eq!(named.find(None, &nothing).unwrap_err().code, "manifest_missing");
        assert_eq!(Wanted::default().find(None, &nothing).unwrap_err().code, "manifest_missing");
    }
}
