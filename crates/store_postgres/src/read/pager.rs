//! One page of a list, read in chunks: until it is full, the list is over, or its time is up. And the statements of
//! lists, put together from what their filters ask for.

use domain::Timestamp;
use store::patience::Patience;
use store::read::{PAGE_MAX, Page, Position};

use crate::value::Param;

/// Rows of the first chunk; each later one is twice as long, up to the most.
const CHUNK_MIN: usize = 64;
const CHUNK_MAX: usize = 1_024;

/// An entry of the list: where it stands, when it was, whether it is wanted.
pub(crate) struct Entry<K> {
    pub(crate) key: K,
    pub(crate) at: Timestamp,
    pub(crate) wanted: bool,
}

pub(crate) struct Pager<K> {
    limit: usize,
    patience: Patience,
    chunk: usize,
    /// Those of the page, in order.
    pub(crate) chosen: Vec<K>,
    /// The last one that was looked at.
    pub(crate) last: Option<K>,
    pub(crate) next: Option<K>,
    pub(crate) searched_until: Option<Timestamp>,
}

impl<K: Clone> Pager<K> {
    /// `all`: every entry is wanted, so that the page is one chunk.
    pub(crate) fn new(page: &Page, all: bool, inline: bool) -> Self {
        let limit = page.limit.clamp(1, PAGE_MAX) as usize;
        Self {
            limit,
            patience: Patience::new(page.scan, inline),
            chunk: if all { limit + 1 } else { CHUNK_MIN },
            chosen: Vec::new(),
            last: None,
            next: None,
            searched_until: None,
        }
    }

    /// How many entries to read next.
    pub(crate) fn chunk(&self) -> i64 {
        i64::try_from(self.chunk).unwrap_or(i64::MAX)
    }

    /// Goes through a chunk. Gives whether another one is needed.
    pub(crate) fn goes_on(&mut self, entries: Vec<Entry<K>>) -> bool {
        let ended = entries.len() < self.chunk;
        self.chunk = (self.chunk * 2).min(CHUNK_MAX.max(self.chunk));
        for entry in entries {
            if self.chosen.len() >= self.limit {
                self.next = self.last.take();
                return false;
            }
            self.last = Some(entry.key.clone());
            if entry.wanted {
                self.chosen.push(entry.key.clone());
            }
            if self.patience.exhausted() {
                self.next = Some(entry.key);
                self.searched_until = Some(entry.at);
                return false;
            }
        }
        !ended
    }

    pub(crate) fn next_position(&self, position: impl Fn(&K) -> String) -> Option<Position> {
        self.next.as_ref().map(|key| Position(position(key)))
    }
}

/// A statement in the making: pieces of text of ours, values as parameters.
pub(crate) struct Statement {
    text: String,
    pub(crate) params: Vec<Param>,
}

impl Statement {
    pub(crate) fn new(params: Vec<Param>) -> Self {
        Self { text: String::new(), params }
    }

    pub(crate) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// A further parameter; gives how the text names it.
    pub(crate) fn param(&mut self, value: Param) -> String {
        self.params.push(value);
        format!("${}", self.params.len())
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// What a row has to be, as conditions that all have to hold.
#[derive(Default)]
pub(crate) struct Wanted {
    conditions: Vec<String>,
}

impl Wanted {
    pub(crate) fn add(&mut self, condition: String) {
        self.conditions.push(condition);
    }

    pub(crate) fn is_anything(&self) -> bool {
        self.conditions.is_empty()
    }

    pub(crate) fn text(&self) -> String {
        if self.is_anything() { "true".to_owned() } else { format!("({})", self.conditions.join(" AND ")) }
    }
}
