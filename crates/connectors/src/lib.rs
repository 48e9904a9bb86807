//! What Trireme knows of the outside, sans I/O: builds requests, reads responses, never sends.

pub mod manifest;
pub mod provider;
