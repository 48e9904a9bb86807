//! Reads a source as its manifest decides: sends what `connectors::manifest` builds, waits, paces, keeps tokens, and tells
//! a listener what came, page by page. Decides nothing about the format itself.

mod cache;
mod failure;
mod hosts;
mod inflate;
mod redirect;
mod spool;
mod told;
mod wire;

pub use failure::{Blame, ReadFailure};
pub use hosts::Hosts;
pub use told::{Closed, ConfigWriter, Level, Listener, Standing, Told};
pub use wire::PAGE_BYTES_MAX;
