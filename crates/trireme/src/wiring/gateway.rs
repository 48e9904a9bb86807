//! A running gateway: store, engine and HTTP face, put together from checked settings.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use api::{App, FirstKey, FirstKeyError, FirstKeyPlan};
use dashboard::Desk;
use data_encoding::HEXLOWER;
use domain::Tenant;
use domain::audit::{Outcome as Ended, Who, WhoKind};
use domain::identity::Digest;
use engine::access::Access;
use engine::audit::{Act, Told};
use engine::clock::{Elapsed, SharedClock, timeout};
use engine::entropy::{SharedEntropy, SystemEntropy};
use engine::nodes::{FileStanding, Identity, LEASE, MayGo, may_go_by, now_goes_by, of_cluster};
use engine::spec::{Secret, Specs};
use engine::topology::{self, SpecError};
use engine::transport::{HttpTransport, PoolLimits, TransportOptions};
use engine::vault::Vault;
use engine::{Engine, EngineError, Parts};
use store::keep::Retention;
use store::{Store, StoreError};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::descriptors::Descriptors;
use super::egress::{Allowed, TenantPolicies};
use super::listeners::{Listener, Role};
use crate::exit::{Exit, Failure, Outcome};

/// What a configuration says, as values.
pub struct Settings {
    pub specs: Specs,
    pub egress: Allowed,
    pub retention: Retention,
    pub api: api::Settings,
    /// Ingest stops when less than this is free.
    pub disk_reserve_bytes: u64,
    /// What this process is called among those that share its store.
    pub node: String,
    /// Of the configuration, to tell whether nodes have the same.
    pub file: Digest,
    /// Whether that counts for all nodes, although others go by another.
    pub apply: bool,
}

/// What only a start takes over.
struct FromStart {
    retention: Retention,
    api: api::Settings,
    disk_reserve_bytes: u64,
}

impl FromStart {
    fn of(settings: &Settings) -> Self {
        let Settings { retention, api, disk_reserve_bytes, .. } = settings;
        Self { retention: *retention, api: api.clone(), disk_reserve_bytes: *disk_reserve_bytes }
    }

    fn public_url(&self) -> Option<Arc<str>> {
        self.api.public_url.as_ref().map(|url| url.as_str().trim_end_matches('/').into())
    }

    /// The keys of the file that say something else now.
    fn changed_in(&self, settings: &Settings) -> Vec<&'static str> {
        let now = Self::of(settings);
        let limits = self.api.limits != now.api.limits || self.disk_reserve_bytes != now.disk_reserve_bytes;
        let spec = |api: &api::Settings| api.model.as_ref().map(|model| model.spec().clone());
        let keys = [
            ("public_url", self.api.public_url != now.api.public_url),
            ("trusted_proxies", self.api.trusted_proxies != now.api.trusted_proxies),
            ("limits", limits),
            ("retention", self.retention != now.retention),
            ("explain", spec(&self.api) != spec(&now.api)),
        ];
        keys.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key).collect()
    }
}

impl Settings {
    /// Says everything that could not run, before anything is touched.
    pub fn check(&self) -> Outcome {
        let policies = TenantPolicies::new(&self.egress, Vec::new());
        let compiled = topology::compile(&self.specs, &policies, None);
        compiled.map(|_| ()).map_err(|errors| specs_failure(&errors))
    }
}

/// How long after the store was away all nodes that live have said so again: they beat three times in a lease. A stop waits
/// for a configuration that is being taken over, so it is not longer.
const BEATEN_AGAIN: Duration = Duration::from_secs(LEASE.as_secs() / 3 + 1);

/// What is around the settings: made before, from the data folder.
pub struct Foundation {
    pub store: Arc<dyn Store>,
    pub listeners: Vec<Listener>,
    pub vault: Vault,
    pub clock: SharedClock,
    /// Value of `TRIREME_ADMIN_KEY`.
    pub admin_key: Option<Secret>,
}

