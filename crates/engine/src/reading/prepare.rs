//! Makes the streams of a manifest ready to be read: with their parents, the retrievers that help them, and their schemas.

use std::sync::Arc;
use std::time::Duration;

use connectors::manifest::cursor::IncrementalSync;
use connectors::manifest::decode::Table;
use connectors::manifest::node::{Node, Read};
use connectors::manifest::properties::PropertyList;
use connectors::manifest::schema::{Given, Needs, Schema};
use connectors::manifest::select::{Download, Extractor, Selector};
use connectors::manifest::setting::Setting;
use connectors::manifest::state::{Choice, Reader as Ways, StreamState, choose};
use connectors::manifest::stream::{
    AsyncRetriever, DeclarativeStream, PrimaryKey, Retriever, SimpleRetriever, Stream,
};
use serde_json::Value as Json;

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
/// Longest time that a manifest may give a job.
const JOB_TIMEOUT_MAX: Duration = Duration::from_secs(7 * 86_400);

impl ReadStream {
    /// A stream with all that reading it takes. `state` decides about a stream with two ways to be read.
    pub fn prepare(
        run: &Run<'_>,
        stream: &Stream,
        state: &Json,
        circumstances: Circumstances,
    ) -> Result<Self, ReadFailure> {
        let declared = chosen(run, stream, state)?;
        Self::of(run, &declared, circumstances, 0)
    }

    /// A retriever that no stream is made of: it lists values, or fetches what a record lacks.
    pub fn helper(run: &Run<'_>, name: &str, retriever: Retriever, is_shared: bool) -> Result<Self, ReadFailure> {
        let declared = DeclarativeStream::helper(name, retriever);
        Self::of(run, &Arc::new(declared), Circumstances { is_shared, ..Circumstances::default() }, 1)
    }

    fn of(
        run: &Run<'_>,
        declared: &Arc<DeclarativeStream>,
        circumstances: Circumstances,
        depth: usize,
    ) -> Result<Self, ReadFailure> {
        if depth > PARENTS_DEPTH_MAX {
            let message = format!("{} has more than {PARENTS_DEPTH_MAX} parents of parents", declared.name);
            return Err(ReadFailure::system("parents_too_deep", message));
        }
        let mut parents = Vec::new();
        for parent in declared.router().into_iter().flat_map(|router| router.parents()) {
            let stream = Stream::read(&parent.stream).map_err(|problem| unreadable(&problem))?;
            let way = chosen(run, &stream, &Json::Null)?;
            let shared = Circumstances { is_shared: depth == 0, ..Circumstances::default() };
            parents.push((Arc::clone(parent), Self::of(run, &way, shared, depth + 1)?));
        }
        let way = match &declared.retriever {
            Retriever::Simple(retriever) => {
                Way::Pages(Box::new(Pager::of(retriever, declared, circumstances.is_shared)))
            }
            Retriever::Async(retriever) => Way::Job(Box::new(job(run, retriever)?)),
        };
        let (lists, properties) = helpers(run, declared, depth)?;
        let name: Arc<str> = declared.name.as_str().into();
        let (schema, declared) = (Schema::default(), Arc::clone(declared));
        Ok(Self { name, declared, schema, way, parents, circumstances, lists, properties })
    }
}
