//! Reading a slice in parts when a source says that its window is too much: how small a part may be, and how often a
//! part may be split again. The cursor does the splitting.

use super::super::expression::dates::Period;
use super::super::node::{Node, Read};
use super::super::problem::{Fault, Problem};
use super::super::trouble::Trouble;

/// Splits of splits: ten halve a year to less than nine hours.
pub const DEPTH_MAX: u32 = 10;

/// What the manifest says about splitting.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestWindowSplitting {
    /// A part is never smaller than this.
    pub least: Option<Period>,
    failure_message: Option<String>,
}

impl RequestWindowSplitting {
    /// Whether a part that came about by this many splits may be split again.
    ///
    /// # Errors
    /// If it was split often enough.
    pub fn may_split(&self, depth: u32) -> Result<(), Trouble> {
        if depth >= DEPTH_MAX { Err(self.smallest()) } else { Ok(()) }
    }

    /// The cursor can make no smaller parts.
    #[must_use]
    pub fn smallest(&self) -> Trouble {
        let message = self.failure_message.as_deref().map(str::trim).filter(|message| !message.is_empty());
        Trouble::SmallestWindow { message: message.map_or_else(String::new, |message| format!(". {message}")) }
    }
}

impl Read for RequestWindowSplitting {
    fn read(node: &Node) -> Result<Self, Problem> {
        let least = match node.maybe::<String>("min_split_window")? {
            None => None,
            Some(text) => {
                let wrong = |_| node.problem(Fault::Wrong, "'min_split_window' must be a duration as P1D".to_owned());
                Some(Period::parse(&text).map_err(wrong)?)
            }
        };
        Ok(Self { least, failure_message: node.maybe("failure_message")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_split_ten_times_and_then_told_with_the_manifests_words() {
        let splitting = RequestWindowSplitting { least: None, failure_message: Some("Use fewer accounts.".to_owned()) };
        assert!((0..DEPTH_MAX).all(|depth| splitting.may_split(depth).is_ok()));
        let error = splitting.may_split(DEPTH_MAX).expect_err("it is enough");
        assert_eq!(error.to_string(), "the request's window can be split no further. Use fewer accounts.");
    }
}
