//! A scripted source: an HTTP server on loopback that answers from a file and remembers what it was asked. The same
//! program serves the runs that goldens are recorded from and the runs that are compared with them.

mod fill;
mod log;
mod packing;
mod pages;
mod place;
mod query;
mod script;
mod serve;
mod transport;

pub use query::Asked;
pub use script::{Script, ScriptError};
pub use serve::ScriptedSource;
pub(crate) use serve::{Body, cut, whole};
pub use transport::ScriptedTransport;

/// What stands for the server's address in scripts, configs and logs, which outlive its port.
pub const BASE: &str = "$BASE";
/// The same server under another host name, for links that leave the host they came from.
pub const OTHER_HOST: &str = "$OTHER";

#[cfg(test)]
mod tests;
