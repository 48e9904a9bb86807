//! The running pipeline: one module per stage in the picture of ARCHITECTURE.md.

pub mod spec;
