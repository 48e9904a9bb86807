//! One slice, read to its end: page by page, in halves where the source refuses its window, or through a job.

use std::sync::Arc;

use connectors::manifest::cursor::OpenSlice;
use connectors::manifest::page::PageToken;
use connectors::manifest::slice::Slice;
use serde_json::Value as Json;

use super::client::Stop;
use super::failure::ReadFailure;
use super::job::JobReading;
use super::pages::Pages;
use super::run::Run;
use super::stream::{Pager, ReadStream, Way};

pub(super) enum SliceReading<'r> {
    Windows(Box<Windows<'r>>),
    Job(Box<JobReading<'r>>),
}

/// The windows of a slice: one, until the source refuses it.
pub(super) struct Windows<'r> {
    run: &'r Run<'r>,
    stream: &'r ReadStream,
    pager: &'r Pager,
    current: Option<(Pages<'r>, Arc<Slice>, u32)>,
    /// What is still to be read, the next one last, each with the number of splits that led to it.
    waiting: Vec<(Arc<Slice>, u32)>,
    /// Where the first of them begins, if not at its beginning.
    begins_at: Option<PageToken>,
}

impl<'r> SliceReading<'r> {
    pub fn new(run: &'r Run<'r>, stream: &'r ReadStream, open: &OpenSlice) -> Result<Self, ReadFailure> {
        match &stream.way {
            Way::Pages(pager) => {
                let waiting = vec![(Arc::clone(open.slice()), 0)];
                Ok(Self::Windows(Box::new(Windows { run, stream, pager, current: None, waiting, begins_at: None })))
            }
            Way::Job(job) => Ok(Self::Job(Box::new(JobReading::new(run, stream, job, Arc::clone(open.slice()))))),
        }
    }

    /// Whether the source had nothing to say about the slice: then it does not count as read.
    pub fn is_skipped(&self) -> bool {
        matches!(self, Self::Job(job) if job.is_skipped())
    }

    /// Begins behind pages that were read before.
    pub fn begin_at(&mut self, token: PageToken) {
        if let Self::Windows(windows) = self {
            windows.begins_at = Some(token);
        }
    }

    /// The token of the next page, if the slice can be gone on with by that alone.
    pub fn token(&self) -> Option<&PageToken> {
        match self {
            Self::Windows(windows) => match &windows.current {
                Some((pages, _, 0)) if windows.waiting.is_empty() => pages.token(),
                _ => None,
            },
            Self::Job(_) => None,
        }
    }

    /// The next records; `None` at the end of the slice.
    pub async fn next(&mut self, open: &mut OpenSlice) -> Result<Option<Vec<Json>>, ReadFailure> {
        match self {
            Self::Windows(windows) => windows.next(open).await,
            Self::Job(job) => job.next(open).await,
        }
    }
}

impl Windows<'_> {
    async fn next(&mut self, open: &mut OpenSlice) -> Result<Option<Vec<Json>>, ReadFailure> {
        loop {
            let Some((pages, window, depth)) = &mut self.current else {
                let Some((window, depth)) = self.waiting.pop() else { return Ok(None) };
                let mut pages = Pages::new(self.run, self.stream, self.pager, Arc::clone(&window), None)?;
                if let Some(token) = self.begins_at.take() {
                    pages.begin_at(token);
                }
                self.current = Some((pages, window, depth));
                continue;
            };
            match pages.next(open).await {
                Ok(Some(records)) => return Ok(Some(records)),
                Ok(None) => self.current = None,
                Err(Stop::SplitWindow) => {
                    let (window, depth) = (Arc::clone(window), *depth);
                    self.current = None;
                    self.split(&window, depth, open)?;
                }
                Err(stop) => return Err(stop.into_failure()),
            }
        }
    }

    /// Two halves instead of a window that the source refuses. What was read of it comes again, which is at least once.
    fn split(&mut self, window: &Slice, depth: u32, open: &OpenSlice) -> Result<(), ReadFailure> {
        let Some(splitting) = &self.pager.splitting else {
            return Err(Stop::SplitWindow.into_failure());
        };
        splitting.may_split(depth)?;
        let halves = open.halves(window, splitting.least)?.ok_or_else(|| splitting.smallest())?;
        self.waiting.extend(halves.into_iter().rev().map(|half| (Arc::new(half), depth + 1)));
        Ok(())
    }
}
