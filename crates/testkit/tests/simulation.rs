//! The promises under simulated faults: a thousand seeds, a death at every step, and the same story twice.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use store::{Store, StoreError};
use store_postgres::testkit::Database;
use store_postgres::{LeaseClock, OpenOptions, PostgresStore};
use store_sqlite::{OpenOptions as SqliteOptions, SqliteStore};
use testkit::simulation::{Plan, Report, run, run_nodes, run_on};

/// A folder in memory where there is one: a simulation needs a file that survives its process, not a disk.
fn folder() -> tempfile::TempDir {
    let memory = PathBuf::from("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a temporary folder")
}

fn simulate(plan: &Plan) -> Report {
    let folder = folder();
    run(plan, folder.path()).unwrap_or_else(|found| panic!("seed {} ({:?}): {found}", plan.seed, plan.crash))
}

/// Runs seeds and checks that, taken together, they did what simulations are for.
fn sweep(seeds: Range<u64>) {
    let mut all = Report::default();
    for seed in seeds {
        let report = simulate(&Plan::of_seed(seed));
        all.lives += report.lives - 1;
        all.acknowledged += report.acknowledged;
        all.duplicates += report.duplicates;
        all.delivered += report.delivered;
        all.dead += report.dead;
        all.filtered += report.filtered;
        all.cancelled += report.cancelled;
        all.wishes += report.wishes;
    }
    for (what, count) in [
        ("deaths", all.lives),
        ("acknowledged", all.acknowledged),
        ("duplicates", all.duplicates),
        ("delivered", all.delivered),
        ("dead", all.dead),
        ("filtered", all.filtered),
        ("cancelled", all.cancelled),
        ("wishes", all.wishes),
    ] {
        assert!(count > 0, "the seeds tested nothing: no {what} in {all:?}");
    }
}

#[test]
fn nothing_acknowledged_is_lost_in_the_first_250_seeds() {
    sweep(0..250);
}

#[test]
fn nothing_acknowledged_is_lost_in_the_second_250_seeds() {
    sweep(250..500);
}

#[test]
fn nothing_acknowledged_is_lost_in_the_third_250_seeds() {
    sweep(500..750);
}

#[test]
fn nothing_acknowledged_is_lost_in_the_last_250_seeds() {
    sweep(750..1_000);
}

/// On PostgreSQL a verb is many round trips, so fewer seeds: what differs is the store, not the engine.
const SEEDS_ON_POSTGRES: Range<u64> = 0..12;
const SEEDS_OF_NODES_ON_POSTGRES: Range<u64> = 0..4;
/// Of those that are asked for, one in so many.
const ONE_IN_ON_POSTGRES: usize = 51;

/// A store whose verbs take no time of their caller.
fn inline(database: &Database) -> Result<Arc<dyn Store>, StoreError> {
    let options = OpenOptions { inline: true, listen: false, ..database.options() };
    let options = OpenOptions { lease_clock: LeaseClock::Caller, novel_rows: 1, ..options };
    let opened = futures_util::FutureExt::now_or_never(PostgresStore::open(options));
    // Inline, a future that is asked once is done.
    Ok(Arc::new(opened.expect("it is inline")?))
}

#[test]
fn nothing_acknowledged_is_lost_by_several_nodes_on_postgresql() {
    sweep_nodes_on_postgresql(SEEDS_OF_NODES_ON_POSTGRES);
}

fn sweep_nodes_on_postgresql(seeds: impl IntoIterator<Item = u64>) {
    let databases = std::cell::RefCell::new(Vec::new());
    let open = || {
        let database = Database::new();
        let store = inline(&database).expect("a new database opens");
        // The one before is done with.
        databases.replace(vec![database]);
        store
    };
    sweep_nodes(seeds, open);
}

#[test]
fn nothing_acknowledged_is_lost_on_postgresql() {
    sweep_on_postgresql(SEEDS_ON_POSTGRES);
}

fn sweep_on_postgresql(seeds: impl IntoIterator<Item = u64>) {
    let mut all = Report::default();
    for seed in seeds {
        let database = Database::new();
        let plan = Plan::of_seed(seed);
        let report = run_on(&plan, || inline(&database))
            .unwrap_or_else(|found| panic!("seed {seed} ({:?}): {found}", plan.crash));
        all.lives += report.lives - 1;
        all.acknowledged += report.acknowledged;
        all.delivered += report.delivered;
    }
    assert!(all.lives > 0 && all.acknowledged > 0 && all.delivered > 0, "the seeds tested nothing: {all:?}");
}

/// A store in memory that several engines share as nodes.
fn shared() -> Arc<dyn Store> {
    let options = SqliteOptions { shared: true, ..SqliteOptions::memory().inline() };
    Arc::new(SqliteStore::open(options).expect("a store in memory opens"))
}

/// Runs seeds with two or three nodes each, that die, stand still and start again.
fn sweep_nodes(seeds: impl IntoIterator<Item = u64>, store: impl Fn() -> Arc<dyn Store>) {
    let mut all = Report::default();
    for seed in seeds {
        let (plan, nodes) = (Plan::of_seed(seed), 2 + usize::from(seed.is_multiple_of(2)));
        let report = run_nodes(&plan, nodes, store()).unwrap_or_else(|found| panic!("seed {seed}: {found}"));
        all.lives += report.lives - nodes;
        all.acknowledged += report.acknowledged;
        all.delivered += report.delivered;
        all.duplicates += report.duplicates;
        all.cancelled += report.cancelled;
    }
    assert!(all.acknowledged > 0 && all.delivered > 0 && all.lives > 0, "the seeds tested nothing: {all:?}");
}

#[test]
fn nothing_acknowledged_is_lost_by_several_nodes_that_die_and_stand_still() {
    sweep_nodes(0..150, shared);
}

#[test]
fn the_same_seed_of_several_nodes_tells_the_same_story() {
    for seed in [3, 40] {
        let tell =
            || run_nodes(&Plan::of_seed(seed), 3, shared()).unwrap_or_else(|found| panic!("seed {seed}: {found}"));
        assert_eq!(tell(), tell(), "seed {seed}");
    }
}

/// More seeds for `make soak`: `TRIREME_SEEDS=from..to`.
#[test]
#[expect(clippy::disallowed_methods, reason = "a test's own setting")]
fn nothing_acknowledged_is_lost_in_the_seeds_asked_for() {
    let Ok(asked) = std::env::var("TRIREME_SEEDS") else { return };
    let (from, to) = asked.split_once("..").expect("TRIREME_SEEDS=from..to");
    let (from, to): (u64, u64) = (from.parse().expect("a number"), to.parse().expect("a number"));
    sweep(from..to);
    sweep_nodes(from..to, shared);
    let apart = || (from..to).step_by(ONE_IN_ON_POSTGRES);
    sweep_on_postgresql(apart());
    sweep_nodes_on_postgresql(apart().step_by(3));
}

#[test]
fn the_same_seed_tells_the_same_story() {
    for seed in [1, 77, 4_242] {
        assert_eq!(simulate(&Plan::of_seed(seed)), simulate(&Plan::of_seed(seed)), "seed {seed}");
    }
}

#[test]
fn the_process_may_die_at_any_step_before_or_after_its_commit() {
    let steps = simulate(&Plan::dying_at(u64::MAX, false)).verbs;
    assert!(steps > 20, "a world of {steps} steps tests little");
    for number in 0..steps {
        for after in [false, true] {
            simulate(&Plan::dying_at(number, after));
        }
    }
}
