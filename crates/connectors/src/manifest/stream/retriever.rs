//! How the records of a stream are fetched: page by page, or by a job that the source runs meanwhile.

use crate::manifest::cursor::IncrementalSync;
use crate::manifest::decode::Decoder;
use crate::manifest::node::{Node, Parameters, Read};
use crate::manifest::page::{PageSizeReduction, PaginationReset, Paginator, RequestWindowSplitting};
use crate::manifest::partition::PartitionRouter;
use crate::manifest::problem::{Fault, Problem};
use crate::manifest::request::Requester;
use crate::manifest::select::{Download, Extractor, Selector};
use crate::manifest::setting::Setting;
use crate::manifest::transform::Transformation;

#[derive(Clone, Debug)]
pub enum Retriever {
    Simple(Box<SimpleRetriever>),
    Async(Box<AsyncRetriever>),
}

/// Pages, one after another, of each slice.
#[derive(Clone, Debug)]
pub struct SimpleRetriever {
    pub requester: Requester,
    pub decoder: Decoder,
    pub selector: Selector,
    pub paginator: Paginator,
    pub router: Option<PartitionRouter>,
    /// Only the first page of a slice is asked for with what partitions and cursor put into requests.
    pub spares_later_pages: bool,
    pub pagination_reset: Option<PaginationReset>,
    pub page_size_reduction: Option<PageSizeReduction>,
    pub window_splitting: Option<RequestWindowSplitting>,
    pub parameters: Parameters,
}

/// A job for each slice: created, asked after until it is done, its results downloaded.
#[derive(Clone, Debug)]
pub struct AsyncRetriever {
    pub creation: Requester,
    pub polling: Requester,
    /// Asks where the results are, for sources that do not say so while they are asked after the job.
    pub target: Option<Requester>,
    pub download: Requester,
    pub abort: Option<Requester>,
    pub delete: Option<Requester>,
    pub status: Extractor,
    pub statuses: StatusMap,
    pub targets: Option<Extractor>,
    pub download_extractor: Option<Download>,
    /// Replies to creation and polling.
    pub decoder: Decoder,
    pub download_decoder: Decoder,
    pub download_paginator: Paginator,
    pub selector: Selector,
    pub router: Option<PartitionRouter>,
    /// Minutes that a job may take.
    pub job_timeout: Option<Setting>,
    /// Seconds before a failed job is tried again.
    pub retry_wait: Option<Setting>,
    pub parameters: Parameters,
}

/// What the source's words for the state of a job mean.
#[derive(Clone, Debug)]
pub struct StatusMap {
    pub running: Vec<String>,
    pub completed: Vec<String>,
    pub failed: Vec<String>,
    pub timeout: Vec<String>,
    pub skipped: Vec<String>,
}

impl Retriever {
    /// With what the stream makes of each record.
    pub(super) fn with(mut self, transformations: Vec<Transformation>, filters_by_cursor: bool) -> Self {
        match &mut self {
            Self::Simple(retriever) => {
                retriever.selector = retriever.selector.clone().with(transformations, filters_by_cursor);
            }
            Self::Async(retriever) => {
                retriever.selector = retriever.selector.clone().with(transformations, filters_by_cursor);
            }
        }
        self
    }

    /// What cannot be combined.
    pub(super) fn check(&self, stream: &Node, sync: Option<&IncrementalSync>) -> Result<(), Problem> {
        let Self::Simple(retriever) = self else { return Ok(()) };
        let obstacle = retriever.obstacle(stream, sync);
        obstacle.map_or(Ok(()), |message| Err(stream.problem(Fault::Wrong, message)))
    }
}

impl SimpleRetriever {
    fn obstacle(&self, stream: &Node, sync: Option<&IncrementalSync>) -> Option<String> {
        if matches!(sync, Some(IncrementalSync::Counts(_))) && self.router.is_some() {
            return Some("a cursor of counts cannot be kept for each partition; leave out one of them".to_owned());
        }
        if self.router.as_ref().is_some_and(PartitionRouter::is_lazy)
            && let Some(why) = self.lazy_obstacle(stream, sync)
        {
            return Some(why.to_owned());
        }
        self.window_splitting.as_ref()?;
        self.splitting_obstacle(sync).map(|why| format!("request_window_splitting {why}"))
    }

