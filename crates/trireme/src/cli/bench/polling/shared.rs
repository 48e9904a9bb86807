//! A hundred streams that change at very different rates, under one budget of 5,000 requests an hour: asked at one
//! interval, and asked where a change is likeliest and oldest.

use std::time::Duration;

use bench::scenario::Shared;
use domain::Timestamp;
use engine::spec::{PollBudget, PollSpec, Schedule, StreamSpec};

use super::Failed;
use super::source::{Visit, poisson};
use super::world::{BEGINS, Scene, World};

const STREAMS: u32 = 100;
/// Of each stream, on average.
const CHANGES_PER_HOUR: f64 = 2.0;
/// Of the logarithm of the rates.
const SIGMA: f64 = 2.0;
const CAP: u32 = 5_000;
const HOUR: Duration = Duration::from_secs(3_600);
/// No stream waits longer, and the last changes are given as long to be told.
const AT_MOST: Duration = HOUR;

/// What was measured of one way to spend the budget.
struct Spent {
    delay_s: f64,
    per_h: f64,
    busiest_hour: u64,
}

/// `learning`: hours that do not count, `counted`: those that do. Each seed is another story of the same streams.
pub fn measure([learning, counted]: [u64; 2], seed: u64) -> Result<Shared, Failed> {
    let [learning, counted] = [learning, counted].map(|hours| HOUR * u32::try_from(hours).unwrap_or(u32::MAX));
    let rates = rates();
    let interval = HOUR * STREAMS / CAP;
    // Nothing is learned there; the first hour is that of the first scans.
    let fixed = spend(&rates, seed, PollSpec::On(Schedule::Every(interval)), HOUR, counted)?;
    let rate = domain::rate::Rate { count: CAP, per: HOUR };
    let share = PollBudget { rate, at_least: Duration::from_secs(1), at_most: AT_MOST, weight: 1.0 };
    let adaptive = spend(&rates, seed, PollSpec::Budget(share), learning, counted)?;
    let roots: f64 = rates.iter().map(|rate| rate.sqrt()).sum();
    Ok(Shared {
        fixed_delay_s: fixed.delay_s,
        adaptive_delay_s: adaptive.delay_s,
        bound: f64::from(STREAMS) * rates.iter().sum::<f64>() / (roots * roots),
        fixed_per_h: fixed.per_h,
        adaptive_per_h: adaptive.per_h,
        busiest_hour: adaptive.busiest_hour,
        cap: u64::from(CAP),
    })
}

fn spend(rates: &[f64], seed: u64, poll: PollSpec, learning: Duration, counted: Duration) -> Result<Spent, Failed> {
    let (since, until) = (BEGINS + learning, BEGINS + learning + counted);
    let lists =
        (seed * 1_000..).zip(rates).map(|(seed, rate)| poisson(seed, *rate, BEGINS + AT_MOST / 60, learning + counted));
    let stream = StreamSpec { poll: Some(poll), ..StreamSpec::default() };
    let scene = Scene { stream, webhook: None, lists: lists.collect(), validates: false };
    scene.run(learning + counted + AT_MOST * 2, async |_| {}, async |world| judge(world, since, until).await)
}

async fn judge(world: &World, since: Timestamp, until: Timestamp) -> Result<Spent, Failed> {
    let told = world.told(since, until).await?;
    let changes = world.source.records_between(since, until);
    if told.len() as u64 != changes {
        return Err(format!("{} of {changes} changes were told", told.len()).into());
    }
    let visits = world.source.visits_since(BEGINS);
    let counted = visits.iter().filter(|visit| visit.at >= since && visit.at < until).count();
    let hours = until.since(since).as_secs_f64() / 3_600.0;
    let delay_s = told.iter().map(|told| told.delay_s()).sum::<f64>() / told.len().max(1) as f64;
    Ok(Spent { delay_s, per_h: counted as f64 / hours, busiest_hour: busiest(&visits) })
}

/// Most requests within any hour, from the very first on.
fn busiest(visits: &[Visit]) -> u64 {
    let mut first = 0;
    let within = visits.iter().enumerate().map(|(last, visit)| {
        while visit.at.since(visits[first].at) >= HOUR {
            first += 1;
        }
        last - first + 1
    });
    within.max().unwrap_or(0) as u64
}

/// The means of the hundred equal parts of a log-normal law: its shape, and nothing of the luck of a draw.
fn rates() -> Vec<f64> {
    let steps = 1_000;
    let parts = (0..STREAMS).map(|part| {
        let places =
            (0..steps).map(|step| (f64::from(part) + (f64::from(step) + 0.5) / f64::from(steps)) / f64::from(STREAMS));
        places.map(|place| (SIGMA * normal_quantile(place)).exp()).sum::<f64>() / f64::from(steps)
    });
    let parts: Vec<f64> = parts.collect();
    let mean = parts.iter().sum::<f64>() / f64::from(STREAMS);
    parts.into_iter().map(|part| part / mean * CHANGES_PER_HOUR).collect()
}

/// Where so much of a normal law lies below, found by halving what [`normal_below`] is asked for.
fn normal_quantile(share: f64) -> f64 {
    let (mut low, mut high) = (-9.0_f64, 9.0_f64);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if normal_below(middle) < share { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

/// How much of a normal law lies below, by its series; beyond six deviations what is missing is less than a billionth.
fn normal_below(z: f64) -> f64 {
    if z.abs() > 6.0 {
        return if z > 0.0 { 1.0 } else { 0.0 };
    }
    let (mut term, mut sum, mut odd) = (z, z, 1.0);
    while term.abs() > 1e-16 {
        odd += 2.0;
        term *= z * z / odd;
        sum += term;
    }
    0.5 + sum * (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rates_have_the_shape_of_their_law() {
        let rates = rates();
        let mean = rates.iter().sum::<f64>() / 100.0;
        assert!((mean - CHANGES_PER_HOUR).abs() < 1e-9 && rates.is_sorted());
        let median = f64::midpoint(rates[49], rates[50]);
        // Of a log-normal law: the mean is e^(σ²/2) medians.
        assert!((mean / median / (SIGMA * SIGMA / 2.0).exp() - 1.0).abs() < 0.1, "{mean} {median}");
    }

    #[test]
    fn the_busiest_hour_is_found_wherever_it_begins() {
        let visit = |minute: u32| Visit { at: BEGINS + Duration::from_secs(60) * minute, in_full: true };
        let visits: Vec<Visit> = [0, 50, 55, 90, 109, 110, 170].map(visit).to_vec();
        assert_eq!((busiest(&visits), busiest(&[])), (4, 0));
    }
}
