//! Explain: gathers what is known of a failed delivery or a rejected request, and has the rules judge it.
//!
//! The rules are in [`domain::explain`]. Where a model is configured it may be asked beside them; it is told figures and
//! codes, never a text that somebody else wrote.

mod context;
mod delivery;
mod model;
mod otherwise;
mod request;
mod rewrite;

use domain::explain::Diagnosis;

pub use context::Context;
pub use model::{Model, ModelError, ModelSpec};

/// What can be said of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// The surest first. Empty: nothing is wrong, or nothing is known.
    pub diagnoses: Vec<Diagnosis>,
    /// What a model may be told.
    pub context: Context,
}
