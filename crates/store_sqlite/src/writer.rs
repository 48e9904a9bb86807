//! The writer: one thread that takes whatever has gathered and commits it; or, inline, the caller itself.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;
use store::StoreError;
use tokio::sync::{mpsc, oneshot};

use crate::checkpoint::Checkpointer;
use crate::connection::recover;
use crate::failure::Failure;
use crate::group::Committer;
use crate::job::{Company, Job, Work, job};
use crate::lock::Lock;
use crate::query::Query;
use crate::shared::Shared;
use crate::statements::Statements;
use crate::tx::{Memory, Tx};

/// Share of the queue that ingest leaves to the rest: one in so many.
const KEPT_FOR_SETTLING: usize = 4;

enum Message {
    Job(Box<dyn Job>),
    /// Finish what came before, let go of the database, then answer.
    Close(oneshot::Sender<()>),
}

pub(crate) struct Writer {
    shared: Arc<Shared>,
    way: Way,
}

enum Way {
    Thread { queue: mpsc::Sender<Message>, thread: Mutex<Option<JoinHandle<()>>> },
    Inline(Mutex<Option<Box<Inline>>>),
}

/// Without a thread: the connection waits here between calls.
struct Inline {
    connection: Connection,
    memory: Memory,
    _lock: Option<Lock>,
}

impl Writer {
    /// Takes over an open, migrated connection; recovers; and starts the thread, unless inline.
    pub(crate) fn start(
        mut connection: Connection,
        shared: Arc<Shared>,
        lock: Option<Lock>,
    ) -> Result<Self, StoreError> {
        let mut memory = Memory::new(shared.clone());
        start(&connection, &mut memory)?;
        let way = if shared.options.inline {
            Way::Inline(Mutex::new(Some(Box::new(Inline { connection, memory, _lock: lock }))))
        } else {
            let (queue, receiver) = mpsc::channel(shared.options.queue_commands.max(KEPT_FOR_SETTLING));
            let thread = std::thread::Builder::new().name("store-writer".to_owned());
            let checkpointer = match shared.path() {
                Some(_) => Some(Checkpointer::start(&mut connection, &shared)?),
                None => None,
            };
            let run = move || run(connection, memory, receiver, (checkpointer, lock));
            let thread = thread.spawn(run).map_err(|error| StoreError::Io(format!("no thread to write: {error}")))?;
            Way::Thread { queue, thread: Mutex::new(Some(thread)) }
        };
        Ok(Self { shared, way })
    }

    /// Has `run` executed in a transaction, and gives what it gave once that is committed.
    pub(crate) async fn write<T, F>(&self, work: Work, run: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&mut Tx<'_, '_>, Company) -> Result<T, Failure> + Send + 'static,
    {
        self.shared.open()?;
        let (job, mut answer) = job(work, run);
        match &self.way {
            Way::Thread { queue, .. } => {
                self.enqueue(queue, job, work)?;
                answer.await.unwrap_or_else(|_| Err(self.shared.lost()))
            }
            Way::Inline(inline) => {
                let mut inline = inline.lock().unwrap_or_else(PoisonError::into_inner);
                let Some(inline) = inline.as_mut() else { return Err(StoreError::Closed) };
                let sql = Statements::new(&inline.connection, self.shared.statements.clone());
                Committer { sql, memory: &mut inline.memory }.commit(vec![job])?;
                answer.try_recv().unwrap_or_else(|_| Err(self.shared.lost()))
            }
        }
    }

    fn enqueue(&self, queue: &mpsc::Sender<Message>, job: Box<dyn Job>, work: Work) -> Result<(), StoreError> {
        let waiting = &self.shared.queued_bytes;
        let too_long = work.ingest && queue.capacity() < queue.max_capacity() / KEPT_FOR_SETTLING;
        // One command alone may be larger than the bound: it waits for nobody then.
        let bytes = waiting.load(Ordering::Relaxed);
        let too_large = work.ingest && bytes > 0 && bytes + work.bytes > self.shared.options.queue_bytes;
        if too_long || too_large {
            return Err(StoreError::Overloaded);
        }
        waiting.fetch_add(work.bytes, Ordering::Relaxed);
        queue.try_send(Message::Job(job)).map_err(|error| {
            waiting.fetch_sub(work.bytes, Ordering::Relaxed);
            match error {
                mpsc::error::TrySendError::Full(_) => StoreError::Overloaded,
                mpsc::error::TrySendError::Closed(_) => self.shared.lost(),
            }
        })
    }

