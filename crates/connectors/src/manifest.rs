//! The declarative manifest of a connector: loaded, typed, and turned into requests, records and state.
//!
//! Sans I/O and without a clock: everything here decides, the engine's `reading` acts. Custom components are never
//! executed; a stream that uses what is unknown is told as such and costs no other stream.

pub mod auth;
pub mod budget;
pub mod failure;
pub mod fault;
pub mod page;
pub mod request;
pub mod wire;