    /// Why the first page cannot be one that lies in the parent's record.
    fn lazy_obstacle(&self, stream: &Node, sync: Option<&IncrementalSync>) -> Option<&'static str> {
        if self.page_size_reduction.is_some() || self.window_splitting.is_some() {
            return Some(
                "page_size_reduction and request_window_splitting ask for pages again, but with lazy_read_pointer the first page lies in the parent's record",
            );
        }
        if matches!(sync, Some(IncrementalSync::Counts(_))) {
            return Some("lazy_read_pointer needs a cursor of dates, or none");
        }
        let sync = stream.get("incremental_sync")?;
        let slices = ["step", "cursor_granularity"].iter().any(|field| sync.get(field).is_some());
        slices.then_some("lazy_read_pointer reads one slice for each parent; leave out step and cursor_granularity")
    }

    /// Why its windows cannot be split, if they cannot.
    fn splitting_obstacle(&self, sync: Option<&IncrementalSync>) -> Option<&'static str> {
        if self.requester.properties().is_some() {
            return Some("does not go with query properties: records of earlier portions may have been told already");
        }
        match sync {
            Some(IncrementalSync::Dates(dates)) => dates.splitting_obstacle(),
            Some(IncrementalSync::Counts(_)) | None => Some("needs a cursor of dates, whose windows are split"),
        }
    }
}

impl Read for Retriever {
    /// With a budget of steps of its own: those that other components keep are read each time that they are used.
    fn read(node: &Node) -> Result<Self, Problem> {
        let node = &node.afresh();
        match &*node.kind("SimpleRetriever")? {
            "SimpleRetriever" => SimpleRetriever::read(node).map(Box::new).map(Self::Simple),
            "AsyncRetriever" => AsyncRetriever::read(node).map(Box::new).map(Self::Async),
            _ => Err(node.unsupported()),
        }
    }
}

impl Read for SimpleRetriever {
    fn read(node: &Node) -> Result<Self, Problem> {
        Ok(Self {
            requester: node.need("requester")?,
            decoder: node.or("decoder", Decoder::default())?,
            selector: node.need("record_selector")?,
            paginator: node.maybe("paginator")?.unwrap_or_default(),
            router: PartitionRouter::maybe(node, "partition_router")?,
            spares_later_pages: node.or("ignore_stream_slicer_parameters_on_paginated_requests", false)?,
            pagination_reset: node.maybe("pagination_reset")?,
            page_size_reduction: node.maybe("page_size_reduction")?,
            window_splitting: node.maybe("request_window_splitting")?,
            parameters: node.parameters(),
        })
    }
}

impl Read for AsyncRetriever {
    fn read(node: &Node) -> Result<Self, Problem> {
        Ok(Self {
            creation: node.need("creation_requester")?,
            polling: node.need("polling_requester")?,
            target: node.maybe("download_target_requester")?,
            download: node.need("download_requester")?,
            abort: node.maybe("abort_requester")?,
            delete: node.maybe("delete_requester")?,
            status: node.need("status_extractor")?,
            statuses: node.need("status_mapping")?,
            targets: node.maybe("download_target_extractor")?,
            download_extractor: node.maybe("download_extractor")?,
            decoder: node.or("decoder", Decoder::default())?,
            download_decoder: node.or("download_decoder", Decoder::default())?,
            download_paginator: node.maybe("download_paginator")?.unwrap_or_default(),
            selector: node.need("record_selector")?,
            router: PartitionRouter::maybe(node, "partition_router")?,
            job_timeout: Setting::maybe(node, "polling_job_timeout")?,
            retry_wait: Setting::maybe(node, "failed_retry_wait_time_in_seconds")?,
            parameters: node.parameters(),
        })
    }
}

impl Read for StatusMap {
    fn read(node: &Node) -> Result<Self, Problem> {
        Ok(Self {
            running: node.need("running")?,
            completed: node.need("completed")?,
            failed: node.need("failed")?,
            timeout: node.need("timeout")?,
            skipped: node.or("skipped", Vec::new())?,
        })
    }
}
