//! What a seed stands for: the shop, its story, how the gateway is asked to read it, and when things go wrong.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use connectors::provider::{Catalogue, Recipe};
use domain::breaker::BreakerPolicy;
use domain::budget::{Allowance, Counting};
use domain::ordering::{OnDead, Ordering};
use domain::rate::Rate;
use domain::retry::{Backoff, RetryPolicy};
use domain::{ConnectionName, Tenant};
use engine::clock::SharedClock;
use engine::connector::{Connector, Named};
use engine::entropy::{SeededEntropy, SharedEntropy};
use engine::spec::{
    BodyMode, BudgetScope, BudgetSpec, ConnectionConfig, ConnectorSpec, DestinationSpec, EnrichSpec, EnrichWay,
    HttpSpec, OnEnrichError, OnStale, PollBudget, PollSpec, ReconcileSpec, RoleSecret, RouteSpec, Schedule, Secret,
    SourceSpec, Specs, Start, StreamSpec, Timeouts, WebhookSpec,
};
use store::registry::ManagedBy;

use super::BEFORE;
use crate::simulation::{Dice, SECRET};
use crate::upstream::oracle::Enriching;
use crate::upstream::{Deletes, Faults, Habits, Limit, Manifest, Object, SHOP, Script, SecretWay, Shop};

pub(super) const SOURCE: &str = "shop";

#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub habits: Habits,
    pub script: Script,
    pub manifest: Manifest,
    pub streams: BTreeMap<Arc<str>, StreamSpec>,
    /// The shop sends webhooks: to an address that its owner gave it, or
    pub hooks: bool,
    /// to the one that the gateway itself subscribes.
    pub subscribes: bool,
    /// The gateway is told what the shop allows; else it has to learn.
    pub tells_limit: bool,
    pub ordered: bool,
    /// Webhooks take their record along: because that was asked for, or because the shop's recipe says that they are thin.
    pub normalize: bool,
    pub thin: bool,
    /// A second destination gets everything with its order.
    pub enriching: Option<Enriching>,
    /// The gateway dies about once in so many verbs of its store.
    pub crash_about: Option<u64>,
    /// Of a hundred deliveries, how many go wrong.
    pub network_faults: u64,
    /// Of a thousand verbs, how many the store refuses.
    pub store_faults: u64,
}

impl Plan {
    /// Everything from one seed.
    #[must_use]
    pub fn of_seed(seed: u64) -> Self {
        let mut dice = Dice::new(seed ^ 0x0091_A400);
        let mut habits = Habits::of_seed(seed);
        let is_calm = dice.percent(25);
        if is_calm {
            habits.faults = Faults::default();
        }
        let quiet = BEFORE + Duration::from_secs(5);
        let span = Duration::from_secs(40 + dice.below(60));
        let script = Script::of_seed(seed, habits.accounts.len(), quiet, span, 3 + dice.below(14));
        let hooks = dice.percent(60);
        // Of two states of one tick nobody can say which one is fetched; and of two changes with one version, of which one
        // was told and the other lost, a reading alone tells nothing.
        let is_fine = habits.precision < Duration::from_secs(1);
        let mut records = Dice::new(seed ^ 0x00E2_71C4);
        let subscribes = hooks && is_fine && Dice::new(seed ^ 0x5B5C).percent(40);
        if subscribes {
            // A secret that the shop makes is not known to the gateway before the shop may use it.
            habits.subscriptions.secret = SecretWay::Given;
        }
        let (mut streams, manifest) = (streams(&mut dice, &habits, hooks), manifest(&mut dice, &habits));
        if subscribes {
            // What is lost while polls rest is found by nothing else.
            streams.values_mut().for_each(reconciled);
        }
        Self {
            seed,
            normalize: hooks && is_fine && records.percent(30),
            thin: hooks && is_fine && records.percent(30),
            enriching: records.percent(40).then(|| enriching(&mut records)),
            script,
            manifest,
            streams,
            hooks,
            subscribes,
            tells_limit: dice.percent(70),
            ordered: dice.percent(80),
            crash_about: (!is_calm && dice.percent(60)).then(|| 40 + dice.below(200)),
            network_faults: if is_calm { 0 } else { dice.below(40) },
            store_faults: if is_calm { 0 } else { dice.below(30) },
            habits,
        }
    }

    /// A shop that does everything well, and a gateway that is left alone; a test changes what it is about.
    #[must_use]
    pub fn plain(script: Script, streams: &[(&str, StreamSpec)]) -> Self {
        let habits = Habits::default();
        Self {
            seed: 1,
            manifest: Manifest::of(&habits),
            habits,
            script,
            streams: streams.iter().map(|(name, spec)| (Arc::from(*name), spec.clone())).collect(),
            hooks: false,
            subscribes: false,
            tells_limit: true,
            ordered: true,
            normalize: false,
            thin: false,
            enriching: None,
            crash_about: None,
            network_faults: 0,
            store_faults: 0,
        }
    }

