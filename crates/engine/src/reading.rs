//! Reads a source as its manifest decides: sends what `connectors::manifest` builds, waits, paces, keeps tokens, and tells
//! a listener what came, page by page. Decides nothing about the format itself.

mod ask;
mod asked;
mod body;
mod cache;
mod check;
mod client;
mod conditions;
mod discover;
mod failure;
mod formulas;
mod hosts;
mod inflate;
mod job;
mod learned;
mod one;
mod pages;
mod parent;
mod partitions;
mod portions;
mod prepare;
mod read;
mod reader;
mod redirect;
mod run;
mod schema;
mod seen;
mod slice;
mod spool;
mod stream;
mod tokens;
mod told;
mod usable;
mod wire;

pub use ask::Unheard;
pub use asked::{Asked, CallSink, Unwritten};
pub use conditions::Conditions;
pub(crate) use conditions::Validators;
pub use discover::Offer;
pub use failure::{Blame, ReadFailure};
pub use formulas::Jsonata;
pub use hosts::Hosts;
pub use learned::Learned;
pub use reader::{Files, Outside, Reader, Wanted};
pub use told::{Closed, ConfigWriter, Deaf, Level, Listener, Place, Standing, Told};
pub use usable::{migrated, usable};
pub use wire::PAGE_BYTES_MAX;

/// A time as the manifests' templates know it.
#[must_use]
pub fn timestamp(time: domain::Timestamp) -> jiff::Timestamp {
    // What is beyond the calendar is no time that anybody meant.
    jiff::Timestamp::from_microsecond(time.as_micros()).unwrap_or_default()
}
