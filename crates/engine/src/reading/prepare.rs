//! Makes the streams of a manifest ready to be read: with their parents, and with the retrievers that help them.

use std::sync::Arc;
use std::time::Duration;

use connectors::manifest::cursor::IncrementalSync;
use connectors::manifest::node::{Node, Read};
use connectors::manifest::partition::Parent;
use connectors::manifest::problem::Problem;
use connectors::manifest::properties::PropertyList;
use connectors::manifest::schema::Schema;
use connectors::manifest::select::{Download, Extractor, Selector};
use connectors::manifest::setting::Setting;
use connectors::manifest::state::{Choice, Reader as ByState, StreamState, choose};
use connectors::manifest::stream::{AsyncRetriever, DeclarativeStream, Retriever, SimpleRetriever, Stream};
use serde_json::{Value as Json, json};

use super::body::{Form, Reader};
use super::failure::ReadFailure;
use super::job::{Job, JobStatus};
use super::run::Run;
use super::seen::Seen;
use super::stream::{Circumstances, Pager, ReadStream, Way};

/// Parents of parents. Manifests have five at most.
const PARENTS_DEPTH_MAX: usize = 16;
/// How long a job may take where the manifest says nothing.
const JOB_TIMEOUT: Duration = Duration::from_secs(60 * 60);
/// Longest time that a manifest may give a job, or let one wait.
const JOB_TIME_MAX: Duration = Duration::from_secs(7 * 86_400);

impl ReadStream {
    /// A stream with all that reading it takes, and the state that it is read from. Of a stream with two ways to be read
    /// the state chooses one, and may be found too old.
    pub fn prepare(
        run: &Run<'_>,
        stream: &Stream,
        state: &Json,
        circumstances: Circumstances,
    ) -> Result<(Self, Json), ReadFailure> {
        let (declared, state) = way_of(run, stream, state)?;
        Ok((Self::of(run, &declared, &state, circumstances, 0)?, state))
    }

    /// A retriever that no stream is made of. What it reads is asked for again and again, so its answers are kept.
    pub fn helper(run: &Run<'_>, name: &str, retriever: Retriever) -> Result<Self, ReadFailure> {
        let declared = Arc::new(DeclarativeStream::helper(name, retriever));
        Self::of(run, &declared, &Json::Null, Circumstances { is_shared: true, ..Circumstances::default() }, 1)
    }

    fn of(
        run: &Run<'_>,
        declared: &Arc<DeclarativeStream>,
        state: &Json,
        circumstances: Circumstances,
        depth: usize,
    ) -> Result<Self, ReadFailure> {
        if depth > PARENTS_DEPTH_MAX {
            let message = format!("{} has more than {PARENTS_DEPTH_MAX} parents of parents", declared.name);
            return Err(ReadFailure::system("parents_too_deep", message));
        }
        let mut parents = Vec::new();
        for parent in declared.router().into_iter().flat_map(|router| router.parents()) {
            let stream = Stream::read(&parent.stream)?;
            let state = parent_state(run, parent, &stream, state)?;
            let (way, state) = way_of(run, &stream, &state)?;
            // What is read for its children is kept; further up the format keeps nothing unless it is told to.
            // One that goes on from where it was is late and early in the same ways as what is read by it.
            let overlap = circumstances.overlap.filter(|_| parent.incremental_dependency);
            let shared = Circumstances { is_shared: depth == 0, overlap, ..Circumstances::default() };
            parents.push((Arc::clone(parent), Self::of(run, &way, &state, shared, depth + 1)?));
        }
        let name: Arc<str> = declared.name.as_str().into();
        let (way, lists, properties) = match &declared.retriever {
            Retriever::Simple(retriever) => {
                let pager = Pager::of(retriever, declared, circumstances.is_shared);
                let lists = retriever.selector.list_retriever().map(|node| helper_at(run, &name, node));
                let properties = property_endpoint(retriever).map(|node| helper_at(run, &name, node));
                (Way::Pages(Box::new(pager)), lists.transpose()?, properties.transpose()?)
            }
            Retriever::Async(retriever) => (Way::Job(Box::new(job(run, retriever)?)), None, None),
        };
        let (schema, declared) = (Schema::default(), Arc::clone(declared));
        Ok(Self { name, declared, schema, way, parents, circumstances, lists, properties })
    }
}

