//! `store`: where the state is kept.

use std::path::{Path, PathBuf};

use engine::definition::At;
use engine::spec::Secret;

/// Where the state is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StoreChoice {
    /// One SQLite file in the data directory.
    #[default]
    Default,
    /// One SQLite file of this name.
    Sqlite(PathBuf),
    /// A PostgreSQL database, by its address, which may hold a password.
    Postgres(Secret),
}

impl StoreChoice {
    /// Reads what stands in the file or behind `--store`. Relative paths start at `directory`.
    pub fn parse(text: &str, directory: &Path) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            if path.is_empty() {
                return Err("'sqlite:' names no file: write sqlite:./trireme.db".to_owned());
            }
            return Ok(Self::Sqlite(directory.join(path)));
        }
        if text.starts_with("postgres:") || text.starts_with("postgresql:") {
            return Ok(Self::Postgres(Secret::new(text.to_owned())));
        }
        // It is not repeated: it may hold a password.
        Err("this is no store: leave 'store' out, or write sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE"
            .to_owned())
    }
}

pub(super) fn section(at: &At<'_>, directory: &Path) -> Option<StoreChoice> {
    at.findings().hide(at.node());
    let choice = StoreChoice::parse(at.text()?.as_str(), directory);
    choice.map_err(|problem| at.error("store_unknown", problem, "")).ok()
}