    /// Waits until everything handed over is committed and the database is let go of.
    pub(crate) async fn close(&self) {
        match &self.way {
            Way::Thread { queue, thread } => {
                let (done, closed) = oneshot::channel();
                if queue.send(Message::Close(done)).await.is_ok() {
                    let _ = closed.await;
                }
                // It has answered, or ended before: this does not wait.
                let thread = thread.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(thread) = thread {
                    let _ = thread.join();
                }
            }
            Way::Inline(inline) => {
                let inline = inline.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(inline) = inline {
                    fold(&inline.connection, &self.shared);
                }
            }
        }
    }
}

/// The first transaction of every run.
fn start(connection: &Connection, memory: &mut Memory) -> Result<(), Failure> {
    let mut sql = Statements::new(connection, memory.shared.statements.clone());
    sql.execute(Query::begin, [])?;
    recover(&mut Tx { sql: &mut sql, memory })?;
    sql.execute(Query::commit, [])?;
    memory.committed();
    Ok(())
}

/// The writer's thread: until it is told to close, everyone who could tell it is gone, or the disk fails.
fn run(
    connection: Connection,
    mut memory: Memory,
    queue: mpsc::Receiver<Message>,
    (mut checkpointer, lock): (Option<Checkpointer>, Option<Lock>),
) {
    let shared = memory.shared.clone();
    let end = commit_until_closed(&connection, &mut memory, queue, checkpointer.as_mut());
    drop(checkpointer);
    // After a failure nothing is synced again: what is in the log is found on the next start.
    if let Ok(Some(_)) = &end {
        fold(&connection, &shared);
    }
    drop(connection);
    drop(lock);
    if let Ok(Some(closed)) = end {
        let _ = closed.send(());
    }
}

/// Gives who waits for the end, if it was asked for.
fn commit_until_closed(
    connection: &Connection,
    memory: &mut Memory,
    mut queue: mpsc::Receiver<Message>,
    mut checkpointer: Option<&mut Checkpointer>,
) -> Result<Option<oneshot::Sender<()>>, StoreError> {
    let shared = memory.shared.clone();
    let mut committer = Committer { sql: Statements::new(connection, shared.statements.clone()), memory };
    while let Some(first) = queue.blocking_recv() {
        let (group, closing) = gather(first, &mut queue, &shared);
        committer.commit(group)?;
        if let Some(checkpointer) = checkpointer.as_mut() {
            checkpointer.after_commit(connection).map_err(|failure| shared.fail(failure.into()))?;
        }
        if closing.is_some() {
            return Ok(closing);
        }
    }
    Ok(None)
}

/// Takes what is waiting, up to the size of a group. Nobody waits for company.
fn gather(
    first: Message,
    queue: &mut mpsc::Receiver<Message>,
    shared: &Shared,
) -> (Vec<Box<dyn Job>>, Option<oneshot::Sender<()>>) {
    let mut group = Vec::new();
    let mut rows = 0;
    let mut next = Some(first);
    while let Some(message) = next {
        match message {
            Message::Close(done) => return (group, Some(done)),
            Message::Job(job) => {
                let work = job.work();
                shared.queued_bytes.fetch_sub(work.bytes, Ordering::Relaxed);
                rows += work.rows;
                group.push(job);
            }
        }
        next = if rows < shared.options.group_rows { queue.try_recv().ok() } else { None };
    }
    (group, None)
}

/// Folds the log into the database and empties it, so that a copy of the one file is whole.
fn fold(connection: &Connection, shared: &Shared) {
    if shared.path().is_some() {
        // If it fails the log stays, and the next start reads it.
        let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    }
}

#[cfg(test)]
mod tests;
