//! The HTTP face as callers see it: through its router, and on real sockets where bytes matter.

mod alerts;
mod audit;
mod auth;
mod calls;
mod errors;
mod events;
mod explain;
mod fuzz;
mod gateway;
mod ingest;
mod keys;
mod listeners;
mod matrix;
mod objects;
mod openapi;
mod pairing;
mod replays;
mod replies;
mod requests;
mod schemas;
mod server;
mod sockets;
mod streams;
mod subscriptions;
mod tail;
mod upstream;
