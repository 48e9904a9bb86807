//! A stream made ready to be read: its parents found, its schema at hand, its way of reading chosen.

use std::sync::Arc;
use std::time::Duration;

use connectors::manifest::cursor::{Cursor, IncrementalSync, add_slice};
use connectors::manifest::decode::Decoder;
use connectors::manifest::page::{PageSizeReduction, PaginationReset, Paginator, RequestWindowSplitting};
use connectors::manifest::partition::Parent;
use connectors::manifest::request::{Additions, Requester};
use connectors::manifest::schema::Schema;
use connectors::manifest::scope::Scope;
use connectors::manifest::select::{Download, Selector};
use connectors::manifest::setting::Setting;
use connectors::manifest::slice::Slice;
use connectors::manifest::state::StreamState;
use connectors::manifest::stream::{AsyncRetriever, DeclarativeStream, Retriever, SimpleRetriever};
use connectors::manifest::trouble::Trouble;
use serde_json::Value as Json;

use super::body::{Body, Form};
use super::failure::ReadFailure;
use super::job::{Job, JobStatus};
use super::run::Run;
use super::seen::Seen;

/// How long a job may take where the manifest says nothing.
const JOB_TIMEOUT: Duration = Duration::from_secs(60 * 60);
/// Longest time that a manifest may give a job.
const JOB_TIMEOUT_MAX: Duration = Duration::from_secs(7 * 86_400);

/// What is known of the stream beside its declaration.
#[derive(Clone, Debug, Default)]
pub(super) struct Circumstances {
    /// The cursor field that the catalog names.
    pub catalog_field: Vec<String>,
    /// The schema that the catalog asks for.
    pub wanted_schema: Option<Json>,
    /// Its answers are asked for again, by its children or by itself.
    pub is_shared: bool,
}

pub(super) struct ReadStream {
    pub name: Arc<str>,
    pub declared: Arc<DeclarativeStream>,
    pub schema: Schema,
    pub way: Way,
    pub parents: Vec<(Arc<Parent>, ReadStream)>,
    pub circumstances: Circumstances,
    /// What fetches the lists that the source cuts short.
    pub lists: Option<Box<ReadStream>>,
    /// What tells the properties to ask for.
    pub properties: Option<Box<ReadStream>>,
}

pub(super) enum Way {
    Pages(Box<Pager>),
    Job(Box<Job>),
}

/// How pages are asked for and read.
pub(super) struct Pager {
    pub requester: Requester,
    pub form: Form,
    pub selector: Selector,
    pub paginator: Paginator,
    pub reduction: Option<PageSizeReduction>,
    pub reset: Option<PaginationReset>,
    pub splitting: Option<RequestWindowSplitting>,
    /// Only the first page is asked for with what partition and cursor put into requests.
    pub skips_slicer_on_pages: bool,
    pub is_data_feed: bool,
    pub is_cached: bool,
}

impl ReadStream {
    pub fn sync(&self) -> Option<&IncrementalSync> {
        self.declared.sync.as_ref()
    }

    /// The stream's cursor and the state that it begins with, in today's shape.
    pub fn cursor(&self, run: &Run<'_>, state: Json) -> Result<(Cursor, StreamState), ReadFailure> {
        let config = run.client.config();
        let scope = Seen::default().scope(&config, run.client.now());
        let mut state = StreamState::from_json(state).ok_or_else(|| {
            ReadFailure::config("state_shape", format!("the state of {} is not an object", self.name))
        })?;
        for migration in &self.declared.state_migrations {
            state = migration.migrate(state, &scope)?;
        }
        let field = &self.circumstances.catalog_field;
        let cursor = Cursor::begin(self.sync(), self.declared.router(), &state, &scope, field)?;
        Ok((cursor, state))
    }

    /// The field that the cursor looks at.
    pub fn cursor_field(&self, config: &Json, now: jiff::Timestamp) -> Result<Option<String>, ReadFailure> {
        let scope = Seen::default().scope(config, now);
        let field = self.sync().map(|sync| sync.field(&scope, &self.circumstances.catalog_field)).transpose()?;
        Ok(field.map(|field| field.to_string()))
    }

    pub fn add_slice(&self, slice: &Slice, scope: &Scope<'_>, additions: &mut Additions) -> Result<(), Trouble> {
        add_slice(self.declared.router(), self.sync(), slice, scope, additions)
    }
}

impl Pager {
    pub fn of(retriever: &SimpleRetriever, stream: &DeclarativeStream, is_shared: bool) -> Self {
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
}
