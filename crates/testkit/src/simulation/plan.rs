//! What a seed stands for: the configuration, how much is sent, and when things go wrong.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::breaker::BreakerPolicy;
use domain::ordering::{OnDead, Ordering};
use domain::retry::{Backoff, RetryPolicy};
use domain::{RouteName, Tenant};
use engine::spec::{
    BodyMode, DestinationSpec, HttpSpec, OnStale, RoleSecret, RouteSpec, Secret, SourceSpec, Specs, Timeouts,
    WebhookSpec,
};
use store::registry::ManagedBy;

/// A small generator of our own, so that a seed means the same for ever.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(0x9E37_79B9_7F4A_7C15))
    }

    /// SplitMix64 (Steele, Lea and Flood, 2014).
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 to `sides - 1`.
    pub fn below(&mut self, sides: u64) -> u64 {
        self.roll() % sides.max(1)
    }

    /// Whether something that happens in so many of a hundred cases happens now.
    pub fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

/// When the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashAt {
    /// About once in so many verbs, a few times.
    About(u64),
    /// Exactly at this verb, once; `after` its commit or before it.
    Verb {
        number: u64,
        after: bool,
    },
    Never,
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub crash: CrashAt,
    /// Messages of each sender.
    pub messages: u64,
    pub destinations: u64,
    /// Of a hundred sends, how many go wrong while the world is not healed.
    pub network_faults: u64,
    /// Of a thousand verbs, how many the store refuses.
    pub store_faults: u64,
    /// What a person asks for meanwhile.
    pub wishes: u64,
    routes: Vec<RouteSpec>,
    retry: Vec<RetryPolicy>,
}

pub const SECRET: &str = "whsec_c2ltdWxhdGlvbi1zaW11bGF0aW9uLXNpbXVsYXRpb24=";
pub const HOOKS: &str = "hooks";
pub const OWN: &str = "own";

impl Plan {
    /// Everything from one seed.
    #[must_use]
    pub fn of_seed(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let destinations = 1 + dice.below(4);
        let crash = if dice.percent(80) { CrashAt::About(20 + dice.below(150)) } else { CrashAt::Never };
        let (messages, network_faults, store_faults) = (5 + dice.below(25), dice.below(60), dice.below(40));
        // Dice of its own, so that the rest of a seed stays what it was.
        let mut people = Dice::new(seed ^ 0x0009_E09E);
        let wishes = if people.percent(50) { 1 + people.below(15) } else { 0 };
        let (routes, retry) = (Vec::new(), Vec::new());
        let mut plan =
            Self { seed, crash, messages, destinations, network_faults, store_faults, wishes, routes, retry };
        plan.retry = (0..destinations).map(|_| schedule(&mut dice)).collect();
        for destination in 0..destinations {
            for from in [HOOKS, OWN] {
                if dice.percent(80) {
                    plan.routes.push(route(&mut dice, from, destination));
                }
            }
        }
        plan
    }

    /// A small, plain world in which the process dies at one chosen verb.
    #[must_use]
    pub fn dying_at(number: u64, after: bool) -> Self {
        let crash = CrashAt::Verb { number, after };
        Self { crash, messages: 4, destinations: 2, network_faults: 30, store_faults: 0, wishes: 6, ..Self::of_seed(7) }
    }

    #[must_use]
    pub fn routes(&self) -> &[RouteSpec] {
        &self.routes
    }

    #[must_use]
    pub fn specs(&self) -> Specs {
        let source = |name: &str, webhook, publish| SourceSpec {
            tenant: Tenant::default_tenant(),
            name: name.parse().expect("a name"),
            managed_by: ManagedBy::File,
            webhook,
            publish,
            connections: BTreeMap::new(),
            connector: None,
        };
        let webhook = WebhookSpec {
            provider: "standard-webhooks".to_owned(),
            secrets: vec![RoleSecret::new(String::new(), Secret::new(SECRET.to_owned()))],
            settings: BTreeMap::new(),
            dedupe_within: None,
            allow_from: None,
            reply: None,
        };
        Specs {
            alerting: Vec::new(),
            veils: Default::default(),
            catalogue: Arc::default(),
            public_url: None,
            sources: vec![source(HOOKS, Some(webhook), false), source(OWN, None, true)],
            destinations: (0..self.retry.len()).map(|number| destination(number, self.retry[number].clone())).collect(),
            routes: self.routes.clone(),
        }
    }
}

fn schedule(dice: &mut Dice) -> RetryPolicy {
    let first = Duration::from_secs(1 + dice.below(60));
    let max = Duration::from_secs(600);
    let backoff = match dice.below(3) {
        0 => Backoff::Fibonacci { first, max },
        1 => Backoff::Exponential { first, factor: 2, max },
        _ => Backoff::List(vec![first, first * 3]),
    };
    let attempts = 2 + u32::try_from(dice.below(10)).unwrap_or(0);
    RetryPolicy { backoff, attempts, jitter_percent: 20 }
}

fn destination(number: usize, retry: RetryPolicy) -> DestinationSpec {
    DestinationSpec {
        tenant: Tenant::default_tenant(),
        name: format!("d{number}").parse().expect("a name"),
        managed_by: ManagedBy::File,
        http: HttpSpec {
            url: format!("https://d{number}.example/hook"),
            secrets: vec![Secret::new(SECRET.to_owned())],
            headers: Vec::new(),
            body: if number == 0 { BodyMode::Raw } else { BodyMode::Envelope },
            timeouts: Timeouts::default(),
            concurrency: 1 + u32::try_from(number * 2).unwrap_or(0),
        },
        retry,
        rate_limit: (number == 1).then(|| "50/s".parse().expect("a rate")),
        breaker: BreakerPolicy::default(),
        paused: false,
    }
}

fn route(dice: &mut Dice, from: &str, destination: u64) -> RouteSpec {
    let ordering = [Ordering::None, Ordering::Subject, Ordering::Destination][dice.below(3) as usize];
    let name: RouteName = format!("{from}-d{destination}").parse().expect("a name");
    RouteSpec {
        tenant: Tenant::default_tenant(),
        name,
        managed_by: ManagedBy::File,
        from: from.parse().expect("a name"),
        to: format!("d{destination}").parse().expect("a name"),
        connections: Vec::new(),
        assurance: None,
        when: dice.percent(30).then(|| "data.number % 3 != 0".to_owned()),
        enrich: Vec::new(),
        map: dice
            .percent(40)
            .then(|| "{ 'number': data.number, 'from': source, 'drawn': $string(data.number) & '!' }".to_owned()),
        ordering,
        on_dead: OnDead::Continue,
        stale: OnStale::Deliver,
        retry: None,
        body: None,
    }
}
