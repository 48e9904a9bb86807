//! What of a destination waits in memory for its turn: one after another, and the backfilled ones after all others.

use std::collections::VecDeque;

use crate::work::Work;

#[derive(Debug, Default)]
pub(super) struct Queue {
    live: VecDeque<Work>,
    backfilled: VecDeque<Work>,
}

impl Queue {
    pub fn push(&mut self, work: Work) {
        let row = if work.backfill { &mut self.backfilled } else { &mut self.live };
        row.push_back(work);
    }

    /// Who is next, if backfilled ones may go or others wait.
    pub fn pop(&mut self, backfilled_too: bool) -> Option<Work> {
        let live = self.live.pop_front();
        if live.is_none() && backfilled_too { self.backfilled.pop_front() } else { live }
    }

    pub fn has_next(&self, backfilled_too: bool) -> bool {
        !self.live.is_empty() || (backfilled_too && !self.backfilled.is_empty())
    }

    pub fn len(&self) -> usize {
        self.live.len() + self.backfilled.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn has_live(&self) -> bool {
        !self.live.is_empty()
    }

    pub fn has_backfilled(&self) -> bool {
        !self.backfilled.is_empty()
    }

    pub fn retain(&mut self, keep: impl Fn(&Work) -> bool) {
        self.live.retain(&keep);
        self.backfilled.retain(&keep);
    }

    pub fn iter(&self) -> impl Iterator<Item = &Work> {
        self.live.iter().chain(&self.backfilled)
    }

    /// All of it, in the order in which it would have gone.
    pub fn take(&mut self) -> impl Iterator<Item = Work> + use<> {
        let Self { live, backfilled } = std::mem::take(self);
        live.into_iter().chain(backfilled)
    }
}
