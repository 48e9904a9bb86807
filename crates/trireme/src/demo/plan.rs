//! What the demo runs, written as the configuration that a user would write.

use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use data_encoding::{BASE64, HEXLOWER};
use engine::entropy::Entropy;

use crate::exit::{Failure, Outcome};

/// Secrets of this run, and where its destinations are.
pub struct Plan {
    pub github_secret: String,
    pub stripe_secret: String,
    pub api_key: String,
    destination_secret: String,
    destinations: SocketAddr,
}

impl Plan {
    pub fn new(entropy: &dyn Entropy, destinations: SocketAddr) -> Self {
        let random = || {
            let mut bytes = [0; 24];
            entropy.fill(&mut bytes);
            bytes
        };
        Self {
            github_secret: HEXLOWER.encode(&random()),
            stripe_secret: format!("whsec_{}", HEXLOWER.encode(&random())),
            api_key: format!("trk_admin_{}", HEXLOWER.encode(&random())),
            destination_secret: format!("whsec_{}", BASE64.encode(&random())),
            destinations,
        }
    }

    /// Writes the configuration into the data folder; gives its path.
    pub fn write(&self, folder: &Path) -> Outcome<PathBuf> {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| Failure::file("cannot make the data folder", folder, &error))?;
        let path = folder.join("trireme.yaml");
        let opened = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        let written = opened.and_then(|mut file| std::io::Write::write_all(&mut file, self.yaml().as_bytes()));
        written.map_err(|error| Failure::file("cannot write", &path, &error))?;
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

#[cfg(test)]
mod tests {
    use engine::entropy::SeededEntropy;

    use super::*;
    use crate::config;

    #[test]
    fn the_demo_writes_a_configuration_without_errors_or_warnings_that_only_its_owner_reads() {
        let folder = tempfile::tempdir().expect("a folder");
        let plan = Plan::new(&SeededEntropy::new(1), "127.0.0.1:65001".parse().expect("an address"));
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
