//! Which scenarios run, how long and how often: quick for a look, full for figures worth keeping.

use std::time::Duration;

use crate::calibration::{Calibration, MeasureStore};
use crate::error::BenchError;
use crate::machine::Machine;
use crate::report::{About, Failure, Report, Results};
use crate::rig::Bench;
use crate::scenario::{
    AccountsOptions, BacklogOptions, HeldOptions, IsolationOptions, LatencyOptions, PollingOptions, PostgresOptions,
    ReadingOptions, ThroughputOptions, accounts, ack_one, backlog, held, idle, isolation, latency, polling, postgres,
    reading, ready, throughput,
};

/// One of the scenarios, for `--only`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    Throughput,
    Latency,
    Isolation,
    AckOne,
    /// Thousands of accounts behind one address.
    Accounts,
    Idle,
    Ready,
    /// Memory with a backlog, a restart with it, and its drain.
    Backlog,
    /// A connector's list, page by page.
    Reading,
    /// Streams that are read again and again.
    Polling,
    /// Nodes that share a database.
    Postgres,
    /// The same while somebody else keeps a transaction open.
    Held,
}

impl Scenario {
    /// One run of it takes as long as a round of all the others, and is its own average: it is run in the last round only.
    fn is_long(self) -> bool {
        matches!(self, Self::Backlog | Self::Polling | Self::Held)
    }

    pub const ALL: [Self; 12] = [
        Self::Throughput,
        Self::Latency,
        Self::Isolation,
        Self::AckOne,
        Self::Accounts,
        Self::Idle,
        Self::Ready,
        Self::Backlog,
        Self::Reading,
        Self::Polling,
        Self::Postgres,
        Self::Held,
    ];
    /// Those that need a database server.
    pub const ON_DATABASE: [Self; 2] = [Self::Postgres, Self::Held];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Throughput => "throughput",
            Self::Latency => "latency",
            Self::Isolation => "isolation",
            Self::AckOne => "ack_one",
            Self::Accounts => "accounts",
            Self::Idle => "idle",
            Self::Ready => "ready",
            Self::Backlog => "backlog",
            Self::Reading => "reading",
            Self::Polling => "polling",
            Self::Postgres => "postgres",
            Self::Held => "held",
        }
    }

    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scenario| scenario.name() == name)
    }
}

/// What a run consists of.
#[derive(Clone, Debug)]
pub struct Plan {
    pub scenarios: Vec<Scenario>,
    /// How often all scenarios run, one after another, so that the runs of one are spread over the time of the whole.
    /// The backlog and the held transaction run once: each takes as long as the rest.
    pub rounds: usize,
    pub connections: usize,
    /// Of each calibration part that needs load.
    pub calibration: Duration,
    pub throughput: ThroughputOptions,
    pub latency: LatencyOptions,
    pub isolation: IsolationOptions,
    pub ack_one: Duration,
    pub accounts: AccountsOptions,
    pub idle: Duration,
    pub backlog: BacklogOptions,
    pub reading: ReadingOptions,
    pub polling: PollingOptions,
    pub postgres: PostgresOptions,
    pub held: HeldOptions,
}

impl Plan {
    /// About a minute.
    #[must_use]
    pub fn quick() -> Self {
        Self::of(1, 20_000, [250, 5_000, 4_000, 4_000, 2_000, 2_000])
    }

    /// Figures worth keeping: five rounds, and a backlog of a million.
    #[must_use]
    pub fn full() -> Self {
        Self::of(5, 1_000_000, [2_000, 15_000, 20_000, 20_000, 5_000, 10_000])
    }

    /// `times`: milliseconds of calibration, throughput, latency, isolation (each half), one connection and idle.
    fn of(rounds: usize, events: u64, times: [u64; 6]) -> Self {
        let [calibration, throughput, latency, isolation, ack_one, idle] = times.map(Duration::from_millis);
        let (connections, per_second) = (64, 50.0);
        let load = ThroughputOptions { connections, destinations: 8, warm_up: throughput / 5, window: throughput };
        let steady = |window: Duration| LatencyOptions { per_second, warm_up: window / 4, window };
        Self {
            scenarios: Scenario::ALL.to_vec(),
            rounds,
            connections,
            calibration,
            throughput: load,
            latency: steady(latency),
            isolation: IsolationOptions { destinations: 100, hanging: 20, load: steady(isolation) },
            ack_one,
            accounts: AccountsOptions { accounts: 5_000, connections, warm_up: throughput / 5, window: throughput / 2 },
            idle,
            backlog: BacklogOptions { events, connections, live_per_second: per_second },
            reading: ReadingOptions::default(),
            polling: PollingOptions {
                hours: 24,
                shared_hours: if rounds == 1 { [6, 6] } else { [24, 12] },
                choices: 1_000,
                connections: 10_000,
                interval: Duration::from_secs(60),
                window: idle * 3,
            },
            postgres: PostgresOptions {
                // More senders fill larger groups.
                set_ups: vec![(1, connections), (2, connections), (3, connections), (1, 4 * connections)],
                throughput: load,
                calibration,
                per_second,
                window: latency / if rounds == 1 { 1 } else { 2 },
            },
            // Ten windows: what cannot be cleaned away by then is several times what a busy minute leaves.
            held: HeldOptions { load, held: throughput * 10 },
        }
    }

