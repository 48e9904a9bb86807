<<<<<<< HEAD
//! The running pipeline: one module per stage in the picture of ARCHITECTURE.md.

pub mod spec;
=======
//! The running pipeline, one module per stage; clock, transport, telemetry, supervisor.

pub mod clock;
pub mod entropy;
>>>>>>> transport
