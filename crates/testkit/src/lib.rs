//! Harnesses for tests and benches: a clock that jumps, a store that fails, a whole world from one seed, a source that
//! follows a script, and what connectors read from it compared with what the reference read.

pub mod faulty_store;
pub mod goldens;
pub mod scripted;
pub mod shop_simulation;
pub mod sim_clock;
pub mod simulation;
pub mod upstream;
