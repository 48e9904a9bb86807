//! One source with one configuration: what can be read of it, whether that works, and the reading.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use connectors::manifest::node::Read as _;
use connectors::manifest::request::additions::Hosts as AllowedHosts;
use connectors::manifest::slice::Slice;
use connectors::manifest::source::Source;
use connectors::manifest::stream::{Stream, Values};
use domain::Purpose;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::Value as Json;
use tokio::sync::Semaphore;

use super::asked::CallSink;
use super::cache::Cache;
use super::client::{Client, Pace};
use super::conditions::Conditions;
use super::failure::{Blame, ReadFailure};
use super::hosts::Hosts;
use super::learned::Learned;
use super::read::{Ended, read};
use super::run::{Occasion, Run};
use super::seen::Seen;
use super::stream::{Circumstances, ReadStream};
use super::told::{Closed, ConfigWriter, Listener, Place, Standing, Told};
use super::wire::Wire;
use crate::budget::Purse;
use crate::clock::SharedClock;
use crate::entropy::SharedEntropy;
use crate::transport::{EgressPolicy, Transport};

/// Most streams of a source, those made from templates included.
const STREAMS_MAX: usize = 10_000;
/// Slices that are read at once at most, whatever the manifest says.
const LEVEL_MAX: u64 = 64;
/// Jobs that a source runs for us at once, where the manifest says nothing.
const JOBS_DEFAULT: usize = 1;

/// Reads a file of the manifest's package by its path there.
pub type Files = Arc<dyn Fn(&str) -> Option<Vec<u8>> + Send + Sync>;

/// What reading takes from the outside.
pub struct Outside {
    pub transport: Arc<dyn Transport>,
    pub policy: Arc<EgressPolicy>,
    pub hosts: Hosts,
    pub clock: SharedClock,
    pub entropy: SharedEntropy,
    pub calls: Arc<dyn CallSink>,
    /// `None`: what is asked costs nobody anything.
    pub purse: Option<Purse>,
    pub writer: Arc<dyn ConfigWriter>,
    /// What whoever tells of the reading has to leave out of it.
    pub learned: Arc<Learned>,
    pub files: Files,
}

/// A stream that is to be read.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub name: String,
    /// Where it goes on; null for the beginning.
    pub state: Json,
    /// The cursor field that the catalog names, if it names one.
    pub cursor_field: Vec<String>,
    /// The schema that the catalog asks for.
    pub schema: Option<Json>,
    /// How much of what was read before is read again at least; `None`: as the format has it.
    pub overlap: Option<Duration>,
    /// `None`: everything is asked for in full.
    pub conditions: Option<Arc<Conditions>>,
    /// A slice that was begun goes on there.
    pub within: Option<Place>,
    /// Where a slice would go on is told with its pages.
    pub tells_place: bool,
}

/// Reads one source with one configuration, as often as it is asked to: its tokens and its budget are kept between runs.
pub struct Reader {
    source: Arc<Source>,
    pub(super) client: Client,
    level: usize,
    /// The source's own count: it does not matter who of ours began a job.
    jobs: Arc<Semaphore>,
    /// Runs that were begun.
    runs: AtomicU64,
    groups: OnceLock<Groups>,
    files: Files,
    /// Streams that others take their partitions from.
    shared: BTreeSet<String>,
    allowed_hosts: AllowedHosts,
}

/// A stream by its name, and the template that it was made from, if it was.
pub(super) struct Named {
    pub name: String,
    pub stream: Result<Stream, ReadFailure>,
    pub template: Option<String>,
}

impl Reader {
    /// `config` is the owner's, already migrated and transformed as the manifest has it.
    pub fn new(source: Arc<Source>, config: Arc<Json>, outside: Outside) -> Result<Self, ReadFailure> {
        let now = super::timestamp(outside.clock.now());
        let scope = Seen::default().scope(&config, now);
        let level = match &source.concurrency {
            Some(concurrency) => concurrency.level(&scope).map_err(|problem| {
                ReadFailure::config("concurrency_level", format!("the manifest's concurrency_level: {problem}"))
            })?,
            None => connectors::manifest::source::CONCURRENCY_DEFAULT,
        };
        let jobs = source.jobs_max()?.map(|most| most.value(&scope)).transpose()?;
        let jobs = jobs.as_ref().and_then(Json::as_u64).and_then(|most| usize::try_from(most).ok());
        let budget = source.budget()?.map(|plan| plan.open(&scope)).transpose()?;
        let Outside { transport, policy, hosts, clock, entropy, calls, purse, writer, learned, files } = outside;
        let allowed_hosts = hosts.listed();
        let wire = Wire { transport, policy, hosts, clock, calls, purse };
        let client = Client::new(wire, Pace::of(budget), entropy, (writer, learned), config);
        let level = usize::try_from(level.clamp(1, LEVEL_MAX)).unwrap_or(1);
        let shared = source.parent_names();
        let jobs = Arc::new(Semaphore::new(jobs.unwrap_or(JOBS_DEFAULT).clamp(1, Semaphore::MAX_PERMITS)));
        let (runs, groups) = (AtomicU64::new(0), OnceLock::new());
        Ok(Self { source, client, level, jobs, runs, groups, files, shared, allowed_hosts })
    }

