//! The declarative connector format, sans I/O: it builds requests, reads replies and moves state. What is decided here
//! is acted on by `engine::reading`; nothing here waits, reads a clock or opens a socket or a file.

pub mod expression;
pub mod scope;
