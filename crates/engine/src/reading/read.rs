//! Reads one stream: its slices, so many at once, each told page by page and closed with its state when it was read to its
//! end. What fails is told, and costs the stream what it was about and nothing else.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use connectors::manifest::cursor::{Checkpoint, Cursor, Ending, OpenSlice};
use connectors::manifest::slice::Slice;
use connectors::manifest::state::StreamState;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use serde_json::Value as Json;
use tokio::sync::OwnedSemaphorePermit;

use super::failure::ReadFailure;
use super::partitions::Partitions;
use super::run::Run;
use super::slice::SliceReading;
use super::stream::ReadStream;
use super::told::{Place, Standing, Told};

/// Slices of one stream that may fail before no more are begun: what fails so often is no accident, and each may take
/// minutes of waiting.
const FAILURES_MAX: usize = 100;

/// How a stream ended.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// What failed, each once. Nothing if the stream was read whole.
    pub failures: BTreeSet<String>,
}

/// Finds slices, one after the other. Moved into the future that finds the next one, so that nothing found is lost when
/// something else is ready first.
struct Finder<'r> {
    run: &'r Run<'r>,
    cursor: &'r Mutex<Cursor>,
    partitions: Partitions<'r>,
}

type Finding<'r> = BoxFuture<'r, (Finder<'r>, Result<Option<OpenSlice>, ReadFailure>)>;

/// What became of a slice.
enum Outcome {
    Read(Box<OpenSlice>),
    /// The source has nothing to say about it; it is asked again in the next run.
    Skipped,
}

struct Reading<'r> {
    run: &'r Run<'r>,
    stream: &'r ReadStream,
    cursor: &'r Mutex<Cursor>,
    is_running: AtomicBool,
}

/// Reads a stream to its end. `finding` is held as long as partitions are being found. An error is only that nobody listens
/// any more.
pub(super) async fn read(
    run: &Run<'_>,
    stream: &ReadStream,
    state: Json,
    finding: OwnedSemaphorePermit,
) -> Result<Ended, ReadFailure> {
    let mut ended = Ended::default();
    match begin(run, stream, state) {
        Ok((cursor, state)) => {
            let cursor = Mutex::new(cursor);
            read_slices(run, stream, &cursor, &state, finding, &mut ended).await?;
        }
        Err(failure) => ended.tell(run, stream, failure).await?,
    }
    Ok(ended)
}

fn begin(run: &Run<'_>, stream: &ReadStream, state: Json) -> Result<(Cursor, StreamState), ReadFailure> {
    stream.cursor(run, state)
}

async fn read_slices(
    run: &Run<'_>,
    stream: &ReadStream,
    cursor: &Mutex<Cursor>,
    state: &StreamState,
    permit: OwnedSemaphorePermit,
    ended: &mut Ended,
) -> Result<(), ReadFailure> {
    let reading = Reading { run, stream, cursor, is_running: AtomicBool::new(false) };
    let mut permit = Some(permit);
    let mut slices = FuturesUnordered::new();
    let mut parents = None;
    let mut finding = match Partitions::new(run, stream, state) {
        Ok(partitions) => Some(Finder { run, cursor, partitions }.search()),
        Err(failure) => {
            ended.tell(run, stream, failure).await?;
            None
        }
    };
    while finding.is_some() || !slices.is_empty() {
        let may_find = slices.len() < run.level;
        tokio::select! {
            biased;
            Some(outcome) = slices.next(), if !slices.is_empty() => match outcome {
                Ok(outcome) => reading.close(outcome).await?,
                Err(failure) => ended.tell(run, stream, failure).await?,
            },
            (finder, found) = next_of(&mut finding), if finding.is_some() && may_find => {
                finding = None;
                match found {
                    Ok(Some(open)) => {
                        slices.push(reading.slice(open));
                        if ended.failures.len() < FAILURES_MAX {
                            finding = Some(finder.search());
                        }
                    }
                    Ok(None) => parents = finder.partitions.parent_state(),
                    Err(failure) => ended.tell(run, stream, failure).await?,
                }
                if finding.is_none() {
                    permit = None;
                }
            }
        }
    }
    drop((slices, permit));
    reading.finish(ended, parents).await
}

async fn next_of<'r>(finding: &mut Option<Finding<'r>>) -> (Finder<'r>, Result<Option<OpenSlice>, ReadFailure>) {
    match finding {
        Some(finding) => finding.await,
        None => std::future::pending().await,
    }
}

