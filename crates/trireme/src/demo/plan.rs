//! What the demo runs, written as the configuration that a user would write.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use data_encoding::{BASE64, HEXLOWER};
use engine::entropy::Entropy;

use crate::exit::{Failure, Outcome};

/// The API key, beside the configuration: a demo that is started again on its data goes on with it.
const KEY_FILE: &str = "demo-key";

/// Secrets of this run, and where its destinations are.
pub struct Plan {
    pub github_secret: String,
    pub stripe_secret: String,
    pub api_key: String,
    destination_secret: String,
    destinations: SocketAddr,
}

impl Plan {
    /// `api_key`: of the demo that left its data in the folder, because its store knows no other.
    pub fn new(entropy: &dyn Entropy, destinations: SocketAddr, api_key: Option<String>) -> Self {
        let random = || {
            let mut bytes = [0; 24];
            entropy.fill(&mut bytes);
            bytes
        };
        Self {
            github_secret: HEXLOWER.encode(&random()),
            stripe_secret: format!("whsec_{}", HEXLOWER.encode(&random())),
            api_key: api_key.unwrap_or_else(|| format!("trk_admin_{}", HEXLOWER.encode(&random()))),
            destination_secret: format!("whsec_{}", BASE64.encode(&random())),
            destinations,
        }
    }

    /// The key of the demo that left its data in a folder.
    pub fn kept_key(folder: &Path) -> Outcome<Option<String>> {
        let path = folder.join(KEY_FILE);
        match std::fs::read_to_string(&path) {
            Ok(key) => Ok(Some(key.trim().to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::file("cannot read", &path, &error)),
        }
    }

    /// Writes the configuration and the key into the data folder; gives the path of the former.
    pub fn write(&self, folder: &Path) -> Outcome<PathBuf> {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| Failure::file("cannot make the data folder", folder, &error))?;
        write_private(&folder.join(KEY_FILE), &self.api_key)?;
        let path = folder.join("trireme.yaml");
        write_private(&path, &self.yaml())?;
        Ok(path)
    }

    fn yaml(&self) -> String {
        let Self { github_secret, stripe_secret, destination_secret, destinations, .. } = self;
        format!(
            r#"# What the demo runs. Change it and send the process a SIGHUP: it is taken over at once.
egress: {{ allow: ["127.0.0.0/8"] }}   # the demo's destinations are on this machine
sources:
  github: {{ webhook: {{ provider: github, secret: "{github_secret}" }} }}
  stripe: {{ webhook: {{ provider: stripe, secret: "{stripe_secret}" }} }}
destinations:
  app:                                 # healthy
    http: {{ url: "http://{destinations}/app", secret: "{destination_secret}" }}
  flaky:                               # fails a third of the time
    http: {{ url: "http://{destinations}/flaky", secret: "{destination_secret}" }}
    retry: {{ fibonacci: 1s, attempts: 3 }}
routes:
  - {{ from: github, to: app }}
  - {{ from: github, to: flaky, when: "data.action = 'opened'" }}
  - from: stripe
    to: flaky
  - from: stripe
    to: app
    name: payments
    when: "type = 'charge.succeeded'"
    map: "{{ 'charge': data.data.object.id, 'amount': data.data.object.amount / 100, 'currency': $uppercase(data.data.object.currency) }}"
"#
        )
    }
}

/// A file that only its owner reads.
fn write_private(path: &Path, text: &str) -> Outcome {
    let opened = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    let written = opened.and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes()));
    written.map_err(|error| Failure::file("cannot write", path, &error))
}

#[cfg(test)]
mod tests {
    use engine::entropy::SeededEntropy;

    use super::*;
    use crate::config;

    #[test]
    fn the_demo_writes_a_configuration_without_errors_or_warnings_that_only_its_owner_reads() {
        let folder = tempfile::tempdir().expect("a folder");
        let plan = Plan::new(&SeededEntropy::new(1), "127.0.0.1:65001".parse().expect("an address"), None);
        let path = plan.write(folder.path()).expect("written");
        let config = config::load(&path, &|_| None).expect("a valid configuration");
        assert!(config.warnings.is_empty(), "{:?}", config.warnings);
        let specs = &config.specs;
        assert_eq!((specs.sources.len(), specs.destinations.len(), specs.routes.len()), (2, 2, 4));
        assert!(specs.routes.iter().any(|route| route.when.is_some() && route.map.is_some()));
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o600);
    }
}
