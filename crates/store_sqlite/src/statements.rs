//! Prepared statements at hand: found by number, not by hashing their text. What is dropped goes back to its
//! connection's own cache, so that a short use prepares nothing twice either.

#[cfg(test)]
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::{CachedStatement, Connection, Params, Row};

use crate::failure::Failure;
use crate::query::Query;

/// What was run since the store was opened, on all its connections.
#[derive(Default)]
pub(crate) struct Counts {
    run: AtomicU64,
    /// Steps of SQLite's machine by the number of their statement, for the tests that look at what a verb costs.
    #[cfg(test)]
    pub(crate) steps: std::sync::Mutex<BTreeMap<usize, i64>>,
}

impl Counts {
    pub(crate) fn run(&self) -> u64 {
        self.run.load(Ordering::Relaxed)
    }
}

pub(crate) struct Statements<'c> {
    connection: &'c Connection,
    prepared: Vec<Option<CachedStatement<'c>>>,
    counts: Arc<Counts>,
}

#[cfg(test)]
impl Drop for Statements<'_> {
    fn drop(&mut self) {
        let mut steps = self.counts.steps.lock().expect("no test panics while it counts");
        for (number, statement) in self.prepared.iter().enumerate() {
            if let Some(statement) = statement {
                let taken = statement.reset_status(rusqlite::StatementStatus::VmStep);
                *steps.entry(number).or_default() += i64::from(taken);
            }
        }
    }
}

impl<'c> Statements<'c> {
    pub(crate) fn new(connection: &'c Connection, counts: Arc<Counts>) -> Self {
        Self { connection, prepared: (0..Query::COUNT).map(|_| None).collect(), counts }
    }

    pub(crate) fn connection(&self) -> &'c Connection {
        self.connection
    }

    /// The statement, prepared on first use, and counted as run.
    fn get(&mut self, query: Query) -> Result<&mut CachedStatement<'c>, Failure> {
        self.counts.run.fetch_add(1, Ordering::Relaxed);
        let slot = &mut self.prepared[query as usize];
        if slot.is_none() {
            *slot = Some(self.connection.prepare_cached(query.text())?);
        }
        Ok(slot.as_mut().expect("it was just put there"))
    }

    /// Runs a statement that gives no rows; gives how many it changed.
    pub(crate) fn execute(&mut self, query: Query, params: impl Params) -> Result<usize, Failure> {
        Ok(self.get(query)?.execute(params)?)
    }

    /// The first row, if there is one.
    pub(crate) fn row<T>(
        &mut self,
        query: Query,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T, Failure>,
    ) -> Result<Option<T>, Failure> {
        self.get(query)?.query(params)?.next()?.map(read).transpose()
    }

    /// Every row.
    pub(crate) fn rows<T>(
        &mut self,
        query: Query,
        params: impl Params,
        mut read: impl FnMut(&Row<'_>) -> Result<T, Failure>,
    ) -> Result<Vec<T>, Failure> {
        self.rows_while(query, params, |row| read(row).map(Some))
    }

    /// Rows until `read` gives `None`.
    pub(crate) fn rows_while<T>(
        &mut self,
        query: Query,
        params: impl Params,
        mut read: impl FnMut(&Row<'_>) -> Result<Option<T>, Failure>,
    ) -> Result<Vec<T>, Failure> {
        let mut rows = self.get(query)?.query(params)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let Some(item) = read(row)? else { break };
            found.push(item);
        }
        Ok(found)
    }
}
