//! A case: a folder with a manifest, a config, perhaps a state, the script of its server, and the golden.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::scripted::{Script, ScriptError};

pub struct Case {
    pub name: String,
    folder: PathBuf,
    pub manifest: String,
    pub config: String,
    /// As the protocol has it: a list of state messages.
    pub state: Option<String>,
    pub script: Script,
    pub about: About,
}

/// `case.yaml`: what the case is for, and where it departs from reading every stream of the discovered catalog.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Which components and options it covers, in a sentence.
    pub about: String,
    /// The streams to read and how (`full_refresh`, `incremental`). Without it: all, incrementally where they can.
    #[serde(default)]
    pub streams: BTreeMap<String, String>,
    /// More JSON files that the manifest names, relative to it.
    #[serde(default)]
    pub files: BTreeMap<String, Json>,
    /// Whether equal requests count as one: for requests of which the reference makes more or fewer by chance.
    #[serde(default)]
    pub repeated_requests_count_once: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    #[error("{path}: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("{path}: {message}")]
    Content { path: PathBuf, message: String },
    #[error("{path}: {source}")]
    Script { path: PathBuf, source: ScriptError },
}

impl Case {
    pub fn load(folder: &Path) -> Result<Self, CaseError> {
        let read = |name: &str| read(&folder.join(name));
        let about = serde_saphyr::from_str::<Json>(&read("case.yaml")?)
            .map_err(|error| error.to_string())
            .and_then(|value| serde_json::from_value(value).map_err(|error| error.to_string()))
            .map_err(|message| CaseError::Content { path: folder.join("case.yaml"), message })?;
        let script = Script::parse(&read("script.yaml")?)
            .map_err(|source| CaseError::Script { path: folder.join("script.yaml"), source })?;
        Ok(Self {
            name: folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            folder: folder.to_owned(),
            manifest: read("manifest.yaml")?,
            config: read("config.json")?,
            state: folder.join("state.json").exists().then(|| read("state.json")).transpose()?,
            script,
            about,
        })
    }

    /// The cases under a folder, by name.
    pub fn all(folder: &Path) -> Result<Vec<Self>, CaseError> {
        let failed = |source| CaseError::File { path: folder.to_owned(), source };
        let mut folders = Vec::new();
        for entry in fs::read_dir(folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.is_dir() {
                folders.push(path);
            }
        }
        folders.sort();
        folders.iter().map(|folder| Self::load(folder)).collect()
    }

    pub fn golden_path(&self) -> PathBuf {
        self.folder.join("golden.json")
    }

    pub fn golden(&self) -> Result<Json, CaseError> {
        let path = self.golden_path();
        let text = read(&path)?;
        serde_json::from_str(&text).map_err(|error| CaseError::Content { path, message: error.to_string() })
    }

    /// What to read of the streams in `discovered`, in their order there.
    pub fn configured_catalog(&self, discovered: &Json) -> Json {
        let streams = discovered.as_object().into_iter().flatten().filter_map(|(name, stream)| {
            let mode = match self.about.streams.get(name) {
                Some(mode) => mode.as_str(),
                None if !self.about.streams.is_empty() => return None,
                None if offers_incremental(stream) => "incremental",
                None => "full_refresh",
            };
            let configured = json!({ "stream": stream, "sync_mode": mode, "destination_sync_mode": "append" });
            Some(configured)
        });
        json!({ "streams": streams.collect::<Vec<_>>() })
    }
}

fn offers_incremental(stream: &Json) -> bool {
    stream["supported_sync_modes"].as_array().is_some_and(|modes| modes.iter().any(|mode| mode == "incremental"))
}

fn read(path: &Path) -> Result<String, CaseError> {
    fs::read_to_string(path).map_err(|source| CaseError::File { path: path.to_owned(), source })
}
