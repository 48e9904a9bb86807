//! A stream that is ready to be read.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use connectors::manifest::cursor::{Cursor, IncrementalSync, OpenSlice, add_slice};
use connectors::manifest::page::{PageSizeReduction, PaginationReset, Paginator, RequestWindowSplitting};
use connectors::manifest::partition::Parent;
use connectors::manifest::request::{Additions, Requester};
use connectors::manifest::schema::Schema;
use connectors::manifest::scope::Scope;
use connectors::manifest::select::Selector;
use connectors::manifest::slice::Slice;
use connectors::manifest::state::StreamState;
use connectors::manifest::stream::DeclarativeStream;
use connectors::manifest::trouble::Trouble;
use futures_util::future::BoxFuture;
use serde_json::Value as Json;

use super::body::Form;
use super::conditions::Conditions;
use super::failure::ReadFailure;
use super::job::{Job, unwatched};
use super::partitions::Partitions;
use super::run::Run;
use super::seen::Seen;
use super::slice::SliceReading;
use super::told::Place;

/// Records that a helper reads: they are held at once, so there is an end to them.
const HELPER_RECORDS_MAX: usize = 1_000_000;

/// What is known of the stream beside its declaration.
#[derive(Clone, Debug, Default)]
pub(super) struct Circumstances {
    /// The cursor field that the catalog names.
    pub catalog_field: Vec<String>,
    /// The schema that the catalog asks for.
    pub wanted_schema: Option<Json>,
    /// Its answers are asked for again by others.
    pub is_shared: bool,
    /// How much of what was read before is read again at least; `None`: as the format has it.
    pub overlap: Option<Duration>,
    /// Of its pages; those of its helpers are asked for in full.
    pub conditions: Option<Arc<Conditions>>,
    /// Where a slice goes on that was begun before.
    pub within: Option<Place>,
    pub tells_place: bool,
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

    /// The stream's cursor, and the state that it begins with in today's shape.
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
        let (sync, router, overlap) = (self.sync(), self.declared.router(), self.circumstances.overlap);
        let cursor = Cursor::begin_overlapping(sync, router, &state, &scope, field, overlap)?;
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

    /// The names of the stream and of all its parents.
    pub fn names<'a>(&'a self, names: &mut BTreeSet<&'a str>) {
        names.insert(&self.name);
        self.parents.iter().for_each(|(_, parent)| parent.names(names));
    }

    /// All records of all partitions with where they come from, for those that are few.
    pub async fn all_partitions(&self, run: &Run<'_>) -> Result<Vec<(Json, Slice)>, ReadFailure> {
        let mut partitions = Partitions::new(run, self, &StreamState::default())?;
        let mut all = Vec::new();
        while let Some(found) = partitions.next().await? {
            let records = self.all_records(run, found.partition.clone()).await?;
            all.extend(records.into_iter().map(|record| (record, found.partition.clone())));
        }
        Ok(all)
    }

    /// All records of one slice, for those that are few.
    pub async fn all_records(&self, run: &Run<'_>, slice: Slice) -> Result<Vec<Json>, ReadFailure> {
        let mut all = Vec::new();
        self.each(run, slice, &mut |records| {
            all.extend(records);
            all.len() <= HELPER_RECORDS_MAX
        })
        .await?;
        if all.len() > HELPER_RECORDS_MAX {
            let message = format!("{} lists more than {HELPER_RECORDS_MAX} values", self.name);
            return Err(ReadFailure::system("helper_too_large", message));
        }
        Ok(all)
    }

    /// The first record of one slice; no more pages are asked for than it takes.
    pub async fn first_record(&self, run: &Run<'_>, slice: Slice) -> Result<Option<Json>, ReadFailure> {
        let mut first = None;
        self.each(run, slice, &mut |records| {
            first = records.into_iter().next();
            first.is_none()
        })
        .await?;
        Ok(first)
    }

    /// Asks for records of a slice until there is one.
    pub async fn probe(&self, run: &Run<'_>, open: &mut OpenSlice) -> Result<(), ReadFailure> {
        let mut reading = SliceReading::new(run, self, open)?;
        while let Some(records) = reading.next(open).await? {
            if !records.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Hands the records of a slice over, page by page, as long as they are wanted. Boxed, because reading a record may
    /// take a helper of its own.
    fn each<'a>(
        &'a self,
        run: &'a Run<'_>,
        slice: Slice,
        take: &'a mut (dyn FnMut(Vec<Json>) -> bool + Send),
    ) -> BoxFuture<'a, Result<(), ReadFailure>> {
        Box::pin(async move {
            let mut open = unwatched(run, slice)?;
            let mut reading = SliceReading::new(run, self, &open)?;
            while let Some(records) = reading.next(&mut open).await? {
                if !take(records) {
                    break;
                }
            }
            Ok(())
        })
    }
}