    #[must_use]
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// The configuration as it is now: rotated tokens change it.
    #[must_use]
    pub fn config(&self) -> Arc<Json> {
        self.client.config()
    }

    pub(super) fn run<'r>(&'r self, purpose: Purpose, listener: &'r dyn Listener) -> Run<'r> {
        let number = self.runs.fetch_add(1, Ordering::Relaxed);
        Run {
            client: &self.client,
            occasion: Occasion { listener, purpose, sake: None, number, cache: Cache::default() },
            allowed_hosts: Arc::clone(&self.allowed_hosts),
            files: &*self.files,
            level: self.level,
            workers: Arc::new(Semaphore::new(self.level)),
            jobs: Arc::clone(&self.jobs),
            finders: Arc::new(Semaphore::new((self.level / 2).max(1))),
        }
    }

    /// Reads the streams, several at once, and says whether all were read whole. What fails is told as it fails.
    pub async fn read(&self, purpose: Purpose, wanted: Vec<Wanted>, listener: &dyn Listener) -> Result<bool, Closed> {
        let mut run = self.run(purpose, listener);
        if let [only] = &wanted[..] {
            run.occasion.sake = Some(only.name.as_str().into());
        }
        match self.read_all(&run, wanted).await {
            Ok(is_whole) => Ok(is_whole),
            Err(failure) if failure.is_closed() => Err(Closed),
            Err(failure) => {
                listener.tell(Told::Failed { stream: None, failure }).await?;
                Ok(false)
            }
        }
    }

    async fn read_all(&self, run: &Run<'_>, wanted: Vec<Wanted>) -> Result<bool, ReadFailure> {
        let names: BTreeSet<&str> = wanted.iter().map(|wanted| wanted.name.as_str()).collect();
        let mut known: BTreeMap<String, Named> =
            self.streams(run, Some(&names)).await?.into_iter().map(|named| (named.name.clone(), named)).collect();
        let groups = self.groups()?;
        let mut reading = FuturesUnordered::new();
        for wanted in wanted {
            match known.remove(&wanted.name) {
                Some(named) => reading.push(self.read_one(run, named, wanted, groups)),
                None => run.tell_standing(&wanted.name.as_str().into(), Standing::Incomplete).await?,
            }
        }
        let mut failed: BTreeMap<Arc<str>, Ended> = BTreeMap::new();
        while let Some(ended) = reading.next().await {
            let (name, ended) = ended?;
            if !ended.failures.is_empty() {
                failed.insert(name, ended);
            }
        }
        drop(reading);
        if failed.is_empty() {
            return Ok(true);
        }
        let told =
            failed.iter().flat_map(|(name, ended)| ended.failures.iter().map(move |why| format!("{name}: {why}")));
        let message = format!("these streams were not read whole: {}", told.collect::<Vec<_>>().join("; "));
        Err(ReadFailure::new(Blame::Config, "streams_incomplete", message))
    }

    async fn read_one(
        &self,
        run: &Run<'_>,
        named: Named,
        wanted: Wanted,
        groups: &Groups,
    ) -> Result<(Arc<str>, Ended), ReadFailure> {
        let name: Arc<str> = named.name.as_str().into();
        let finding = Arc::clone(&run.finders).acquire_owned().await;
        let finding = finding.map_err(|_| ReadFailure::system("run_over", "the run is over"))?;
        let circumstances = Circumstances {
            catalog_field: wanted.cursor_field,
            wanted_schema: wanted.schema,
            overlap: wanted.overlap,
            conditions: wanted.conditions,
            within: wanted.within,
            tells_place: wanted.tells_place,
            ..self.circumstances(&named.name)
        };
        run.tell_standing(&name, Standing::Started).await?;
        let prepared = match named.stream {
            Ok(stream) => prepared(run, &stream, &wanted.state, circumstances).await,
            Err(failure) => Err(failure),
        };
        let ended = match prepared {
            Ok((stream, state)) => {
                let _alone = groups.enter(&stream).await;
                read(run, &stream, state, finding).await?
            }
            Err(failure) if failure.is_closed() => return Err(failure),
            Err(failure) => {
                let ended = Ended { failures: BTreeSet::from([failure.message.clone()]) };
                run.tell_failed(&name, failure).await?;
                ended
            }
        };
        let standing = if ended.failures.is_empty() { Standing::Complete } else { Standing::Incomplete };
        run.tell_standing(&name, standing).await?;
        Ok((name, ended))
    }

