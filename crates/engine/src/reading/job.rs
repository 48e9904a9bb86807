//! One slice read through a job that the source runs: created, asked about until it has ended, downloaded, deleted. A job
//! that failed or took too long is created anew, so often and no more.

use std::sync::Arc;
use std::time::Duration;

use connectors::manifest::cursor::{Cursor, OpenSlice};
use connectors::manifest::decode::Decoder;
use connectors::manifest::request::{Additions, Requester};
use connectors::manifest::select::{Extractor, Selector};
use connectors::manifest::slice::Slice;
use connectors::manifest::state::StreamState;
use connectors::manifest::wire::Reply;
use http::HeaderMap;
use serde_json::{Map, Value as Json};
use tokio::sync::OwnedSemaphorePermit;

use super::ask::Unheard;
use super::client::{Question, Stop, no_status};
use super::failure::{Blame, ReadFailure};
use super::pages::{Pages, ignored};
use super::run::Run;
use super::seen::{Said, Seen};
use super::stream::{Pager, ReadStream};

/// How long a job is left alone between two questions about it, as the reference does.
const POLL_PAUSE: Duration = Duration::from_secs(5);
/// Jobs for one slice: the first, and two for those that failed.
const TRIES_MAX: u32 = 3;
/// Files of one job: exports are split into hundreds at most.
const TARGETS_MAX: usize = 100_000;

/// What a manifest says of jobs.
pub(super) struct Job {
    pub creation: Requester,
    pub polling: Requester,
    pub targets: Option<Requester>,
    pub abort: Option<Requester>,
    pub delete: Option<Requester>,
    pub status: Extractor,
    pub target: Option<Extractor>,
    pub statuses: Vec<(String, JobStatus)>,
    /// How replies about the job are read.
    pub decoder: Decoder,
    /// How what was downloaded is read.
    pub download: Pager,
    /// What becomes a record of it.
    pub selector: Selector,
    pub timeout: Duration,
    pub failed_wait: Option<Duration>,
}

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JobStatus {
    Running,
    Completed,
    Failed,
    TimedOut,
    /// The source has nothing for the slice.
    Skipped,
}

pub(super) struct JobReading<'r> {
    run: &'r Run<'r>,
    stream: &'r ReadStream,
    job: &'r Job,
    slice: Arc<Slice>,
    course: Course<'r>,
}

/// One file of a job, with nobody who watches what is extracted: the cursor sees records once they are refined.
struct Download<'r> {
    pages: Pages<'r>,
    unwatched: OpenSlice,
}

enum Course<'r> {
    Asked,
    Ready {
        said: Arc<Said>,
        targets: std::vec::IntoIter<String>,
        file: Option<Box<Download<'r>>>,
        _turn: OwnedSemaphorePermit,
    },
    Over {
        is_skipped: bool,
    },
}

impl<'r> JobReading<'r> {
    pub fn new(run: &'r Run<'r>, stream: &'r ReadStream, job: &'r Job, slice: Arc<Slice>) -> Self {
        Self { run, stream, job, slice, course: Course::Asked }
    }

    /// Whether the source had nothing to say about the slice: then it does not count as read.
    pub fn is_skipped(&self) -> bool {
        matches!(self.course, Course::Over { is_skipped: true })
    }

    /// The next records; `None` at the end.
    pub async fn next(&mut self, open: &mut OpenSlice) -> Result<Option<Vec<Json>>, ReadFailure> {
        loop {
            match &mut self.course {
                Course::Over { .. } => return Ok(None),
                Course::Asked => {
                    self.course = self.complete().await?;
                    self.begin_file()?;
                }
                Course::Ready { file: Some(download), .. } => {
                    match download.pages.next(&mut download.unwatched).await.map_err(Stop::into_failure)? {
                        None => self.begin_file()?,
                        Some(records) => {
                            let records = self.refined(records, open)?;
                            if !records.is_empty() {
                                return Ok(Some(records));
                            }
                        }
                    }
                }
                Course::Ready { said, file: None, .. } => {
                    let said = Arc::clone(said);
                    self.ask_aside(self.job.delete.as_ref(), &said).await;
                    self.course = Course::Over { is_skipped: false };
                }
            }
        }
    }