    /// How long a state must stay to be seen by every poll; `None` where something may keep polls from it.
    pub(super) fn sight(&self) -> Option<Duration> {
        let calm = self.crash_about.is_none()
            && (self.network_faults, self.store_faults) == (0, 0)
            && self.habits.faults == Faults::default()
            && self.habits.limit.is_none();
        let slowest = self.streams.values().filter_map(interval).max()?;
        // A poll begins after the last one has ended, and takes a while.
        (calm && !self.subscribes && self.habits.deletes != Deletes::Absence)
            .then(|| slowest * 2 + Duration::from_secs(3))
    }

    pub(super) fn specs(&self, clock: &SharedClock) -> Specs {
        let accounts = || self.habits.accounts.iter().map(|name| name.parse::<ConnectionName>().expect("a name"));
        let webhook = self.hooks.then(|| WebhookSpec {
            provider: if self.thin { THIN.to_owned() } else { "standard-webhooks".to_owned() },
            secrets: if self.subscribes { Vec::new() } else { vec![signing()] },
            settings: BTreeMap::new(),
            dedupe_within: None,
            allow_from: None,
            reply: None,
        });
        let source = SourceSpec {
            tenant: Tenant::default_tenant(),
            name: SOURCE.parse().expect("a name"),
            managed_by: ManagedBy::File,
            webhook,
            publish: false,
            connections: accounts().map(|name| (name, Vec::new())).collect(),
            connector: Some(ConnectorSpec {
                normalize: self.normalize,
                subscribe: self.subscribes,
                name: "./shop.yaml".to_owned(),
                overrides: None,
                connector: Arc::new(connector(&self.manifest, clock)),
                configs: accounts().map(|name| (name.clone(), config(name.as_str()))).collect(),
                streams: self.streams.clone(),
                budget: self.habits.limit.filter(|_| self.tells_limit).map(budget),
            }),
        };
        Specs {
            alerting: Vec::new(),
            veils: Default::default(),
            catalogue: if self.thin { thin_catalogue() } else { Arc::default() },
            public_url: Some("https://hooks.example".into()),
            sources: vec![source],
            destinations: [destination("app")].into_iter().chain(self.enriching.map(|_| destination(CRM))).collect(),
            routes: [route(self.ordered)]
                .into_iter()
                .chain(self.enriching.map(|how| enriched(how, self.ordered)))
                .collect(),
        }
    }
}

fn signing() -> RoleSecret {
    RoleSecret::new(String::new(), Secret::new(SECRET.to_owned()))
}

/// The destination that gets orders along.
pub(super) const CRM: &str = "crm";
const THIN: &str = "thin-shop";
const STANDARD: &str = include_str!("../../../../catalogue/providers/standard-webhooks.yaml");

/// The recipe of a shop that says of itself that its webhooks are thin.
fn thin_catalogue() -> Arc<Catalogue> {
    static THIN_SHOP: OnceLock<Arc<Catalogue>> = OnceLock::new();
    let read = || {
        let text = STANDARD.replace("provider: standard-webhooks", &format!("provider: {THIN}"));
        let text = text.replacen("\nevent:\n", "\nevent:\n  thin: true\n", 1);
        let recipe = Recipe::from_yaml("thin-shop.yaml", &text).unwrap_or_else(|error| panic!("{error}"));
        Arc::new(Catalogue::with_own([recipe]).unwrap_or_else(|error| panic!("{error}")))
    };
    Arc::clone(THIN_SHOP.get_or_init(read))
}

fn enriching(dice: &mut Dice) -> Enriching {
    let ways = [OnEnrichError::Retry, OnEnrichError::DeliverWithout, OnEnrichError::DeadLetter];
    Enriching {
        on_error: ways[dice.below(3) as usize],
        max_age: dice.percent(40).then(|| Duration::from_secs(1 + dice.below(60))),
        confirm: dice.percent(30),
    }
}

fn enriched(how: Enriching, ordered: bool) -> RouteSpec {
    let Enriching { on_error, max_age, confirm } = how;
    let id = "$substringBefore(subject, '/') = 'order' ? $substringAfter(subject, '/')".to_owned();
    let way = EnrichWay::Stream("orders".into());
    let order =
        EnrichSpec { name: "order".into(), way, source: None, connection: None, id, max_age, on_error, confirm };
    RouteSpec {
        name: "shop-crm".parse().expect("a name"),
        to: CRM.parse().expect("a name"),
        enrich: vec![order],
        ..route(ordered)
    }
}

fn connector(manifest: &Manifest, clock: &SharedClock) -> Connector {
    let entropy: SharedEntropy = Arc::new(SeededEntropy::new(3));
    let text = manifest.text();
    let named = Named { name: "shop.yaml", text: &text };
    let connector = Connector::load(named, None, Arc::new(|_| None), clock, &entropy);
    connector.unwrap_or_else(|error| panic!("{error}"))
}

