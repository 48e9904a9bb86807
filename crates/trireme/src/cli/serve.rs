//! `trireme serve`.
use crate::exit::Outcome;
use crate::output::Output;
#[derive(clap::Args, Debug)]
pub struct ServeArgs {}
pub fn run(_args: ServeArgs, _output: Output, _e: super::Environment<'_>) -> Outcome {
    Ok(())
}
