//! The declarative manifest of a connector: loaded, typed, and turned into requests, records and state.
//!
//! Sans I/O and without a clock: everything here decides, the engine's `reading` acts. Custom components are never
//! executed; a stream that uses what is unknown is told as such and costs no other stream.

pub mod expression;
pub mod node;
pub mod problem;
pub mod scope;
