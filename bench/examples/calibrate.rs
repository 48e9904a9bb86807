//! Measures the machine and what this tool itself costs, without any gateway: `cargo run --release --example calibrate`.

use std::time::Duration;

use bench::calibration::Calibration;

/// As in every scenario under full load.
const CONNECTIONS: usize = 64;

#[expect(clippy::print_stdout, reason = "printing is what an example is for")]
fn main() -> Result<(), bench::BenchError> {
    let calibration = Calibration::measure(CONNECTIONS, Duration::from_secs(1), &std::env::temp_dir(), None)?;
    println!("{calibration:#?}");
    Ok(())
}
