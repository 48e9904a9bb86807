//! The Store: the verbs of the state machine, each one transaction, all in batches.
//!
//! What is durable, and when, is decided here; how it is written is each store's own. A verb that returns `Ok` has
//! committed. `tenant` comes first in every key, `now` is an argument, and a delivery is settled only under the
//! claim that took it, so that several nodes can share one store.

pub mod audit;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod copying;
pub mod dispatch;
pub mod error;
pub mod intake;
pub mod keep;
pub mod listen;
pub mod nodes;
pub mod notices;
pub mod patience;
pub mod people;
pub mod read;
pub mod reading;
pub mod registry;
pub mod search;
pub mod shapes;
pub mod statements;
pub mod watch;

use std::future::Future;
use std::pin::Pin;

pub use error::StoreError;

/// What every verb returns: a boxed future, so that `dyn Store` is possible.
pub type Verb<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Everything the engine asks of a store. One supertrait per duty keeps each list short.
pub trait Store:
    intake::Intake
    + dispatch::Dispatch
    + people::People
    + read::Read
    + registry::Registry
    + keep::Keep
    + watch::Watch
    + reading::Reading
    + nodes::Nodes
    + shapes::Shapes
    + listen::Listen
    + notices::Notices
    + audit::Audit
{
}

impl<T> Store for T where
    T: intake::Intake
        + dispatch::Dispatch
        + people::People
        + read::Read
        + registry::Registry
        + keep::Keep
        + watch::Watch
        + reading::Reading
        + nodes::Nodes
        + shapes::Shapes
        + listen::Listen
        + notices::Notices
        + audit::Audit
        + ?Sized
{
}
