//! Harnesses for tests and benches: a clock that jumps, a store that fails, and a whole world from one seed.

pub mod faulty_store;
pub mod sim_clock;
pub mod simulation;
