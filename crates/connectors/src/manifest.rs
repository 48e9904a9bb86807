//! The declarative connector format, sans I/O: loaded, typed, and turned into requests, records and state. What is
//! decided here is acted on by `engine::reading`; nothing here waits, reads a clock or opens a socket or a file.
//!
//! Custom components are never executed; a stream that uses what is unknown is told as such and costs no other stream.

pub mod auth;
pub mod budget;
pub mod catalogue;
pub mod cursor;
pub mod decode;
pub mod expression;
pub mod extension;
pub mod failure;
pub mod inspect;
pub mod node;
pub mod normalize;
pub mod overrides;
pub mod page;
pub mod partition;
pub mod path;
pub mod problem;
pub mod properties;
pub mod request;
pub mod schema;
pub mod scope;
pub mod select;
pub mod setting;
pub mod slice;
pub mod source;
pub mod spec;
pub mod state;
pub mod stream;
pub mod transform;
pub mod trouble;
pub mod wire;
