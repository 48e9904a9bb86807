//! The connectors that a file's sources name: manifests beside it, or ours. Each file is read once, however many name it.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use domain::identity::Digest;
use engine::clock::{SharedClock, SystemClock};
use engine::connector::{Connector, ConnectorError, Connectors, Named, Ours, is_path};
use engine::entropy::{SharedEntropy, SystemEntropy};

/// Largest manifest: the longest that is known has a tenth of it.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Manifest and overrides, as they are named.
type Key = (String, Option<String>);
type Loaded = Result<Arc<Connector>, ConnectorError>;

/// Finds connectors from the folder of a configuration.
pub struct Files {
    folder: PathBuf,
    clock: SharedClock,
    entropy: SharedEntropy,
    loaded: Mutex<BTreeMap<Key, Loaded>>,
    /// Of each file that was read, by how it is named.
    digests: Mutex<BTreeMap<String, Digest>>,
}

impl Files {
    #[must_use]
    pub fn below(folder: &Path) -> Self {
        let (clock, entropy) = (SystemClock::shared(), SystemEntropy::shared());
        Self { folder: folder.to_owned(), clock, entropy, loaded: Mutex::default(), digests: Mutex::default() }
    }

    /// Of the files that were read so far, in the order of their names.
    pub fn digests(&self) -> Vec<Digest> {
        self.digests.lock().unwrap_or_else(PoisonError::into_inner).values().copied().collect()
    }

    fn load(&self, name: &str, overrides: Option<&str>) -> Loaded {
        if !is_path(name) && overrides.is_none() {
            let ours = Ours { clock: Arc::clone(&self.clock), entropy: Arc::clone(&self.entropy) };
            return ours.find(name, None);
        }
        let text = |path: &str| {
            let text = read(&self.folder.join(path)).map_err(ConnectorError::Unreadable)?;
            let mut digests = self.digests.lock().unwrap_or_else(PoisonError::into_inner);
            digests.insert(path.to_owned(), Digest::of(text.as_bytes()));
            Ok::<_, ConnectorError>(text)
        };
        let manifest = text(name)?;
        let replaced = overrides.map(|path| Ok::<_, ConnectorError>((path, text(path)?))).transpose()?;
        let replaced = replaced.as_ref().map(|(name, text)| Named { name, text });
        let package = self.folder.join(name).parent().map(Path::to_owned).unwrap_or_default();
        let files = Arc::new(move |path: &str| beside(&package, path));
        let manifest = Named { name, text: &manifest };
        Connector::load(manifest, replaced, files, &self.clock, &self.entropy).map(Arc::new)
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Files({})", self.folder.display())
    }
}

impl Connectors for Files {
    fn find(&self, name: &str, overrides: Option<&str>) -> Loaded {
        let key = (name.to_owned(), overrides.map(str::to_owned));
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.entry(key).or_insert_with(|| self.load(name, overrides)).clone()
    }
}

fn read(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let file = std::fs::File::open(path).map_err(|error| format!("{shown}: {error}"))?;
    let mut text = String::new();
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| format!("{shown}: {error}"))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("{shown} has more than {FILE_BYTES_MAX} bytes"));
    }
    Ok(text)
}

/// A file of the manifest's package. Nothing outside of its folder is one.
fn beside(package: &Path, path: &str) -> Option<Vec<u8>> {
    let path = Path::new(path.trim_start_matches("./"));
    let plain = path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    let text = read(&package.join(path)).ok().filter(|_| plain)?;
    Some(text.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_outside_of_the_package_are_not_read() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("package")).unwrap();
        std::fs::write(folder.path().join("secret.json"), "1").unwrap();
        std::fs::write(folder.path().join("package/schema.json"), "2").unwrap();
        let package = folder.path().join("package");
        assert_eq!(beside(&package, "./schema.json"), Some(b"2".to_vec()));
        assert_eq!(beside(&package, "../secret.json"), None);
        assert_eq!(beside(&package, folder.path().join("secret.json").to_str().unwrap()), None);
    }
}
