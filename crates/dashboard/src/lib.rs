//! The dashboard: pages rendered here, over the same store and use cases as the API. They work without JavaScript,
//! load nothing from elsewhere, and show what strangers sent as text and never as anything else.

mod asset;
mod desk;
mod extract;
mod figures;
mod list;
mod live;
mod page;
mod part;
mod reply;
mod session;
mod view;
mod written;

pub use desk::{Desk, router};
