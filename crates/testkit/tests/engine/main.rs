//! The engine as one process has it: a real store in memory, a clock that only the test moves, a network as told.

mod addresses;
mod alert_figures;
mod alerts;
mod assurance;
mod connections;
mod enrich;
mod fetched_keys;
mod handshakes;
mod key_api;
mod refusals;
mod replays;
mod retired;
mod retries;
mod rig;
mod shop;
mod sns;
mod streams;
mod subscriptions;
mod upstream;
mod wishes;