    /// Begins with the next of the job's files, if there is one.
    fn begin_file(&mut self) -> Result<(), ReadFailure> {
        let Course::Ready { said, targets, .. } = &mut self.course else { return Ok(()) };
        let next = targets.next().map(|target| Arc::new(Said { target: Some(target), ..Said::clone(said) }));
        let next = next.map(|said| self.download(said).map(Box::new)).transpose()?;
        if let Course::Ready { file, .. } = &mut self.course {
            *file = next;
        }
        Ok(())
    }

    fn download(&self, said: Arc<Said>) -> Result<Download<'r>, ReadFailure> {
        let pages = Pages::new(self.run, self.stream, &self.job.download, Arc::clone(&self.slice), Some(said))?;
        Ok(Download { pages, unwatched: unwatched(self.run, Slice::clone(&self.slice))? })
    }

    fn refined(&self, records: Vec<Json>, open: &mut OpenSlice) -> Result<Vec<Json>, ReadFailure> {
        let (config, now) = (self.run.client.config(), self.run.client.now());
        let scope = Seen::slice(&self.slice).scope(&config, now);
        let keep = &mut |record: &Json| open.wants(record, now);
        let records = self.job.selector.refine_all(records, &scope, &self.stream.schema, keep)?.records;
        records.iter().for_each(|record| open.observe(record));
        Ok(records)
    }

    /// Has the source run a job until one is complete.
    async fn complete(&self) -> Result<Course<'r>, ReadFailure> {
        let turn = Arc::clone(&self.run.jobs).acquire_owned().await;
        let turn = turn.map_err(|_| ReadFailure::system("run_over", "the run is over"))?;
        let mut last = None;
        for attempt in 0..TRIES_MAX {
            if attempt > 0 && last != Some(JobStatus::TimedOut) {
                self.run.client.clock.sleep(self.job.failed_wait.unwrap_or_default()).await;
            }
            let said = match self.create().await {
                Ok(said) => said,
                Err(failure) if failure.blame == Blame::Config || failure.is_closed() => return Err(failure),
                Err(failure) => {
                    self.run.tell_failed(&self.stream.name, failure).await?;
                    last = None;
                    self.run.client.clock.sleep(POLL_PAUSE).await;
                    continue;
                }
            };
            let (status, said) = self.wait(said).await?;
            match status {
                JobStatus::Completed => {
                    let targets = self.targets(&said).await?.into_iter();
                    return Ok(Course::Ready { said, targets, file: None, _turn: turn });
                }
                JobStatus::Skipped => {
                    let message = "the source's job for a slice ended without a result, so the slice was skipped";
                    self.run.tell_passed_over(message.to_owned()).await?;
                    return Ok(Course::Over { is_skipped: true });
                }
                JobStatus::TimedOut => self.ask_aside(self.job.abort.as_ref(), &said).await,
                JobStatus::Failed | JobStatus::Running => {}
            }
            last = Some(status);
        }
        let how = last.map_or_else(|| "could not be created".to_owned(), |status| format!("ended as {status:?}"));
        let message = format!("the source's job for a slice {how}, {TRIES_MAX} times in a row");
        Err(ReadFailure::system("job_failed", message))
    }

    async fn create(&self) -> Result<Arc<Said>, ReadFailure> {
        let reply = self.ask(&self.job.creation, &Said::default()).await?;
        Ok(Arc::new(Said { creation: Some(told(&reply)), ..Said::default() }))
    }

    /// Asks about a job until it has ended.
    async fn wait(&self, said: Arc<Said>) -> Result<(JobStatus, Arc<Said>), ReadFailure> {
        let clock = &self.run.client.clock;
        let began = clock.monotonic();
        loop {
            let reply = self.ask(&self.job.polling, &said).await?;
            let said = Arc::new(Said { polling: Some(told(&reply)), ..Said::clone(&said) });
            let status = self.status_of(&reply)?;
            if status != JobStatus::Running {
                return Ok((status, said));
            }
            if clock.monotonic().saturating_sub(began) > self.job.timeout {
                return Ok((JobStatus::TimedOut, said));
            }
            clock.sleep(POLL_PAUSE).await;
        }
    }

    fn status_of(&self, reply: &Reply) -> Result<JobStatus, ReadFailure> {
        let found = self.extracted(&self.job.status, reply, &Said::default())?.into_iter().next();
        let word = match found {
            Some(Json::String(word)) => word,
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let known = self.job.statuses.iter().find(|(known, _)| *known == word);
        known.map(|(_, status)| *status).ok_or_else(|| {
            let message =
                format!("the source says that its job is '{word}', which is not in the manifest's status_mapping");
            ReadFailure::system("job_status_unknown", message)
        })
    }

    /// What is to be downloaded: one thing without a name, if the manifest says nothing about it.
    async fn targets(&self, said: &Said) -> Result<Vec<String>, ReadFailure> {
        let Some(extractor) = &self.job.target else { return Ok(vec![String::new()]) };
        let polled;
        let found = match &self.job.targets {
            Some(requester) => {
                polled = self.ask(requester, said).await?;
                self.extracted(extractor, &polled, said)?
            }
            None => {
                let mut items = vec![said.polling.clone().unwrap_or_default()];
                self.all(extractor, &mut items, said)?
            }
        };
        if found.len() > TARGETS_MAX {
            let message = format!("a job has {} files, at most {TARGETS_MAX} are downloaded", found.len());
            return Err(ReadFailure::system("job_too_many_files", message));
        }
        Ok(found.into_iter().map(|target| target.as_str().map_or_else(|| target.to_string(), str::to_owned)).collect())
    }

    fn extracted(&self, extractor: &Extractor, reply: &Reply, said: &Said) -> Result<Vec<Json>, ReadFailure> {
        let mut items = self.job.decoder.page(&reply.body)?;
        self.all(extractor, &mut items, said)
    }

    fn all(&self, extractor: &Extractor, items: &mut [Json], said: &Said) -> Result<Vec<Json>, ReadFailure> {
        let config = self.run.client.config();
        let scope = said.seen(Some(&self.slice)).scope(&config, self.run.client.now());
        Ok(extractor.all(items, &scope)?)
    }

    /// Asks for what the records depend on.
    async fn ask(&self, requester: &Requester, said: &Said) -> Result<Reply, ReadFailure> {
        let reply = self.send(requester, said).await?;
        if !reply.is_ok() {
            self.run.tell_passed_over(ignored(&reply)).await?;
        }
        Ok(reply)
    }

    async fn send(&self, requester: &Requester, said: &Said) -> Result<Reply, ReadFailure> {
        let additions = Additions::new();
        let question = Question {
            stream: &self.stream.name,
            occasion: &self.run.occasion,
            requester,
            additions: &additions,
            seen: said.seen(Some(&self.slice)),
            cached: None,
            spooled: false,
            unheard: Unheard::AskAgain,
            conditions: None,
            is_answer: no_status,
        };
        self.run.client.ask(question).await.map(|answer| answer.reply).map_err(Stop::into_failure)
    }

    /// Cleans up. What stays behind at the source is its own to expire, so a failure is only told.
    async fn ask_aside(&self, requester: Option<&Requester>, said: &Said) {
        let Some(requester) = requester else { return };
        if let Err(failure) = self.send(requester, said).await {
            let message = format!("a job could not be cleaned up at the source: {failure}");
            // The listener that is gone ends the reading at its next record.
            let _ = self.run.note(message).await;
        }
    }
}

