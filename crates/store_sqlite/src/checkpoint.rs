//! Folding the log back into the database without stopping the writer.
//!
//! A checkpoint copies megabytes and syncs twice; done by the writer, everyone in its queue would wait for it. So a
//! thread beside it copies the bulk, and the writer only the little that was added meanwhile: the log can begin anew
//! only when all of it is copied. Nothing here runs while nothing is written.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::{Connection, ErrorCode};
use store::StoreError;

use crate::connection::open_reader;
use crate::failure::{Failure, store_error};
use crate::shared::Shared;

/// Log pages (of 8 KiB) after which they are folded in. More would make a start slower, which reads the whole log.
pub(crate) const PAGES: i64 = 4_000;
/// What may be left to the writer: two megabytes, a few milliseconds.
const LEFT_TO_WRITER: i64 = 256;
/// Passes of the thread before the writer finishes, however much is left by then.
const PASSES: usize = 4;

/// Nothing to do.
const IDLE: u8 = 0;
/// The thread is copying.
const COPYING: u8 = 1;
/// The thread has copied what it could: the writer finishes.
const FINISH: u8 = 2;

/// The writer's side.
pub(crate) struct Checkpointer {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    stage: Arc<AtomicU8>,
    /// Pages in the log, as of the last commit.
    log: Arc<AtomicI64>,
    /// Pages in the log when it was last folded in. A reader may have kept it from beginning anew.
    folded: i64,
}

impl Checkpointer {
    /// Takes the place of SQLite's own checkpoints on the writer's connection.
    pub(crate) fn start(connection: &mut Connection, shared: &Arc<Shared>) -> Result<Self, StoreError> {
        let (stage, log) = (Arc::new(AtomicU8::new(IDLE)), Arc::new(AtomicI64::new(0)));
        let pages = log.clone();
        let hook = move |_: &mut rusqlite::hooks::Wal, count: i32| {
            pages.store(i64::from(count), Ordering::Relaxed);
            Ok(())
        };
        connection.wal_hook(Some(hook)).map_err(|error| store_error(&error))?;
        let (wake, woken) = sync_channel(1);
        let (of_thread, shared) = (stage.clone(), shared.clone());
        let thread = std::thread::Builder::new().name("store-checkpoint".to_owned());
        let thread = thread.spawn(move || run(&shared, &woken, &of_thread));
        let thread = thread.map_err(|error| StoreError::Io(format!("no thread to checkpoint: {error}")))?;
        Ok(Self { wake: Some(wake), thread: Some(thread), stage, log, folded: 0 })
    }

    /// Called between transactions: starts the thread when the log is long, and finishes what it has left.
    pub(crate) fn after_commit(&mut self, connection: &Connection) -> Result<(), Failure> {
        let log = self.log.load(Ordering::Relaxed);
        if log < self.folded {
            self.folded = 0;
        }
        match self.stage.load(Ordering::Acquire) {
            IDLE if log - self.folded >= PAGES => {
                self.stage.store(COPYING, Ordering::Release);
                if let Some(wake) = &self.wake {
                    // Full only if it was woken already.
                    let _ = wake.try_send(());
                }
            }
            FINISH => {
                copy(connection)?;
                self.folded = log;
                self.stage.store(IDLE, Ordering::Release);
            }
            _ => {}
        }
        Ok(())
    }
}

impl Drop for Checkpointer {
    /// Waits for a pass that is on: the database is let go of only after it.
    fn drop(&mut self) {
        drop(self.wake.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(shared: &Shared, woken: &Receiver<()>, stage: &AtomicU8) {
    let mut connection = None;
    while woken.recv().is_ok() {
        if let Err(Failure::Io(text)) = shared.path().map_or(Ok(()), |path| passes(shared, path, &mut connection)) {
            // The writer sees this before its next transaction, and writes nothing more.
            shared.fail(StoreError::Io(text));
            return;
        }
        stage.store(FINISH, Ordering::Release);
    }
}

/// Copies until little is left. A full disk, or too many open files, is no reason to stop: the log holds
/// everything, and there is a next time.
fn passes(shared: &Shared, path: &Path, connection: &mut Option<Connection>) -> Result<(), Failure> {
    let connection = match connection {
        Some(connection) => connection,
        None => connection.insert(open_checkpointer(shared, path)?),
    };
    for _ in 0..PASSES {
        if copy(connection)? <= LEFT_TO_WRITER {
            break;
        }
    }
    Ok(())
}

fn open_checkpointer(shared: &Shared, path: &Path) -> Result<Connection, Failure> {
    let connection = open_reader(&shared.options, path)?;
    connection.pragma_update(None, "query_only", false)?;
    connection.pragma_update(None, "synchronous", "full")?;
    Ok(connection)
}

/// Copies what no reader needs where it is; gives how many pages are left.
fn copy(connection: &Connection) -> Result<i64, Failure> {
    let copied = connection
        .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)));
    if let Err(error) = &copied
        && error.sqlite_error_code() == Some(ErrorCode::CannotOpen)
    {
        return Ok(0);
    }
    match copied.map_err(Failure::from) {
        Ok((log, copied)) => Ok(log - copied),
        Err(Failure::Full(_) | Failure::Row(StoreError::Unreachable(_))) => Ok(0),
        Err(failure) => Err(failure),
    }
}
