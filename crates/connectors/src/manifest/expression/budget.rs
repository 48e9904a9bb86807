//! The bounds of one evaluation. Work is counted, not timed: nothing here reads a clock, and the same template with the
//! same values always ends in the same way.

use super::fault::{Eval, Fault};

/// Steps of one evaluation: some tens of milliseconds at worst, thousands of times what real templates take.
const WORK_MAX: usize = 1_000_000;
/// The longest text that a template makes: half of what a whole request body may be.
pub(crate) const TEXT_BYTES_MAX: usize = 8 << 20;
/// How deep macros and recursive loops may call each other.
const CALLS_MAX: usize = 32;
/// How deep evaluation may nest, all calls together: what one expression can reach and some more, on a small stack.
const DEPTH_MAX: usize = 350;
/// How deep values may nest before printing or comparing them is refused.
pub(crate) const NESTING_MAX: usize = 200;

#[derive(Debug)]
pub(crate) struct Budget {
    work: usize,
    calls: usize,
    depth: usize,
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self { work: WORK_MAX, calls: 0, depth: 0 }
    }

    pub(crate) fn spend(&mut self, work: usize) -> Eval<()> {
        match self.work.checked_sub(work) {
            Some(rest) => {
                self.work = rest;
                Ok(())
            }
            None => Err(Fault::limit(format!("takes more than {WORK_MAX} steps"))),
        }
    }

    /// Pays for a text of so many bytes, before or after it is made.
    pub(crate) fn text(&mut self, bytes: usize) -> Eval<()> {
        if bytes > TEXT_BYTES_MAX {
            return Err(Fault::limit(format!("makes a text of more than {TEXT_BYTES_MAX} bytes")));
        }
        self.spend(bytes / 64)
    }

    pub(crate) fn enter(&mut self) -> Eval<()> {
        self.calls += 1;
        if self.calls > CALLS_MAX { Err(Fault::limit(format!("calls deeper than {CALLS_MAX} levels"))) } else { Ok(()) }
    }

    /// Goes one level deeper, at the cost of one step. Who is refused need not come up again.
    pub(crate) fn descend(&mut self) -> Eval<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Fault::limit(format!("is evaluated deeper than {DEPTH_MAX} levels")));
        }
        self.spend(1)
    }

    pub(crate) fn ascend(&mut self) {
        self.depth -= 1;
    }

    pub(crate) fn leave(&mut self) {
        self.calls -= 1;
    }
}
