//! The composition root: which concrete parts a running gateway is made of, and how it starts, stops and hands over.

pub mod cluster;
pub mod copying;
pub mod descriptors;
mod egress;
pub mod folder;
pub mod gateway;
pub mod launch;
pub mod listeners;
pub mod logging;
pub mod master_key;
pub mod notify;
pub mod offline;
pub mod open;
mod predecessor;
pub mod rewrap;
pub mod runtime;
pub mod state;
pub mod stop;
pub mod takeover;
mod waiting;