/// What a parent resumes from, of the state of the stream whose parent it is.
fn parent_state(run: &Run<'_>, parent: &Parent, stream: &Stream, state: &Json) -> Result<Json, ReadFailure> {
    if !parent.incremental_dependency {
        return Ok(Json::Null);
    }
    let config = run.client.config();
    let scope = Seen::default().scope(&config, run.client.now());
    let sync = stream.ways().into_iter().find_map(|way| way.sync.as_ref());
    let field = sync.map(|sync| sync.field(&scope, &[])).transpose()?;
    let own = StreamState::from_json(state.clone()).unwrap_or_default();
    Ok(own.of_parent(&parent.stream_name, field.as_deref()).into_json())
}

/// Of a stream with two ways to be read, the one that fits the state, and what is left of the state then.
fn way_of(run: &Run<'_>, stream: &Stream, state: &Json) -> Result<(Arc<DeclarativeStream>, Json), ReadFailure> {
    let stream = match stream {
        Stream::Declarative(stream) => return Ok((Arc::clone(stream), state.clone())),
        Stream::Delegating(stream) => stream,
    };
    let (config, now) = (run.client.config(), run.client.now());
    let scope = Seen::default().scope(&config, now);
    let retention = stream.retention.as_ref().map(|retention| retention.text(&scope)).transpose()?.unwrap_or_default();
    let [full, incremental] = [&stream.full_refresh, &stream.incremental];
    fn by_state(way: &DeclarativeStream) -> ByState<'_> {
        ByState { sync: way.sync.as_ref(), router: way.router() }
    }
    let known = StreamState::from_json(state.clone()).unwrap_or_default();
    let choice = choose(&known, &retention, by_state(full), by_state(incremental), &scope)?;
    Ok(match choice {
        Choice::FullRefresh => (Arc::clone(full), state.clone()),
        Choice::FullRefreshAfresh => (Arc::clone(full), Json::Null),
        Choice::Incremental => (Arc::clone(incremental), state.clone()),
    })
}

fn helper_at(run: &Run<'_>, name: &str, node: &Node) -> Result<Box<ReadStream>, ReadFailure> {
    let retriever = Retriever::read(node)?;
    ReadStream::helper(run, name, retriever).map(Box::new)
}

/// Where the names of the properties to ask for are read, if they are not written down.
fn property_endpoint(retriever: &SimpleRetriever) -> Option<&Node> {
    match retriever.requester.properties()?.list() {
        PropertyList::Written(_) => None,
        PropertyList::Endpoint { retriever, .. } => Some(retriever),
    }
}

impl Pager {
    fn of(retriever: &SimpleRetriever, stream: &DeclarativeStream, is_shared: bool) -> Self {
        let is_data_feed = matches!(&stream.sync, Some(IncrementalSync::Dates(dates)) if dates.is_data_feed);
        let paginator = retriever.paginator.clone();
        let is_spared = paginator.templates().iter().all(|template| retriever.selector.spares(template));
        Self {
            form: Form { reader: Reader::Decoder(retriever.decoder.clone()), is_spared },
            requester: retriever.requester.clone(),
            selector: retriever.selector.clone(),
            paginator,
            reduction: retriever.page_size_reduction.clone(),
            reset: retriever.pagination_reset,
            splitting: retriever.window_splitting.clone(),
            skips_slicer_on_pages: retriever.spares_later_pages,
            is_data_feed,
            is_cached: retriever.requester.use_cache().unwrap_or(is_shared),
        }
    }