fn config(account: &str) -> ConnectionConfig {
    ConnectionConfig::new(serde_json::json!({ "base_url": SHOP, "key": Shop::key_of(account) }))
}

fn budget(limit: Limit) -> BudgetSpec {
    let rate = Rate { count: u32::try_from(limit.requests).unwrap_or(u32::MAX), per: limit.per };
    let scope = if limit.shared { BudgetScope::Source } else { BudgetScope::Connection };
    BudgetSpec { allowance: Allowance { rate, counting: Counting::Moving }, scope }
}

/// Which lists are read, and how.
fn streams(dice: &mut Dice, habits: &Habits, hooks: bool) -> BTreeMap<Arc<str>, StreamSpec> {
    let start = if dice.percent(50) { Start::All } else { Start::Now };
    let mut orders = StreamSpec { start, ..polled(dice) };
    // Nothing but a scan of all of them shows that one is gone, or that a late webhook was not the last of its tick.
    let is_coarse = habits.precision >= Duration::from_secs(1);
    if habits.deletes == Deletes::Absence || (hooks && is_coarse) || dice.percent(20) {
        let schedule = Schedule::Every(Duration::from_secs(25 + dice.below(40)));
        let grace = Some(Duration::from_secs(dice.below(20)));
        orders.reconcile = Some(ReconcileSpec { schedule, lookback: None, grace, max_deletes: None });
    }
    let mut streams = BTreeMap::from([(Arc::from("orders"), orders)]);
    if dice.percent(50) {
        streams.insert(Arc::from("customers"), StreamSpec { start, ..polled(dice) });
    }
    if dice.percent(30) {
        streams.insert(Arc::from("activities"), StreamSpec { start, ..polled(dice) });
    }
    if dice.percent(15) {
        let share = PollBudget {
            rate: "20/m".parse().expect("a rate"),
            at_least: Duration::from_secs(3),
            at_most: Duration::from_secs(50),
            weight: 1.0,
        };
        streams.values_mut().for_each(|spec| spec.poll = Some(PollSpec::Budget(share)));
    }
    streams
}

/// Compared with what is known now and then, if nothing was said of that.
fn reconciled(spec: &mut StreamSpec) {
    let schedule = Schedule::Every(Duration::from_secs(45));
    let grace = Some(Duration::from_secs(10));
    spec.reconcile.get_or_insert(ReconcileSpec { schedule, lookback: None, grace, max_deletes: None });
}

fn polled(dice: &mut Dice) -> StreamSpec {
    every(Duration::from_secs(8 + dice.below(40)))
}

/// A stream that is polled at an interval.
#[must_use]
pub fn every(interval: Duration) -> StreamSpec {
    StreamSpec { poll: Some(PollSpec::On(Schedule::Every(interval))), ..StreamSpec::default() }
}

fn interval(spec: &StreamSpec) -> Option<Duration> {
    match &spec.poll {
        Some(PollSpec::On(schedule)) => schedule.interval(),
        Some(PollSpec::Budget(share)) => Some(share.at_most),
        None => None,
    }
}

fn manifest(dice: &mut Dice, habits: &Habits) -> Manifest {
    let manifest = Manifest::of(habits);
    if dice.percent(40) { manifest.without_get(Object::Customers) } else { manifest }
}

fn destination(name: &str) -> DestinationSpec {
    let backoff = Backoff::Exponential { first: Duration::from_secs(1), factor: 2, max: Duration::from_secs(60) };
    DestinationSpec {
        tenant: Tenant::default_tenant(),
        name: name.parse().expect("a name"),
        managed_by: ManagedBy::File,
        http: HttpSpec {
            url: format!("https://{name}.example/hook"),
            secrets: Vec::new(),
            headers: Vec::new(),
            body: BodyMode::Envelope,
            timeouts: Timeouts::default(),
            concurrency: 4,
        },
        // None may die: what the destination believes in the end is judged.
        retry: RetryPolicy { backoff, attempts: 100, jitter_percent: 20 },
        rate_limit: None,
        breaker: BreakerPolicy::default(),
        paused: false,
    }
}

fn route(ordered: bool) -> RouteSpec {
    RouteSpec {
        tenant: Tenant::default_tenant(),
        name: "shop-app".parse().expect("a name"),
        managed_by: ManagedBy::File,
        from: SOURCE.parse().expect("a name"),
        to: "app".parse().expect("a name"),
        connections: Vec::new(),
        assurance: None,
        when: None,
        enrich: Vec::new(),
        map: None,
        ordering: if ordered { Ordering::Subject } else { Ordering::None },
        on_dead: OnDead::Continue,
        stale: OnStale::Deliver,
        retry: None,
        body: None,
    }
}
