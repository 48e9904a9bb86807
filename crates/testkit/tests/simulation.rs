//! The promises under simulated faults: a thousand seeds, a death at every step, and the same story twice.

use std::ops::Range;
use std::path::PathBuf;

use testkit::simulation::{Plan, Report, run};

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

/// More seeds for `make soak`: `TRIREME_SEEDS=from..to`.
#[test]
#[expect(clippy::disallowed_methods, reason = "a test's own setting")]
fn nothing_acknowledged_is_lost_in_the_seeds_asked_for() {
    let Ok(asked) = std::env::var("TRIREME_SEEDS") else { return };
    let (from, to) = asked.split_once("..").expect("TRIREME_SEEDS=from..to");
    sweep(from.parse().expect("a number")..to.parse().expect("a number"));
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