pub struct Gateway {
    pub engine: Engine,
    pub clock: SharedClock,
    /// The same sockets that the HTTP face serves, to be handed over.
    pub listeners: Vec<Listener>,
    pub first_key: FirstKey,
    policies: Arc<TenantPolicies>,
    from_start: FromStart,
    /// Which configuration this node goes by.
    file: Arc<FileStanding>,
    stop: CancellationToken,
    serving: JoinHandle<usize>,
}

impl Gateway {
    /// Puts everything together and begins to serve.
    pub async fn start(foundation: Foundation, mut settings: Settings) -> Outcome<Self> {
        // Before anything that counts: what is counted without it is lost.
        let metrics =
            api::telemetry::install_metrics().map_err(|error| Failure::general("metrics", error.to_string()))?;
        let Foundation { store, listeners, vault, clock, admin_key } = foundation;
        let entropy: SharedEntropy = SystemEntropy::shared();
        let from_start = FromStart::of(&settings);
        let sockets_max = Descriptors::raise(settings.api.limits.connections_max);
        settings.api.limits.connections_max = sockets_max.inbound;
        let address = listeners.first().map(|listener| listener.address.to_string()).unwrap_or_default();
        let node = Identity { name: settings.node.as_str().into(), address: address.into(), ..Identity::default() };
        let file = Arc::clone(&node.file);
        file.goes_by(settings.file);
        let own = listeners.iter().map(|listener| listener.address).collect();
        let policies = Arc::new(TenantPolicies::new(&settings.egress, own));
        let transport = TransportOptions { pool: PoolLimits::of(sockets_max.idle), ..TransportOptions::default() };
        let transport = HttpTransport::new(SharedClock::clone(&clock), transport)
            .map_err(|error| Failure::general("tls_setup", error.to_string()))?;
        let engine = Engine::start(Parts {
            store,
            clock: SharedClock::clone(&clock),
            entropy: SharedEntropy::clone(&entropy),
            transport: Arc::new(transport),
            policies: Arc::<TenantPolicies>::clone(&policies),
            vault: Arc::new(vault),
            retention: settings.retention,
            in_flight_max: sockets_max.outbound,
            node,
        });
        engine.configure_by(settings.specs, who_is(settings.file)).await.map_err(|error| engine_failure(&error))?;
        engine.resume_replays().await.map_err(|error| engine_failure(&error))?;
        // Last of what can fail: a key that was made and never shown is lost.
        let first_key = open_with_key(&engine, admin_key.as_ref(), &entropy).await?;
        let access = Arc::new(Access::new(Arc::clone(engine.store()), SharedClock::clone(&clock)));
        let pages = dashboard::router(desk(&engine, &access, &settings.api));
        let app = App::with_pages(engine.clone(), access, settings.api, Some(metrics), Some(pages));
        let stop = CancellationToken::new();
        let serving = tokio::spawn(api::serve(app, sockets(&listeners)?, stop.clone()));
        Ok(Self { engine, clock, listeners, first_key, policies, from_start, file, stop, serving })
    }

    /// Reads the file again and takes it over. An invalid one changes nothing, and is told whole.
    pub async fn reload(&self, path: &Path, read: &dyn Fn(&Path) -> Outcome<Settings>) {
        let mut settings = match read(path) {
            Ok(settings) => settings,
            Err(failure) => {
                tracing::error!(code = failure.code, "the configuration was not taken over:\n{}", failure.message);
                self.was_not_taken(Who::new(WhoKind::File, ""), &failure.code).await;
                return;
            }
        };
        if !self.may_take_over(&settings).await {
            return;
        }
        let waiting = self.from_start.changed_in(&settings);
        // Senders are told another address only by a process that takes what comes there.
        settings.specs.public_url = self.from_start.public_url();
        let before = self.policies.replace(&settings.egress);
        let (specs, who) = (settings.specs, who_is(settings.file));
        // What the nodes go by already is refused by none of them.
        let as_others = matches!(of_cluster(&**self.engine.store()).await, Ok(Some(theirs)) if theirs == settings.file);
        let taken = match as_others {
            true => self.engine.configure_as_others(specs, who).await,
            false => self.engine.configure_by(specs, who).await,
        };
        match taken {
            Ok(()) => {
                self.says_what_it_goes_by(settings.file).await;
                tracing::info!(file = %path.display(), "the configuration was taken over");
                if !waiting.is_empty() {
                    let keys = waiting.join(", ");
                    tracing::warn!(keys, "these keys were changed, and count only from the next start");
                }
            }
            Err(error) => {
                self.policies.restore(before);
                // It may be that all others go by it.
                self.look_at_cluster().await;
                let failure = engine_failure(&error);
                tracing::error!(code = failure.code, "the configuration was not taken over: {}", failure.message);
            }
        }
    }