    /// The streams that there are for this configuration, of those that are asked for. Templates are resolved only if
    /// a name is asked for that no written stream has.
    pub(super) async fn streams(
        &self,
        run: &Run<'_>,
        names: Option<&BTreeSet<&str>>,
    ) -> Result<Vec<Named>, ReadFailure> {
        let mut found = Vec::new();
        {
            let config = self.client.config();
            let scope = Seen::default().scope(&config, self.client.now());
            for declared in self.source.present(&scope)? {
                if names.is_none_or(|names| names.contains(declared.name.as_str())) {
                    let stream = Stream::read(&declared.node.afresh()).map_err(ReadFailure::from);
                    found.push(Named { name: declared.name.clone(), stream, template: None });
                }
            }
        }
        if names.is_none_or(|names| found.len() < names.len()) {
            for named in self.made_streams(run).await? {
                if names.is_none_or(|names| names.contains(named.name.as_str())) {
                    found.push(named);
                }
            }
        }
        Ok(found)
    }

    /// The streams that are made from templates.
    async fn made_streams(&self, run: &Run<'_>) -> Result<Vec<Named>, ReadFailure> {
        let mut made: Vec<Named> = Vec::new();
        let mut seen = BTreeSet::new();
        for definition in self.source.dynamic()? {
            let config = self.client.config();
            let values = definition.values(&Seen::default().scope(&config, self.client.now()), &config)?;
            let (values, is_config) = match values {
                Values::Known(values) => (values.into_iter().map(|values| (values, Slice::whole())).collect(), true),
                Values::Read(retriever) => {
                    let helper = ReadStream::helper(run, &definition.name, retriever.clone())?;
                    (helper.all_partitions(run).await?, false)
                }
            };
            for (values, slice) in values {
                let scope = Seen::slice(&slice).scope(&config, self.client.now());
                let node = definition.stream(&values, &scope)?;
                let stream = Stream::read(&node)?;
                let name = stream.name().to_owned();
                if !seen.insert(name.clone()) {
                    let blame = if is_config { Blame::Config } else { Blame::System };
                    let message = format!("two streams made from '{}' are named '{name}'", definition.name);
                    return Err(ReadFailure::new(blame, "stream_name_twice", message));
                }
                made.push(Named { name, stream: Ok(stream), template: Some(definition.name.clone()) });
                if made.len() > STREAMS_MAX {
                    let message = format!("the manifest makes more than {STREAMS_MAX} streams");
                    return Err(ReadFailure::system("streams_too_many", message));
                }
            }
        }
        Ok(made)
    }

    /// What is known of a stream that the catalog says nothing about.
    pub(super) fn circumstances(&self, name: &str) -> Circumstances {
        Circumstances { is_shared: self.shared.contains(name), ..Circumstances::default() }
    }

    fn groups(&self) -> Result<&Groups, ReadFailure> {
        if let Some(known) = self.groups.get() {
            return Ok(known);
        }
        let groups = self.source.groups()?.into_iter().map(|group| (group.streams, Arc::default()));
        Ok(self.groups.get_or_init(|| Groups(groups.collect())))
    }
}

/// A stream that is ready, and the state that it is read from.
pub(super) async fn prepared(
    run: &Run<'_>,
    stream: &Stream,
    state: &Json,
    circumstances: Circumstances,
) -> Result<(ReadStream, Json), ReadFailure> {
    let (mut stream, state) = ReadStream::prepare(run, stream, state, circumstances)?;
    stream.load_schemas(run).await?;
    Ok((stream, state))
}

/// Streams that must not be read at the same time, each group with the right to be the one.
struct Groups(Vec<(Vec<String>, Arc<tokio::sync::Mutex<()>>)>);

impl Groups {
    /// Waits until nobody else reads a stream of the groups of this stream and of its parents. They are entered in the
    /// order of the manifest, so that no two wait for each other.
    async fn enter(&self, stream: &ReadStream) -> Vec<tokio::sync::OwnedMutexGuard<()>> {
        let mut names = BTreeSet::new();
        stream.names(&mut names);
        let mut entered = Vec::new();
        for (members, turn) in &self.0 {
            if members.iter().any(|member| names.contains(member.as_str())) {
                entered.push(Arc::clone(turn).lock_owned().await);
            }
        }
        entered
    }
}
