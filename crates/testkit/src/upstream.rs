//! A shop with an API and webhooks, as a pure core: everything follows from a seed and from the times at which it is
//! asked. One shell answers on a simulation's clock, the other is an HTTP server on loopback.
//!
//! It keeps the whole truth of what happened in it, so that an oracle can tell what a gateway between it and a
//! destination lost, doubled or mixed up. It never corrects what it was told to get wrong.

mod answer;
mod counter;
mod habits;
mod hooks;
mod ledger;
mod lists;
mod manifest;
pub mod oracle;
mod script;
mod server;
mod shop;
mod subscribing;
mod transport;
mod truth;

pub use answer::{Answer, Ending};
pub use habits::{
    APP_SECRET, Bound, Deletes, Faults, Habits, HookHabits, Limit, Paging, SecretWay, SubscriptionHabits,
};
pub use hooks::{Emission, Hook, Subscription};
pub use ledger::{Ledger, Visit};
pub use manifest::Manifest;
pub use script::{Act, Deed, Script};
pub use server::ShopServer;
pub use shop::Shop;
pub use transport::{SHOP, ShopTransport};
pub use truth::{Change, Object, Truth};

#[cfg(test)]
mod tests;
