//! The file `trireme.yaml`: read once, checked whole, handed on as plain typed values.
//!
//! Every mistake is told at once. Nothing here opens a port, a database or a connection.

mod connectors;
mod egress;
mod explain;
mod limits;
mod objects;
pub mod recipes;
mod report;
mod retention;
mod store;
mod top;
mod variables;
mod yaml;

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::Tenant;
use domain::identity::Digest;
use engine::definition::{At, Findings, Report, hide_secrets};
use engine::explain::ModelSpec;
use engine::spec::Specs;
use ipnet::IpNet;

use self::report::Quoting;

pub use self::egress::parse_range;
pub use self::limits::Limits;
pub use self::report::Diagnosis;
pub use self::retention::Retention;
pub use self::store::StoreChoice;

/// Largest configuration file: ten thousand routes fit, and it is read at start and on every SIGHUP.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What looks up an environment variable; only `main` reads the environment itself.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Everything that the file says, with every default filled in.
#[derive(Debug)]
pub struct Config {
    /// What senders call, without a slash at its end; part of some signatures.
    pub public_url: Option<String>,
    pub store: StoreChoice,
    /// Proxies whose `X-Forwarded-…` headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// What may be reached although it is not public, by tenant.
    pub egress_allow: BTreeMap<Tenant, Vec<IpNet>>,
    pub limits: Limits,
    pub retention: Retention,
    /// A model that may be asked about failures; `None`: only our own rules speak.
    pub model: Option<ModelSpec>,
    pub specs: Specs,
    /// Of the texts of the file, of the recipes beside it and of the manifests that it names; not of what stands in
    /// variables.
    pub digest: Digest,
    /// What runs, but probably not as meant.
    pub warnings: Vec<Diagnosis>,
}

/// Every mistake of a file, in its order; with the warnings that came beside them.
#[derive(Debug, thiserror::Error)]
pub struct ConfigErrors(pub Vec<Diagnosis>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnosis) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            diagnosis.fmt(f)?;
        }
        Ok(())
    }
}

/// Reads and checks a file.
pub fn load(path: &Path, env: Env<'_>) -> Result<Config, ConfigErrors> {
    load_allowing(path, env, &[])
}

/// As [`load`]; the default tenant may also reach what the command line allows.
pub fn load_allowing(path: &Path, env: Env<'_>, egress_allow: &[IpNet]) -> Result<Config, ConfigErrors> {
    let file = path.display().to_string();
    let source = read_file(path).map_err(|problem| {
        let help = "give the path with --config, or TRIREME_CONFIG; an empty file is enough to begin with".to_owned();
        let message = format!("the configuration cannot be read: {problem}");
        ConfigErrors(vec![Diagnosis::of_file(&file, "file_unreadable", message, Some(help))])
    })?;
    let directory = path.parent().map(Path::to_owned).unwrap_or_default();
    let own = recipes::beside(path);
    let connectors = Arc::new(connectors::Files::below(&directory));
    read(&file, &source, &Surroundings { directory, env, egress_allow, own, connectors })
}

fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let mut source = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut source).map_err(|error| error.to_string())?;
    if source.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("it is larger than {FILE_BYTES_MAX} bytes"));
    }
    Ok(source)
}

/// What a file's meaning depends on beside its text.
struct Surroundings<'a> {
    /// Relative paths start here.
    directory: PathBuf,
    env: Env<'a>,
    /// Beside the file's own `egress.allow`.
    egress_allow: &'a [IpNet],
    /// The recipes beside the file.
    own: recipes::Own,
    /// The connectors that can be named.
    connectors: Arc<connectors::Files>,
}

/// Checks the bytes of a file, and tells it together with what is to be said of the recipes beside it.
fn read(file: &str, source: &[u8], around: &Surroundings<'_>) -> Result<Config, ConfigErrors> {
    let mut diagnoses = around.own.found.clone();
    let config = match text_of(file, source) {
        Ok(text) => {
            let (config, report) = examine(text, around);
            let quoting = if config.is_some() { Quoting::Known } else { Quoting::KeysOnly };
            diagnoses.extend(report::diagnose(file, text, &report, quoting));
            config
        }
        Err(diagnosis) => {
            diagnoses.push(*diagnosis);
            None
        }
    };
    let digest = of_all(source, around);
    match config {
        Some(config) if !diagnoses.iter().any(Diagnosis::is_error) => {
            Ok(Config { warnings: diagnoses, digest, ..config })
        }
        _ => Err(ConfigErrors(diagnoses)),
    }
}

/// What tells this configuration from another one, wherever both are.
fn of_all(source: &[u8], around: &Surroundings<'_>) -> Digest {
    let mut digests = vec![Digest::of(source)];
    digests.extend(&around.own.digests);
    digests.extend(around.connectors.digests());
    Digest::of(&digests.iter().flat_map(|digest| digest.0).collect::<Vec<u8>>())
}

fn text_of<'s>(file: &str, source: &'s [u8]) -> Result<&'s str, Box<Diagnosis>> {
    std::str::from_utf8(source).map_err(|error| {
        let line = 1 + source[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
        let message = format!("line {line} is not UTF-8 text");
        Box::new(Diagnosis::of_file(file, "not_utf8", message, Some("save the file as UTF-8".to_owned())))
    })
}

/// Reads a text, and everything that is wrong with it. There is no configuration where there is no YAML.
fn examine(source: &str, around: &Surroundings<'_>) -> (Option<Config>, Report) {
    let findings = Findings::default();
    let variables = variables::Variables { env: around.env, directory: &around.directory };
    let root = yaml::parse(source, &variables, &findings);
    let config = root.as_ref().map(|root| {
        hide_secrets(root, &findings);
        top::config(&At::root(root, &findings), around)
    });
    (config, findings.into_report())
}

#[cfg(test)]
mod tests;