    /// Calibrates and runs everything. A scenario that fails is reported as such and does not keep the others from
    /// running.
    ///
    /// # Errors
    /// When the machine cannot be calibrated: nothing measured on it could be judged.
    pub fn run(&self, bench: &Bench<'_>, store: Option<MeasureStore<'_>>, about: About) -> Result<Report, BenchError> {
        crate::process::raise_file_limit();
        let mut machine = Machine::read();
        (bench.say)("calibration");
        let calibration = Calibration::measure(self.connections, self.calibration, bench.scratch, store)?;
        let mut outcome = Outcome { bench, results: Results::default(), failures: Vec::new() };
        for round in 0..self.rounds {
            for scenario in &self.scenarios {
                if !scenario.is_long() || round + 1 == self.rounds {
                    (bench.say)(&format!("{}, round {} of {}", scenario.name(), round + 1, self.rounds));
                    outcome.run(self, *scenario, &calibration);
                }
            }
        }
        machine.finish();
        Ok(Report::new(about, machine, calibration, outcome.results, outcome.failures))
    }
}

/// What has come out so far.
struct Outcome<'a> {
    bench: &'a Bench<'a>,
    results: Results,
    failures: Vec<Failure>,
}

impl Outcome<'_> {
    fn run(&mut self, plan: &Plan, scenario: Scenario, calibration: &Calibration) {
        let (bench, results) = (self.bench, &mut self.results);
        let done = match scenario {
            Scenario::Throughput => {
                throughput(bench, &plan.throughput, calibration).map(|run| results.throughput.push(run))
            }
            Scenario::Latency => latency(bench, &plan.latency).map(|run| results.latency.push(run)),
            Scenario::Isolation => isolation(bench, &plan.isolation).map(|run| results.isolation.push(run)),
            Scenario::AckOne => {
                ack_one(bench, plan.ack_one / 4, plan.ack_one, calibration).map(|run| results.ack_one.push(run))
            }
            Scenario::Accounts => accounts(bench, &plan.accounts).map(|run| results.accounts.push(run)),
            Scenario::Idle => idle(bench, plan.idle).map(|run| results.idle.push(run)),
            Scenario::Ready => ready(bench).map(|run| results.ready.push(run)),
            Scenario::Backlog => backlog(bench, &plan.backlog).map(|run| results.backlog.push(run)),
            Scenario::Reading => reading(bench, &plan.reading).map(|run| results.reading.push(run)),
            Scenario::Polling => polling(bench, &plan.polling).map(|run| results.polling.push(run)),
            Scenario::Postgres => postgres(bench, &plan.postgres, calibration).map(|run| results.postgres.push(run)),
            Scenario::Held => held(bench, &plan.held).map(|run| results.held.push(run)),
        };
        if let Err(error) = done {
            let (scenario, code) = (scenario.name().to_owned(), error.code().to_owned());
            self.failures.push(Failure { scenario, code, message: error.to_string() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_is_found_by_its_name() {
        for scenario in Scenario::ALL {
            assert_eq!(Scenario::named(scenario.name()), Some(scenario));
        }
        assert_eq!(Scenario::named("speed"), None);
    }

    #[test]
    fn both_plans_keep_what_the_figures_are_stated_for() {
        for plan in [Plan::quick(), Plan::full()] {
            assert_eq!((plan.connections, plan.latency.per_second), (64, 50.0));
            assert_eq!((plan.isolation.hanging, plan.isolation.destinations), (20, 100));
            assert_eq!(plan.scenarios, Scenario::ALL);
        }
        assert_eq!(Plan::full().backlog.events, 1_000_000);
    }
}
