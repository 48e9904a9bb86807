//! Alerts as decisions: which rules there are, what is one cause, who is told what and when. Nothing here reads a clock,
//! a store or a network.

pub mod calendar;
pub mod cause;
pub mod rhythm;
pub mod rule;
pub mod tell;
pub mod trend;

pub use calendar::{DigestTime, Every, QuietHours, TimeOfDay};
pub use cause::cause_of;
pub use rule::{Rule, Rules, Severity};
