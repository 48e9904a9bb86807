//! Reading beside the writer: a few connections of their own; or, where there is only one, the writer's.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, Params, Row};
use store::StoreError;
use tokio::sync::Semaphore;

use crate::connection::open_reader;
use crate::failure::Failure;
use crate::query::Query;
use crate::row::Lookup;
use crate::shared::Shared;
use crate::statements::Statements;

/// What a read sees: one snapshot.
pub(crate) struct View<'v, 'c> {
    pub(crate) sql: &'v mut Statements<'c>,
    pub(crate) shared: &'v Shared,
}

impl View<'_, '_> {
    pub(crate) fn row<T>(
        &mut self,
        query: Query,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T, Failure>,
    ) -> Result<Option<T>, Failure> {
        self.sql.row(query, params, read)
    }

    pub(crate) fn rows<T>(
        &mut self,
        query: Query,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> Result<T, Failure>,
    ) -> Result<Vec<T>, Failure> {
        self.sql.rows(query, params, read)
    }
}

impl<'v, 'c: 'v> View<'v, 'c> {
    pub(crate) fn lookup(&self) -> Lookup<'v> {
        Lookup { names: &self.shared.names, connection: self.sql.connection() }
    }
}

/// Connections that are free, and how many may be out at once.
pub(crate) struct Readers {
    shared: Arc<Shared>,
    path: PathBuf,
    free: Mutex<Vec<Connection>>,
    permits: Semaphore,
}

impl Readers {
    pub(crate) fn new(shared: Arc<Shared>, path: PathBuf) -> Self {
        let permits = Semaphore::new(shared.options.readers.max(1));
        Self { shared, path, free: Mutex::default(), permits }
    }

    /// Runs `read` on a connection of its own, off the async threads.
    pub(crate) async fn read<T, F>(self: &Arc<Self>, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut View<'_, '_>) -> Result<T, Failure> + Send + 'static,
    {
        let _permit = self.permits.acquire().await.map_err(|_| StoreError::Closed)?;
        let readers = self.clone();
        let run = move || readers.run(read);
        let ran = tokio::task::spawn_blocking(run).await;
        ran.unwrap_or_else(|error| Err(StoreError::Refused(format!("a read ended unexpectedly: {error}"))))
    }

    fn run<T>(&self, read: impl FnOnce(&mut View<'_, '_>) -> Result<T, Failure>) -> Result<T, StoreError> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = free.map_or_else(|| open_reader(&self.shared.options, &self.path), Ok)?;
        let mut sql = Statements::new(&connection, self.shared.statements.clone());
        let result = snapshot(&mut sql, &self.shared, read);
        drop(sql);
        if connection.is_autocommit() {
            self.free.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
        Ok(result?)
    }

    pub(crate) fn close(&self) {
        self.permits.close();
        self.free.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

fn snapshot<T>(
    sql: &mut Statements<'_>,
    shared: &Shared,
    read: impl FnOnce(&mut View<'_, '_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    sql.execute(Query::begin_read, [])?;
    let result = read(&mut View { sql, shared });
    sql.execute(Query::rollback, [])?;
    result
}
