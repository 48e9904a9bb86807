//! What thousands of accounts behind one address cost, each with a secret of its own, against one account alone.

use std::time::Duration;

use serde::Serialize;

use super::throughput::{Cost, EVENTS_PER_SECOND_MAX, mark};
use crate::accounts;
use crate::config::Layout;
use crate::error::BenchError;
use crate::generator::Pace;
use crate::ledger::Moment;
use crate::rig::{Bench, Rig};
use crate::stats::Percentiles;

#[derive(Clone, Copy, Debug)]
pub struct AccountsOptions {
    pub accounts: usize,
    pub connections: usize,
    pub warm_up: Duration,
    /// Of each of the two halves.
    pub window: Duration,
}

#[derive(Clone, Debug, Serialize)]
pub struct Accounts {
    pub accounts: usize,
    pub one: AccountsHalf,
    pub many: AccountsHalf,
}

/// A source with so many accounts, all of which send in turn.
#[derive(Clone, Debug, Serialize)]
pub struct AccountsHalf {
    pub accepted_per_s: f64,
    pub ack: Percentiles,
    pub cpu_us_per_event: f64,
    /// Before anything was sent.
    pub idle_rss_mib: f64,
    /// When everything was delivered.
    pub rss_mib: f64,
}

/// # Errors
/// When the gateway fails, or an acknowledged event is not delivered.
pub fn accounts(bench: &Bench<'_>, options: &AccountsOptions) -> Result<Accounts, BenchError> {
    let one = half(bench, options, 1)?;
    let many = half(bench, options, options.accounts)?;
    Ok(Accounts { accounts: options.accounts, one, many })
}

fn half(bench: &Bench<'_>, options: &AccountsOptions, accounts: usize) -> Result<AccountsHalf, BenchError> {
    let seconds = (options.warm_up + options.window).as_secs_f64();
    let capacity = (seconds * EVENTS_PER_SECOND_MAX) as usize;
    let layout = Layout { accounts: Some(accounts), ..Layout::of(1) };
    let mut rig = Rig::start(bench, &layout, capacity, |_| {})?;
    let idle_rss_mib = rig.rss_mib()?;
    let generator = rig.send_as(accounts::signings(accounts), options.connections, Pace::Closed)?;
    rig.run_for(options.warm_up)?;
    let begin = mark(&rig)?;
    rig.run_for(options.window)?;
    let window = begin.at_us..rig.now_us();
    let sent = rig.stop(generator)?;
    rig.settle()?;
    let cost = Cost::between(&begin, &mark(&rig)?);
    // A refused account would make the others look quick.
    if let Some(answer) = sent.refusal.filter(|_| sent.refused > 0) {
        return Err(BenchError::NothingAccepted { answer });
    }
    let window_s = f64::from(window.end - window.start) / 1e6;
    Ok(AccountsHalf {
        accepted_per_s: rig.ledger.count_between(Moment::Acked, window.start, window.end) as f64 / window_s,
        ack: Percentiles::of(rig.ledger.waits(Moment::Due, Moment::Acked, |_, due| window.contains(&due))),
        cpu_us_per_event: cost.cpu_us_per_event,
        idle_rss_mib,
        rss_mib: rig.rss_mib()?,
    })
}
