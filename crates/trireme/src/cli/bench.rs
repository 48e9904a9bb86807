//! `trireme bench`.
use crate::exit::Outcome;
use crate::output::Output;
#[derive(clap::Args, Debug)]
pub struct BenchArgs {}
pub fn run(_args: BenchArgs, _output: Output) -> Outcome {
    Ok(())
}
