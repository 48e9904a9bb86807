//! A transaction of somebody else that stays open on the database: what two nodes deliver meanwhile, against what they
//! delivered before, by the load tool that ships.

use std::process::{Command, Stdio};

use serde_json::Value;
use store_postgres::testkit::Database;

const SECONDS: &str = "10";
const SECONDS_SOAK: &str = "600";
/// What has to be left of the rate. The short form runs beside others on two cores, so it only finds out what stands
/// still.
const LEFT: f64 = 0.7;
const LEFT_SHORT: f64 = 0.2;

#[test]
fn a_held_transaction_does_not_sink_the_queue() {
    let soaks = std::env::var("TRIREME_SOAK").is_ok();
    let database = Database::new();
    let mut bench = Command::new(env!("CARGO_BIN_EXE_trireme"));
    bench.args(["bench", "--only", "held", "--json", "--postgres", &database.address()]);
    bench.args(["--held", if soaks { SECONDS_SOAK } else { SECONDS }]);
    let ran = bench.stdin(Stdio::null()).output().expect("the binary runs");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let report: Value = serde_json::from_slice(&ran.stdout).expect("a report");
    let held = &report["results"]["held"][0];
    let number = |name: &str| held[name].as_f64().unwrap_or_else(|| panic!("no {name} in {held:#}"));
    let left = number("held_per_s") / number("before_per_s");
    eprintln!(
        "held: {:.0} deliveries/s before, {:.0} at the end of {} s, {left:.2} of it; {} rows could not be cleaned away",
        number("before_per_s"),
        number("held_per_s"),
        number("held_s"),
        number("removed"),
    );
    assert!(number("removed") > 0.0 && left >= if soaks { LEFT } else { LEFT_SHORT }, "{left:.2} is left");
}
