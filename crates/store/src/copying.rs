//! Copying: everything a store holds, as rows that any other store takes in. The store must not be served meanwhile.
//!
//! A [`table::Table`] names what is copied and its columns; a store says how it keeps them. Claims, leases and nodes
//! are not copied: they end with their process, and nobody runs while a store is copied.

pub mod carry;
pub mod row;
pub mod table;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Store, Verb};
use row::{Cell, Row};
use table::Table;

/// Most rows of a page: one transaction of the store that takes them in.
pub const PAGE_ROWS: usize = 2_000;
/// Bytes after which a page ends: it is held in memory twice, as it was read and as it is written. A row alone may be
/// larger.
pub const PAGE_BYTES: usize = 8 * 1024 * 1024;

/// Under this name the store that a copy goes to keeps how far it got; empty or absent once it is whole. It is not
/// copied itself.
pub const UNFINISHED: &str = "copy_unfinished";
/// Under this name the store that is copied keeps which copy was begun of it; a gateway that starts on it removes
/// that. It is not copied either.
pub const COPIED_AS: &str = "copied_as";

/// What a process that copies is called among the nodes of a store that several share: while it lives, none starts.
pub const NODE: &str = "trireme store copy";

/// Whether a setting is of one store alone.
#[must_use]
pub fn stays(setting: &str) -> bool {
    [UNFINISHED, COPIED_AS].contains(&setting)
}

/// Where a page ended, in words of the store that gave it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key(pub Vec<Cell>);

#[derive(Clone, Debug, Default)]
pub struct Page {
    pub rows: Vec<Row>,
    /// Where the next one goes on; `None` behind the last row.
    pub next: Option<Key>,
}

/// How a store numbers events and places in lanes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// Numbers are of the whole store; else each tenant's and each lane's begin anew.
    pub whole: bool,
    /// The last number that was given to an event of each tenant; of a whole store the one of all, under no name.
    pub last: BTreeMap<Arc<str>, i64>,
    pub lanes: i64,
}

impl Numbers {
    /// What an event's number becomes in a store with numbers of its own kind. Those of several tenants are
    /// interleaved: each tenant's stay in their order.
    #[must_use]
    pub fn number_in(&self, target_whole: bool, tenant: &str, number: i64) -> i64 {
        if self.whole || !target_whole || self.last.len() < 2 {
            return number;
        }
        let nth = self.last.keys().position(|known| **known == *tenant).unwrap_or_default();
        let (tenants, nth) = (self.last.len() as i64, nth as i64);
        number.saturating_mul(tenants).saturating_add(nth)
    }
}

/// Rows on their way into a store.
#[derive(Clone, Debug)]
pub struct Batch {
    pub table: Table,
    pub rows: Vec<Row>,
    /// Kept under [`UNFINISHED`] in the same transaction.
    pub mark: Bytes,
}

pub trait Copying: Send + Sync + 'static {
    /// Asked before anything is counted or given: a store that keeps what was under way apart puts it among what is open.
    fn numbers(&self) -> Verb<'_, Numbers>;

    fn count_rows(&self, table: Table) -> Verb<'_, u64>;

    /// The next rows of a table, so many at most or about [`PAGE_BYTES`], in an order that does not change.
    fn give_rows(&self, table: Table, after: Option<Key>, most: usize) -> Verb<'_, Page>;

    /// Takes rows in, in the order of [`Table::ALL`]. All or none, the mark included.
    fn take_rows(&self, batch: Batch, from: Arc<Numbers>) -> Verb<'_, ()>;

    /// Last of all: puts in order what follows from the rows. May be done again.
    fn settle_in(&self, from: Arc<Numbers>) -> Verb<'_, ()>;
}

/// A store that can be copied, and copied to.
pub trait CopyingStore: Store + Copying {}

impl<T: Store + Copying + ?Sized> CopyingStore for T {}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(whole: bool, tenants: &[&str]) -> Numbers {
        Numbers { whole, last: tenants.iter().map(|tenant| (Arc::from(*tenant), 9)).collect(), lanes: 0 }
    }

    #[test]
    fn numbers_of_tenants_are_interleaved_only_where_they_would_meet() {
        for (from, target_whole, tenant, expected) in [
            (numbers(true, &["a", "b"]), true, "b", 7),
            (numbers(true, &["a", "b"]), false, "b", 7),
            (numbers(false, &["a", "b"]), false, "b", 7),
            (numbers(false, &["a"]), true, "a", 7),
            (numbers(false, &["a", "b"]), true, "a", 14),
            (numbers(false, &["a", "b"]), true, "b", 15),
        ] {
            assert_eq!(from.number_in(target_whole, tenant, 7), expected, "{from:?} {target_whole} {tenant}");
        }
    }
}