    /// What is downloaded of a job: extracted here, made a record of elsewhere.
    fn of_download(retriever: &AsyncRetriever) -> Result<Self, ReadFailure> {
        let (reader, extractor) = match &retriever.download_extractor {
            Some(Download::Table(table)) => (Reader::Table(*table), None),
            Some(Download::Extractor(extractor)) => {
                (Reader::Decoder(retriever.download_decoder.clone()), Some(extractor))
            }
            None => (Reader::Decoder(retriever.download_decoder.clone()), None),
        };
        let selector = Selector::of(extractor.cloned().unwrap_or_else(Extractor::whole));
        let paginator = retriever.download_paginator.clone();
        let is_spared = paginator.templates().iter().all(|template| selector.spares(template));
        Ok(Self {
            form: Form { reader, is_spared },
            requester: retriever.download.clone(),
            selector,
            paginator,
            reduction: None,
            reset: None,
            splitting: None,
            skips_slicer_on_pages: true,
            is_data_feed: false,
            is_cached: false,
        })
    }
}

fn job(run: &Run<'_>, retriever: &AsyncRetriever) -> Result<Job, ReadFailure> {
    let map = &retriever.statuses;
    let statuses = [
        (&map.running, JobStatus::Running),
        (&map.completed, JobStatus::Completed),
        (&map.failed, JobStatus::Failed),
        (&map.timeout, JobStatus::TimedOut),
        (&map.skipped, JobStatus::Skipped),
    ];
    let statuses =
        statuses.into_iter().flat_map(|(words, status)| words.iter().map(move |word| (word.clone(), status)));
    let minute = Duration::from_secs(60);
    Ok(Job {
        creation: retriever.creation.clone(),
        polling: retriever.polling.clone(),
        targets: retriever.target.clone(),
        abort: retriever.abort.clone(),
        delete: retriever.delete.clone(),
        status: retriever.status.clone(),
        target: retriever.targets.clone(),
        statuses: statuses.collect(),
        decoder: retriever.decoder.clone(),
        download: Pager::of_download(retriever)?,
        selector: retriever.selector.clone(),
        timeout: time(run, "polling_job_timeout", retriever.job_timeout.as_ref(), minute)?.unwrap_or(JOB_TIMEOUT),
        failed_wait: time(
            run,
            "failed_retry_wait_time_in_seconds",
            retriever.retry_wait.as_ref(),
            Duration::from_secs(1),
        )?,
    })
}

/// A whole number of `unit`s.
fn time(
    run: &Run<'_>,
    field: &str,
    setting: Option<&Setting>,
    unit: Duration,
) -> Result<Option<Duration>, ReadFailure> {
    let Some(setting) = setting else { return Ok(None) };
    let config = run.client.config();
    let value = setting.value(&Seen::default().scope(&config, run.client.now()))?;
    let number = match &value {
        Json::Number(number) => number.as_u64(),
        Json::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let time = number.and_then(|number| unit.checked_mul(u32::try_from(number).ok()?));
    match time.filter(|time| *time <= JOB_TIME_MAX) {
        Some(time) => Ok(Some(time).filter(|time| !time.is_zero())),
        None => Err(ReadFailure::config("template_kind", format!("'{field}' must be a whole number, at most a week"))),
    }
}

impl From<Problem> for ReadFailure {
    fn from(problem: Problem) -> Self {
        Self::system("manifest_invalid", problem.to_string())
    }
}

impl ReadStream {
    /// The whole of a list that the source cut short in a record.
    pub async fn fetch_rest(
        &self,
        run: &Run<'_>,
        slice: &connectors::manifest::slice::Slice,
        parent: &Json,
    ) -> Result<Vec<Json>, ReadFailure> {
        let Some(lists) = &self.lists else { return Ok(Vec::new()) };
        let Json::Object(fields) = json!({ "parent_record": parent }) else { return Ok(Vec::new()) };
        let mut partition = slice.partition().clone();
        partition.extend(fields);
        lists.all_records(run, connectors::manifest::slice::Slice::of(partition)).await
    }
}