/// A slice whose records move no cursor.
pub(super) fn unwatched(run: &Run<'_>, slice: Slice) -> Result<OpenSlice, ReadFailure> {
    let (config, now) = (run.client.config(), run.client.now());
    let scope = Seen::default().scope(&config, now);
    let mut cursor = Cursor::begin(None, None, &StreamState::default(), &scope, &[])?;
    let _ = cursor.enter(slice, None, now);
    cursor.open()?.ok_or_else(|| ReadFailure::system("slice_missing", "a slice without a cursor could not be opened"))
}

/// What a reply says, as templates see it: its JSON, its headers in either spelling, and where it came from.
fn told(reply: &Reply) -> Json {
    let mut told = match reply.json() {
        Some(Json::Object(fields)) => fields.clone(),
        _ => Map::new(),
    };
    if !told.contains_key("headers") {
        told.insert("headers".to_owned(), headers(&reply.headers));
    }
    if !told.contains_key("request") {
        told.insert("request".to_owned(), serde_json::json!({ "url": reply.url }));
    }
    Json::Object(told)
}

/// Header names mean the same in any case; templates spell them as documents do or as HTTP/2 does.
fn headers(headers: &HeaderMap) -> Json {
    let mut fields = Map::new();
    for (name, value) in headers {
        let value = Json::from(String::from_utf8_lossy(value.as_bytes()).into_owned());
        let titled: Vec<String> = name.as_str().split('-').map(titled).collect();
        fields.insert(titled.join("-"), value.clone());
        fields.insert(name.as_str().to_owned(), value);
    }
    Json::Object(fields)
}

fn titled(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
}
