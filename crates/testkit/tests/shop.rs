//! A gateway between a shop that fails and a destination that stumbles: hundreds of seeds, each judged by what really
//! happened.

use std::ops::Range;
use std::path::PathBuf;

use testkit::shop_simulation::{Plan, Report, run};

/// A folder in memory where there is one: a simulation needs a file that survives its process, not a disk.
fn folder() -> tempfile::TempDir {
    let memory = PathBuf::from("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a temporary folder")
}

fn simulate(plan: &Plan) -> Report {
    let folder = folder();
    run(plan, folder.path()).unwrap_or_else(|found| panic!("seed {}: {found}\n{plan:#?}", plan.seed))
}

/// Runs seeds and checks that, taken together, they did what simulations are for.
fn sweep(seeds: Range<u64>) {
    let mut counts = [("deaths", 0), ("states", 0), ("owed", 0), ("messages", 0), ("again", 0), ("visits", 0)];
    for seed in seeds {
        let Report { lives, figures } = simulate(&Plan::of_seed(seed));
        let seen = [lives - 1, figures.states, figures.owed, figures.messages, figures.again, figures.visits];
        counts.iter_mut().zip(seen).for_each(|((_, count), seen)| *count += seen);
    }
    for (what, count) in counts {
        assert!(count > 0, "the seeds tested nothing: no {what} in {counts:?}");
    }
}

#[test]
fn the_destination_believes_what_is_so_in_the_first_150_seeds() {
    sweep(0..150);
}

/// More seeds for `make soak`: `TRIREME_SEEDS=from..to`.
#[test]
#[expect(clippy::disallowed_methods, reason = "a test's own setting")]
fn the_destination_believes_what_is_so_in_the_seeds_asked_for() {
    let Ok(asked) = std::env::var("TRIREME_SEEDS") else { return };
    let (from, to) = asked.split_once("..").expect("TRIREME_SEEDS=from..to");
    sweep(from.parse().expect("a number")..to.parse().expect("a number"));
}