    /// Whether this node may go by what its file says now; why not is told.
    async fn may_take_over(&self, settings: &Settings) -> bool {
        let (store, own) = (&**self.engine.store(), self.engine.owner());
        let ask = async || {
            let may = may_go_by(store, settings.file, settings.apply, own, self.clock.now()).await;
            may.map_err(|error| Failure::new(Exit::Store, error.code(), error.to_string()))
        };
        let may = match settings.check() {
            Ok(()) => match ask().await {
                // After the store was away for all of them, those who live have beaten again by then.
                Ok(MayGo::IfTheyStayAway) => {
                    self.clock.sleep(BEATEN_AGAIN).await;
                    ask().await
                }
                may => may,
            },
            Err(failure) => Err(failure),
        };
        match may {
            Ok(MayGo::Yes | MayGo::IfTheyStayAway) => return true,
            Ok(MayGo::No) => {
                self.file.falls_behind();
                tracing::error!(
                    event = "file_waits",
                    "the configuration was not taken over: the nodes go by another one. Start one node with --apply"
                );
                self.was_not_taken(who_is(settings.file), "file_waits").await;
            }
            Err(failure) => {
                tracing::error!(code = failure.code, "the configuration was not taken over:\n{}", failure.message);
                self.was_not_taken(who_is(settings.file), &failure.code).await;
            }
        }
        false
    }

    /// Nothing was changed; that somebody wanted it to is worth knowing all the same.
    async fn was_not_taken(&self, file: Who, code: &str) {
        self.engine.audit().record_file_not_taken(file, code).await;
    }

    /// This node runs with a file: now it is the one that all go by.
    async fn says_what_it_goes_by(&self, file: Digest) {
        self.file.goes_by(file);
        if let Err(error) = now_goes_by(&**self.engine.store(), file).await {
            self.file.falls_behind();
            tracing::error!(code = error.code(), "the other nodes could not be told of this configuration: {error}");
        }
    }

    /// Says so if the nodes go by another file than this one.
    async fn look_at_cluster(&self) {
        if let Ok(Some(theirs)) = of_cluster(&**self.engine.store()).await
            && self.file.digest() != Some(theirs)
        {
            self.file.falls_behind();
        }
    }

    /// Another node made another configuration the one that all go by: if that is what our file says by now, it is
    /// taken over; else this node goes on with what it has, and says so.
    pub async fn follow(&self, path: &Path, read: &dyn Fn(&Path) -> Outcome<Settings>) {
        let Ok(Some(theirs)) = of_cluster(&**self.engine.store()).await else { return };
        if self.file.digest() == Some(theirs) {
            return self.file.goes_by(theirs);
        }
        if read(path).is_ok_and(|settings| settings.file == theirs) {
            return self.reload(path, read).await;
        }
        if !self.file.differs() {
            tracing::warn!(
                event = "file_differs",
                "the nodes go by another configuration than this one has: it goes on with the one it had"
            );
        }
        self.file.falls_behind();
    }

    /// Lets go of the sockets that are kept for a successor: nobody is to wait in them for a process that ends.
    pub fn close_sockets(&mut self) {
        self.listeners.clear();
    }

