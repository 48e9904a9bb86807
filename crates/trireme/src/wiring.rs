//! The composition root: which concrete parts a running gateway is made of, and how it starts, stops and hands over.

pub mod folder;
pub mod listeners;
pub mod logging;
pub mod notify;
pub mod takeover;
