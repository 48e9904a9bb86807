//! What a command sees while it runs: the transaction, and what the writer keeps in memory beside it.
//!
//! Every change to memory is noted, so that a rollback takes it back too.

use std::sync::Arc;

use domain::DeliveryId;
use rusqlite::{Params, Row};
use store::StoreError;

use crate::claims::Held;
use crate::failure::Failure;
use crate::names::NameId;
use crate::query::Query;
use crate::row::Lookup;
use crate::shared::Shared;
use crate::statements::Statements;

/// The writer's memory.
pub(crate) struct Memory {
    pub(crate) shared: Arc<Shared>,
    pub(crate) next_event: i64,
    pub(crate) next_delivery: i64,
    /// As `counters` has it: fresh deliveries are not below it.
    pub(crate) fresh_from: i64,
    pub(crate) pruning: crate::keep::Pruning,
    /// How often this transaction configured something: others are told once it is on disk.
    configured: u64,
    undo: Vec<Undo>,
}

/// How to take one change to memory back.
enum Undo {
    Named(NameId),
    Claimed(DeliveryId),
    Released(DeliveryId, Held),
    Configured,
}

impl Memory {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let pruning = crate::keep::Pruning::default();
        Self { shared, next_event: 1, next_delivery: 1, fresh_from: 1, pruning, configured: 0, undo: Vec::new() }
    }

    /// The transaction is on disk: nothing of it is taken back any more.
    pub(crate) fn committed(&mut self) {
        self.shared.nodes.count_configured(std::mem::take(&mut self.configured));
        self.undo.clear();
    }

    /// Takes back what was done since the journal was `mark` long.
    pub(crate) fn undo_to(&mut self, mark: usize) {
        while self.undo.len() > mark {
            match self.undo.pop() {
                Some(Undo::Named(id)) => self.shared.names.forget(id),
                Some(Undo::Claimed(id)) => drop(self.shared.claims.remove(id)),
                Some(Undo::Released(id, held)) => self.shared.claims.insert(id, held),
                Some(Undo::Configured) => self.configured -= 1,
                None => return,
            }
        }
    }
}

pub(crate) struct Tx<'t, 'c> {
    pub(crate) sql: &'t mut Statements<'c>,
    pub(crate) memory: &'t mut Memory,
}

impl Tx<'_, '_> {
    pub(crate) fn execute(&mut self, query: Query, params: impl Params) -> Result<usize, Failure> {
        self.sql.execute(query, params)
    }

    pub(crate) fn row<T>(
        &mut self,
        query: Query,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T, Failure>,
    ) -> Result<Option<T>, Failure> {
        self.sql.row(query, params, read)
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.memory.shared
    }

    /// The number of a name, given to it now if it has none.
    pub(crate) fn name(&mut self, text: &str) -> Result<NameId, Failure> {
        if let Some(id) = self.known_name(text)? {
            return Ok(id);
        }
        let id = self.row(Query::insert_name, [text], |row| Ok(row.get(0)?))?.unwrap_or_default();
        self.memory.shared.names.learn(id, text);
        self.memory.undo.push(Undo::Named(id));
        Ok(id)
    }

    /// The number of a name that was used before.
    pub(crate) fn known_name(&mut self, text: &str) -> Result<Option<NameId>, Failure> {
        Lookup { names: &self.memory.shared.names, connection: self.sql.connection() }.id(text)
    }

    pub(crate) fn claim(&mut self, id: DeliveryId, held: Held) {
        self.memory.shared.claims.insert(id, held);
        self.memory.undo.push(Undo::Claimed(id));
    }

    pub(crate) fn release(&mut self, id: DeliveryId) -> Option<Held> {
        let held = self.memory.shared.claims.remove(id)?;
        self.memory.undo.push(Undo::Released(id, held.clone()));
        Some(held)
    }

    /// Counts that something was configured, unless more was counted since what it was judged on.
    pub(crate) fn configured(&mut self, judged_on: Option<u64>) -> Result<(), Failure> {
        let counted = self.shared().nodes.configured() + self.memory.configured;
        if judged_on.is_some_and(|judged_on| judged_on != counted) {
            return Err(StoreError::Outdated.into());
        }
        self.memory.configured += 1;
        self.memory.undo.push(Undo::Configured);
        Ok(())
    }

    /// Runs a part that may fail without its company: what it did, on disk and in memory, is then taken back.
    pub(crate) fn part<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T, Failure>) -> Result<T, Failure> {
        let mark = self.memory.undo.len();
        self.execute(Query::savepoint, [])?;
        let result = run(self);
        if result.is_err() {
            self.memory.undo_to(mark);
            self.execute(Query::savepoint_rollback, [])?;
        }
        self.execute(Query::savepoint_release, [])?;
        result
    }
}
