//! Goldens: what the reference implementation of the manifest format made of a case, recorded once, and what any other
//! program makes of the same case, compared with it part by part. Never needs the reference to compare.

mod case;
mod compare;
mod folding;
mod layout;
mod run;

pub use case::{Case, CaseError};
pub use compare::differences;
pub use folding::{Ended, fold};
pub use layout::laid_out;
pub use run::{Connector, Files, Verb, run_case};
