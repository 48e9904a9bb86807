//! Beginning a slice's pages anew, because the source said so or gives only so many records per query: when, and how
//! often with the same slice.

use super::super::node::{Node, Read};
use super::super::problem::{Fault, Problem};
use super::super::trouble::Trouble;

/// What the manifest says about beginning anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaginationReset {
    /// The slice is cut to what the cursor has not seen; else it is read again as it is.
    pub splits_by_cursor: bool,
    /// Records after which the pages begin anew.
    pub records_max: Option<u64>,
}

/// The resets of one slice that is being read.
#[derive(Clone, Debug, Default)]
pub struct Resets {
    records_max: Option<u64>,
    has_cursor: bool,
    records: u64,
    same_slices: u32,
}

impl PaginationReset {
    #[must_use]
    pub fn begin(self) -> Resets {
        Resets { records_max: self.records_max, has_cursor: self.splits_by_cursor, ..Resets::default() }
    }
}

impl Resets {
    /// One more record was read.
    pub const fn observe(&mut self) {
        self.records = self.records.saturating_add(1);
    }

    /// Whether the pages must begin anew before the next one.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.records_max.is_some_and(|most| self.records >= most)
    }

    /// The pages begin anew with this slice; is it the one that was read before?
    ///
    /// # Errors
    /// If it is, and was often enough: with a cursor it must have moved, without one a second try is all there is.
    pub fn reset(&mut self, is_same_slice: bool) -> Result<(), Trouble> {
        let allowed = if self.has_cursor { 1 } else { 2 };
        self.same_slices = if is_same_slice { self.same_slices + 1 } else { 0 };
        if self.same_slices >= allowed {
            return Err(Trouble::SameSlice { attempts: self.same_slices });
        }
        self.records = 0;
        Ok(())
    }
}

impl Read for PaginationReset {
    fn read(node: &Node) -> Result<Self, Problem> {
        let splits_by_cursor = match node.need::<String>("action")?.as_str() {
            "SPLIT_USING_CURSOR" => true,
            "RESET" => false,
            _ => {
                let message = "'action' must be SPLIT_USING_CURSOR or RESET".to_owned();
                return Err(node.problem(Fault::Wrong, message));
            }
        };
        let records_max = match node.get("limits") {
            Some(limits) => limits.maybe("number_of_records")?,
            None => None,
        };
        Ok(Self { splits_by_cursor, records_max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_begin_anew_after_so_many_records() {
        let mut resets = PaginationReset { splits_by_cursor: true, records_max: Some(2) }.begin();
        resets.observe();
        assert!(!resets.is_due());
        resets.observe();
        assert!(resets.is_due());
        assert_eq!(resets.reset(false), Ok(()));
        assert!(!resets.is_due());
    }

    #[test]
    fn with_a_cursor_the_slice_must_move_and_without_one_a_single_repetition_is_allowed() {
        let mut with = PaginationReset { splits_by_cursor: true, records_max: None }.begin();
        assert_eq!(with.reset(true), Err(Trouble::SameSlice { attempts: 1 }));
        let mut without = PaginationReset { splits_by_cursor: false, records_max: None }.begin();
        assert_eq!(without.reset(true), Ok(()));
        assert_eq!(without.reset(true), Err(Trouble::SameSlice { attempts: 2 }));
    }
}