    /// Accepts no more, and waits for the answers of what is in. Gives how many connections had to be cut.
    pub async fn stop_serving(&mut self, limit: Duration) -> usize {
        self.stop.cancel();
        // Live tails would last for ever; they end with the engine's own word.
        self.engine.stopping().cancel();
        match timeout(&*self.clock, limit, &mut self.serving).await {
            Ok(cut) => cut.unwrap_or_default(),
            Err(Elapsed) => {
                self.serving.abort();
                0
            }
        }
    }
}

/// The configuration, as the audit log names it.
fn who_is(file: Digest) -> Who {
    Who::new(WhoKind::File, HEXLOWER.encode(&file.0))
}

/// Makes sure that there is a key. What is made or revoked for it is written down first; the first key is shown once, so
/// once it is made nothing may fail.
async fn open_with_key(engine: &Engine, given: Option<&Secret>, entropy: &SharedEntropy) -> Outcome<FirstKey> {
    let (store, now) = (&**engine.store(), engine.clock().now());
    let plan = FirstKeyPlan::new(store, given.map(Secret::expose), &**entropy, now).await.map_err(key_failure)?;
    let by = if given.is_some() { "given by TRIREME_ADMIN_KEY" } else { "the first key" };
    let tenant = Tenant::default_tenant();
    let mut begun = Vec::new();
    for (action, key) in plan.deeds() {
        let act = Act::by_system(action, format!("key/{key}")).saying(by);
        begun.push(engine.audit().begin(&tenant, act).await.map_err(|error| store_failure(&error))?);
    }
    let first = plan.carry_out(store, now).await;
    let outcome = if first.is_ok() { Ended::Done } else { Ended::Failed };
    for begun in begun {
        engine.audit().end(begun, outcome, Told::default()).await;
    }
    first.map_err(key_failure)
}

fn store_failure(error: &StoreError) -> Failure {
    Failure::new(Exit::Store, error.code(), error.to_string())
}

/// What the dashboard stands on: the same engine and keys as the API.
fn desk(engine: &Engine, access: &Arc<Access>, settings: &api::Settings) -> Desk {
    let https = settings.public_url.as_ref().is_some_and(|url| url.scheme() == "https");
    let public_url = settings.public_url.as_ref().map(|url| url.as_str().trim_end_matches('/').to_owned());
    Desk { engine: engine.clone(), access: Arc::clone(access), public_url, https, model: settings.model.clone() }
}

/// The sockets as the HTTP face wants them, each a second handle of the one that is kept.
fn sockets(listeners: &[Listener]) -> Outcome<api::Listeners> {
    let mut sockets = api::Listeners::default();
    for listener in listeners {
        let shared = listener.share().and_then(|shared| TcpListener::from_std(shared.socket));
        let shared = shared.map_err(|error| Failure::general("listen", error.to_string()))?;
        match listener.role {
            Role::Main => sockets.api.push(shared),
            Role::Ingest => sockets.ingest.push(shared),
        }
    }
    Ok(sockets)
}

fn key_failure(error: FirstKeyError) -> Failure {
    match &error {
        FirstKeyError::NotAKey | FirstKeyError::NameTaken(_) => Failure::usage(error.to_string()),
        FirstKeyError::Store(store) => Failure::new(Exit::Store, store.code(), error.to_string()),
    }
}

/// Why a configuration cannot run, all reasons at once.
fn engine_failure(error: &EngineError) -> Failure {
    match error {
        EngineError::Specs(errors) => specs_failure(errors),
        EngineError::Definition(report) => {
            let lines: Vec<_> = report.findings.iter().map(|one| format!("{}: {}", one.pointer, one.message)).collect();
            Failure::new(Exit::Usage, error.code(), format!("an object of the API: {}", lines.join("\n")))
        }
        EngineError::Store(store) => Failure::new(Exit::Store, store.code(), error.to_string()),
        _ => Failure::new(Exit::Usage, error.code(), error.to_string()),
    }
}

fn specs_failure(errors: &[SpecError]) -> Failure {
    let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
    Failure::new(Exit::Usage, "configuration_invalid", lines.join("\n"))
}
