//! Definitions of sources, destinations and routes, read from what a person wrote: the one reader for the file and
//! the API. It never stops at the first mistake and never shows a secret.

mod alerting;
mod allow;
mod connector;
mod destination;
mod enrich;
mod findings;
mod http;
mod path;
mod provider;
mod reader;
mod reply;
mod retry;
mod route;
mod secret;
mod source;
mod stream;
mod subscribe;
mod tree;
mod units;
mod veil;
mod write;

use std::collections::BTreeSet;
use std::sync::Arc;

use connectors::provider::Catalogue;
use domain::Tenant;
use store::registry::ManagedBy;

use crate::connector::Connectors;
use crate::transport::EgressPolicy;

pub use self::alerting::alerting;
pub use self::destination::destination;
pub use self::findings::{FINDINGS_MAX, Finding, Findings, Report, Severity};
pub use self::path::Path;
pub use self::reader::{At, Fields};
pub use self::route::{Known, SourceFacts, route};
pub use self::secret::{SECRET_KEYS, SECRET_MARKER, hide_secrets, replace_secrets};
pub use self::source::source;
pub use self::tree::{Entry, Node, Span, Text, Value, shown_key};
pub use self::units::{parse_duration, parse_size, print_duration, print_size};
pub use self::veil::{Veil, Veils};
pub use self::write::{write_destination, write_route, write_source, write_stream};
pub use domain::suggest::nearest;

/// Whose definition is read.
#[derive(Clone, Debug)]
pub struct Context {
    pub tenant: Tenant,
    pub managed_by: ManagedBy,
    /// The senders that its sources can name.
    pub catalogue: Arc<Catalogue>,
    /// Names whose recipes are wrong, which is told where they stand.
    pub wrong_recipes: Arc<BTreeSet<String>>,
    /// The connectors that they can name.
    pub connectors: Arc<dyn Connectors>,
    /// What senders call: where sources are to send what is subscribed.
    pub public_url: Option<Arc<str>>,
    /// Where its destinations may be.
    pub egress: Arc<EgressPolicy>,
}

/// Reads a definition that came as JSON. With a value come its warnings, without one its errors.
pub fn read_json<T>(json: serde_json::Value, read: impl FnOnce(&At<'_>) -> Option<T>) -> Result<(T, Report), Report> {
    let node = Node::from(json);
    let findings = Findings::default();
    let root = At::root(&node, &findings);
    secret::refuse_markers(&root);
    let value = read(&root);
    let report = findings.into_report();
    match value {
        Some(value) if !report.has_errors() => Ok((value, report)),
        _ => Err(report),
    }
}

#[cfg(test)]
mod tests;
