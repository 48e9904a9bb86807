//! The declarative connector format, sans I/O: it builds requests, reads replies and moves state. What is decided here
//! is acted on by `engine::reading`; nothing here waits, reads a clock or opens a socket or a file.

pub mod auth;
pub mod budget;
pub mod expression;
pub mod failure;
pub mod fault;
pub mod page;
pub mod request;
pub mod scope;
pub mod wire;
