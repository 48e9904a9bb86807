//! The declarative manifest of a connector: loaded, typed, and turned into requests, records and state.
//!
//! Sans I/O and without a clock: everything here decides, the engine's `reading` acts. Custom components are never
//! executed; a stream that uses what is unknown is told as such and costs no other stream.

pub mod decode;
pub mod expression;
pub mod node;
pub mod normalize;
pub mod path;
pub mod problem;
pub mod properties;
pub mod schema;
pub mod scope;
pub mod select;
pub mod transform;
