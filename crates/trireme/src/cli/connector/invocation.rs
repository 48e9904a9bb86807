//! Started under the name of a connector (`source-x`, by a link or a copy), this program is that connector: it takes what
//! tools that drive connectors pass, and finds its manifest by its name.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Parser;

use super::args::{ReadArgs, Reach, Verb};
use super::manifest::Wanted;

/// What the name of the program begins with when it is a connector.
const PREFIX: &str = "source-";
/// The one that has no manifest of its own: each configuration brings it along.
const ANY: &str = "declarative-manifest";

/// A connector, as its callers start it.
#[derive(Parser, Debug)]
#[command(version, about = "A connector that speaks the line protocol on stdout", arg_required_else_help = true)]
pub struct SourceCli {
    #[command(subcommand)]
    pub command: SourceCommand,
}

#[derive(clap::Subcommand, Debug)]
pub enum SourceCommand {
    /// Print what the configuration has to hold
    Spec(SpecArgs),
    /// Say whether the configuration works
    Check(ConfigArgs),
    /// Print what can be read
    Discover(ConfigArgs),
    /// Print records and states
    Read(SourceReadArgs),
}

#[derive(clap::Args, Debug)]
pub struct SpecArgs {
    /// Taken and ignored: callers pass it
    #[arg(long, hide = true)]
    debug: bool,
    /// The manifest, instead of the connector's own
    #[arg(long, value_name = "FILE")]
    manifest_path: Option<PathBuf>,
}

#[derive(clap::Args, Debug)]
pub struct ConfigArgs {
    #[command(flatten)]
    spec: SpecArgs,
    /// The configuration, a JSON file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    #[command(flatten)]
    reach: Reach,
}

#[derive(clap::Args, Debug)]
pub struct SourceReadArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// What to read, a configured catalog
    #[arg(long, value_name = "FILE")]
    catalog: PathBuf,
    /// Where the last read ended
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
}

/// The connector's name, if the program was started under one.
pub fn connector_name(program: &Path) -> Option<String> {
    let name = program.file_name()?.to_str()?;
    let name = name.strip_suffix(".exe").unwrap_or(name).strip_prefix(PREFIX)?;
    (!name.is_empty()).then(|| name.to_owned())
}

/// What was typed, as the commands of `trireme connector` take it.
pub fn parse(name: &str, arguments: impl IntoIterator<Item = OsString>) -> (Verb, Wanted) {
    let cli = SourceCli::parse_from(arguments);
    let wanted = |spec: SpecArgs| Wanted {
        manifest: spec.manifest_path,
        connector: (name != ANY).then(|| name.to_owned()),
        overrides: None,
    };
    match cli.command {
        SourceCommand::Spec(args) => (Verb::Spec, wanted(args)),
        SourceCommand::Check(args) => (Verb::Check { config: args.config, reach: args.reach }, wanted(args.spec)),
        SourceCommand::Discover(args) => (Verb::Discover { config: args.config, reach: args.reach }, wanted(args.spec)),
        SourceCommand::Read(args) => {
            let SourceReadArgs { config: ConfigArgs { spec, config, reach }, catalog, state } = args;
            (Verb::Read(ReadArgs { config, catalog: Some(catalog), state, reach }), wanted(spec))
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn only_a_name_that_begins_like_a_connector_is_one() {
        for (program, name) in [
            ("/usr/bin/trireme", None),
            ("source-github", Some("github")),
            ("/opt/connectors/source-my-shop", Some("my-shop")),
            ("./source-github.exe", Some("github")),
            ("source-", None),
            ("resource-x", None),
            ("", None),
        ] {
            assert_eq!(connector_name(Path::new(program)).as_deref(), name, "{program}");
        }
    }

    #[test]
    fn what_callers_of_connectors_pass_is_taken() {
        SourceCli::command().debug_assert();
        let typed = "source-x read --debug --config c.json --catalog k.json --state s.json";
        let (verb, wanted) = parse("x", typed.split(' ').map(OsString::from));
        assert_eq!(wanted.connector.as_deref(), Some("x"));
        let Verb::Read(args) = verb else { panic!("{verb:?}") };
        assert_eq!(args.state.as_deref(), Some(Path::new("s.json")));
        let (_, wanted) = parse(ANY, "source-declarative-manifest spec".split(' ').map(OsString::from));
        assert_eq!(wanted.connector, None);
    }
}
