//! The engine as one process has it: a real store in memory, a clock that only the test moves, a network as told.

mod addresses;
mod alert_figures;
mod alerts;
mod assurance;
mod backfill;
mod connections;
mod enrich;
mod fetched_keys;
mod handshakes;
mod key_api;
mod node_streams;
mod nodes;
mod refusals;
mod replays;
mod resume;
mod retired;
mod retries;
mod rig;
mod shop;
mod sns;
mod streams;
mod subscriptions;
mod unmodified;
mod upstream;
mod wishes;
