//! What `trireme connector` takes.

use std::path::PathBuf;

use ipnet::IpNet;

use super::manifest::Wanted;
use crate::config::parse_range;

#[derive(clap::Args, Debug)]
pub struct ConnectorArgs {
    #[command(subcommand)]
    pub command: ConnectorCommand,
}

#[derive(clap::Subcommand, Debug)]
pub enum ConnectorCommand {
    /// Say, stream by stream, what runs, what needs an override and why
    Inspect(ManifestArgs),
    /// Print what the configuration has to hold
    Spec(ManifestArgs),
    /// Say whether a configuration works
    Check(ConfiguredArgs),
    /// Print what can be read
    Discover(ConfiguredArgs),
    /// Print records and states
    Read(ConnectorReadArgs),
}

#[derive(clap::Args, Debug)]
pub struct ManifestArgs {
    /// The manifest, a file, or the name of one of ours; else the one inside of the configuration
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Replacements of the manifest's custom components
    #[arg(long, value_name = "FILE")]
    overrides: Option<PathBuf>,
}

#[derive(clap::Args, Debug)]
pub struct ConfiguredArgs {
    #[command(flatten)]
    manifest: ManifestArgs,
    /// The configuration, a JSON file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    #[command(flatten)]
    reach: Reach,
}

#[derive(clap::Args, Debug)]
pub struct ConnectorReadArgs {
    #[command(flatten)]
    configured: ConfiguredArgs,
    /// What to read, a configured catalog; else everything
    #[arg(long, value_name = "FILE")]
    catalog: Option<PathBuf>,
    /// Where the last read ended: states, or all that it printed
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
}

/// What may be reached by a command that has no configuration file of the gateway.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Reach {
    /// Addresses that may be reached although they are not public, as 10.0.0.0/8
    #[arg(long, env = "TRIREME_EGRESS_ALLOW", value_name = "RANGE", value_delimiter = ',', value_parser = parse_range)]
    pub egress_allow: Vec<IpNet>,
}

/// What a connector is asked to do.
#[derive(Debug)]
pub enum Verb {
    Spec,
    Check { config: PathBuf, reach: Reach },
    Discover { config: PathBuf, reach: Reach },
    Read(ReadArgs),
}

#[derive(Debug)]
pub struct ReadArgs {
    pub config: PathBuf,
    /// Everything, if none is given.
    pub catalog: Option<PathBuf>,
    pub state: Option<PathBuf>,
    pub reach: Reach,
}

impl Verb {
    /// The configuration that it needs.
    pub fn config(&self) -> Option<&PathBuf> {
        match self {
            Self::Spec => None,
            Self::Check { config, .. } | Self::Discover { config, .. } => Some(config),
            Self::Read(args) => Some(&args.config),
        }
    }
}

impl ManifestArgs {
    pub fn wanted(self) -> Wanted {
        // A name has neither a folder nor an ending.
        let name = self
            .manifest
            .as_ref()
            .and_then(|path| path.to_str())
            .filter(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')));
        match name.map(str::to_owned) {
            Some(name) if !self.manifest.as_ref().is_some_and(|path| path.exists()) => {
                Wanted { manifest: None, connector: Some(name), overrides: self.overrides }
            }
            _ => Wanted { manifest: self.manifest, connector: None, overrides: self.overrides },
        }
    }
}

impl ConnectorCommand {
    /// What to do, and with which manifest; `None` for what is no verb of the protocol.
    pub fn into_verb(self) -> Result<(Verb, Wanted), ManifestArgs> {
        Ok(match self {
            Self::Inspect(args) => return Err(args),
            Self::Spec(args) => (Verb::Spec, args.wanted()),
            Self::Check(ConfiguredArgs { manifest, config, reach }) => {
                (Verb::Check { config, reach }, manifest.wanted())
            }
            Self::Discover(ConfiguredArgs { manifest, config, reach }) => {
                (Verb::Discover { config, reach }, manifest.wanted())
            }
            Self::Read(ConnectorReadArgs { configured, catalog, state }) => {
                let ConfiguredArgs { manifest, config, reach } = configured;
                (Verb::Read(ReadArgs { config, catalog, state, reach }), manifest.wanted())
            }
        })
    }
}
