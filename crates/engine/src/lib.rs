//! The running pipeline, one module per stage; clock, transport, telemetry, supervisor.

pub mod clock;
pub mod entropy;