impl<'r> Finder<'r> {
    fn search(self) -> Finding<'r> {
        Box::pin(self.next())
    }

    async fn next(mut self) -> (Self, Result<Option<OpenSlice>, ReadFailure>) {
        let found = self.find().await;
        (self, found)
    }

    async fn find(&mut self) -> Result<Option<OpenSlice>, ReadFailure> {
        loop {
            if let Some(open) = lock(self.cursor).open()? {
                return Ok(Some(open));
            }
            let Some(found) = self.partitions.next().await? else { return Ok(None) };
            // A partition that came before gives no slice.
            let _ = lock(self.cursor).enter(found.partition, found.parents.as_ref(), self.run.client.now());
        }
    }
}

impl<'r> Reading<'r> {
    async fn slice(&self, mut open: OpenSlice) -> Result<Outcome, ReadFailure> {
        let over = |_| ReadFailure::system("run_over", "the run is over");
        let _worker = Arc::clone(&self.run.workers).acquire_owned().await.map_err(over)?;
        let begun = self.stream.circumstances.within.as_ref();
        let begun = begun.and_then(|place| Some((open.as_begun(&place.partition, &place.window)?, &place.token)));
        if let Some((slice, _)) = &begun {
            open.set_slice(Arc::clone(slice));
        }
        let mut reading = SliceReading::new(self.run, self.stream, &open)?;
        if let Some((_, token)) = begun {
            reading.begin_at(token.clone());
        }
        while let Some(records) = reading.next(&mut open).await? {
            self.tell(records, self.place(&reading, &open), Arc::clone(open.slice())).await?;
        }
        Ok(if reading.is_skipped() { Outcome::Skipped } else { Outcome::Read(Box::new(open)) })
    }

    fn place(&self, reading: &SliceReading<'_>, open: &OpenSlice) -> Option<Place> {
        let token = reading.token().filter(|_| self.stream.circumstances.tells_place)?.clone();
        let slice = open.slice();
        Some(Place { partition: slice.partition().clone(), window: slice.cursor().clone(), token })
    }

    async fn tell(&self, records: Vec<Json>, place: Option<Place>, slice: Arc<Slice>) -> Result<(), ReadFailure> {
        if records.is_empty() {
            return Ok(());
        }
        let stream = || Arc::clone(&self.stream.name);
        if !self.is_running.swap(true, Ordering::Relaxed) {
            let told = Told::Standing { stream: stream(), standing: Standing::Running };
            self.run.occasion.listener.tell(told).await?;
        }
        let told = Told::Records { stream: stream(), records, place: place.map(Box::new), slice };
        Ok(self.run.occasion.listener.tell(told).await?)
    }

    async fn close(&self, outcome: Outcome) -> Result<(), ReadFailure> {
        let Outcome::Read(open) = outcome else { return Ok(()) };
        let state = {
            let mut cursor = lock(self.cursor);
            match cursor.close(*open, self.run.client.now())? {
                Checkpoint::Due => Some(cursor.state()),
                Checkpoint::Later => None,
            }
        };
        if let Some(state) = state {
            self.tell_state(Json::Object(state)).await?;
        }
        Ok(())
    }

    async fn finish(&self, ended: &Ended, parents: Option<Arc<Json>>) -> Result<(), ReadFailure> {
        let ending = if ended.failures.is_empty() { Ending::Whole } else { Ending::Broken };
        let (state, notices) = {
            let mut cursor = lock(self.cursor);
            cursor.finish(ending, parents, self.run.client.now());
            (cursor.state(), cursor.take_notices())
        };
        for notice in notices {
            self.run.note(format!("{}: {notice}", self.stream.name)).await?;
        }
        self.tell_state(Json::Object(state)).await
    }

    async fn tell_state(&self, state: Json) -> Result<(), ReadFailure> {
        let stream = Arc::clone(&self.stream.name);
        Ok(self.run.occasion.listener.tell(Told::State { stream, state }).await?)
    }
}

impl Ended {
    async fn tell(&mut self, run: &Run<'_>, stream: &ReadStream, failure: ReadFailure) -> Result<(), ReadFailure> {
        if failure.is_closed() {
            return Err(failure);
        }
        self.failures.insert(failure.message.clone());
        run.tell_failed(&stream.name, failure).await
    }
}

fn lock(cursor: &Mutex<Cursor>) -> MutexGuard<'_, Cursor> {
    // The cursor moves only when a slice is closed, in one step, so a panic elsewhere leaves no half of one.
    cursor.lock().unwrap_or_else(PoisonError::into_inner)
}
