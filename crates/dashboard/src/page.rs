//! The pages, one file each: what it shows is asked of the store, what it does is asked of the engine.

pub(crate) mod alerts;
pub(crate) mod deliveries;
pub(crate) mod event;
pub(crate) mod events;
pub(crate) mod login;
pub(crate) mod now;
