//! Subscriptions: a source's own webhooks, asked for by ourselves at its API, and kept: prolonged, looked after at every
//! reconciliation and once an hour, repaired, and removed when nobody wants them. Never blocks receiving or polling;
//! while there is no working subscription, polls tell what changes.
//!
//! | file | what it does |
//! |---|---|
//! | `state` | what is kept of one connection's subscriptions, secrets sealed |
//! | `book` | that state in the store, and the list of all who have one |
//! | `farewell` | what a subscription can be ended with once its source is not configured any more |
//! | `secrets` | the secrets that sign, for the key set |
//! | `coverage` | whose subscriptions work, for the polls that rest meanwhile |
//! | `desk`, `steps` | looking after one connection: what is decided by `domain::subscription` is done |
//! | `duty` | who is looked after when |
//! | `view` | what people and their monitoring see |

mod book;
mod coverage;
mod desk;
mod duty;
mod farewell;
mod secrets;
mod state;
mod steps;
mod trouble;
mod view;

use std::time::Duration;

pub use book::rewrap_subscriptions;
pub use coverage::Covering;
pub use view::{SubscriptionView, ViewState};

pub(crate) use book::Book;
pub(crate) use coverage::Coverage;
pub(crate) use desk::{Desk, Parts};
pub(crate) use duty::{Duty, SubscriptionsHandle};
pub(crate) use secrets::SubscriptionSecrets;

/// How often a connection's subscriptions are looked after when nothing else is a reason to.
const LOOK_EVERY: Duration = Duration::from_secs(60 * 60);
/// How long a former secret still verifies: senders try a webhook that was on its way again for about a day.
const FORMER_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// How long it is tried to remove what is not wanted any more. The credentials for it are kept, sealed, no longer.
const FAREWELL_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The duty, as the engine's use cases reach it.
pub(crate) struct Subscriptions {
    pub desk: std::sync::Arc<Desk>,
    pub handle: SubscriptionsHandle,
}
