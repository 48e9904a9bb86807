//! The running pipeline: one module per stage in the picture of ARCHITECTURE.md.

pub mod clock;
pub mod entropy;
pub mod expression;
pub mod gate;
pub mod message;
pub mod sign;
pub mod spec;
pub mod transport;
pub mod vault;
