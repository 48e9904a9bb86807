//! Streams that are read by themselves: polls that make virtual webhooks, first scans, and reconciliation. What is read
//! is compared with what is known of its subject, and only what differs is told.
//!
//! | file | what it does |
//! |---|---|
//! | `model` | what is known of a stream: how its records are named, versioned and deleted |
//! | `odd` | what cannot be a list of its records |
//! | `fold` | records as readings, and what they tell |
//! | `run` | takes a stream, reads it, commits page by page |
//! | `poll` | polls, first scans and ordered runs, from being due to what they came to |
//! | `unique` | that no two partitions have one name for different records |
//! | `unjudged` | why a list does not say what is gone |
//! | `deletes` | what a complete scan did not have, confirmed before it is told |
//! | `reconcile` | a run that judges what webhooks should have told |
//! | `handle` | where wishes and hints go |
//! | `order` | judges a person's wish before it is passed on |
//! | `wanted` | what is configured to be read by itself |
//! | `view`, `under_way`, `gauges` | what people and their monitoring see |
//! | `slot`, `schedule` | which stream is read when, and by whose wish |

mod deletes;
mod fold;
mod gauges;
mod handle;
mod model;
mod odd;
mod order;
mod poll;
mod reconcile;
mod run;
mod schedule;
mod slot;
mod under_way;
mod unique;
mod unjudged;
mod view;
mod wanted;

use std::sync::Arc;

use domain::run::{Run, StreamKey};
use store::Store;
use store::dispatch::Owner;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::accept::Acceptor;
use crate::alert::Alerts;
use crate::budget::Budgets;
use crate::clock::SharedClock;
use crate::engine::EngineError;
use crate::entropy::SharedEntropy;
use crate::failure::Failure;
use crate::latest;
use crate::nodes::Held;
use crate::subscriptions::{Coverage, SubscriptionsHandle};
use crate::topology::Topology;
use crate::upstream::Upstreams;

pub use handle::StreamsHandle;
pub(crate) use model::subject_of;
pub(crate) use schedule::Scheduler;
pub use under_way::RunPlace;
use under_way::UnderWay;
pub use unjudged::is_unjudged;
pub use view::StreamView;

/// What reading streams takes from the engine.
#[derive(Clone)]
pub(crate) struct Parts {
    pub store: Arc<dyn Store>,
    pub clock: SharedClock,
    pub entropy: SharedEntropy,
    pub owner: Owner,
    pub acceptor: Arc<Acceptor>,
    pub upstreams: Arc<Upstreams>,
    pub budgets: Arc<Budgets>,
    pub alerts: Alerts,
    pub failure: Failure,
    pub coverage: Arc<Coverage>,
    pub subscriptions: SubscriptionsHandle,
    pub topology: latest::Receiver<Arc<Topology>>,
    /// What this node is in charge of: of other connections nothing is read by itself.
    pub held: latest::Receiver<Arc<Held>>,
    pub stop: CancellationToken,
    pub under_way: Arc<UnderWay>,
}

/// What somebody wants of a stream now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    Poll,
    Reconcile {
        /// It only reports.
        dry: bool,
        /// A person has seen how many would go, and says so.
        deletes_confirmed: bool,
    },
    /// The first scan again, told as `start` says.
    Backfill(crate::spec::Start),
}

/// A wish, and who waits for its run.
pub(crate) struct Order {
    pub key: StreamKey,
    pub wish: Wish,
    pub answer: oneshot::Sender<Result<Run, EngineError>>,
}

pub(crate) type Orders = mpsc::UnboundedReceiver<handle::Message>;
