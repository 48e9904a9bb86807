//! Thousands of polled connections in one gateway: what it takes when none of them is due, and when all are polled.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::PollingOptions;
use crate::error::BenchError;
use crate::gateway::{Launch, Running};
use crate::listing::Listing;
use crate::process::{cpu, rss_bytes};
use crate::rig::{Bench, Folder, free_address};
use crate::stopwatch::{Stopwatch, pause};

/// How often the first scans are looked after.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// After it the requests of one minute are not those of the first scans any more.
const REST: Duration = Duration::from_secs(3);
/// An interval at which nothing is due while it is watched.
const NEVER: Duration = Duration::from_secs(86_400);

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Connections {
    pub connections: usize,
    pub rss_mib: f64,
    /// Of one core, in percent, while nothing is due.
    pub waiting_core_percent: f64,
    /// The same while each is polled once an interval: requests, answers and the store's work included.
    pub polled_core_percent: f64,
    pub polls_per_s: f64,
}

/// # Errors
/// When the gateway fails, or does not read all connections.
pub(super) fn connections(bench: &Bench<'_>, options: &PollingOptions) -> Result<Connections, BenchError> {
    let waiting = watch(bench, options, NEVER)?;
    let polled = watch(bench, options, options.interval)?;
    Ok(Connections {
        connections: options.connections,
        rss_mib: waiting.rss_mib.max(polled.rss_mib),
        waiting_core_percent: waiting.core_percent,
        polled_core_percent: polled.core_percent,
        polls_per_s: polled.polls_per_s,
    })
}

struct Watched {
    rss_mib: f64,
    core_percent: f64,
    polls_per_s: f64,
}

fn watch(bench: &Bench<'_>, options: &PollingOptions, interval: Duration) -> Result<Watched, BenchError> {
    let listing = Listing::start(1)?;
    let folder = Folder::new(bench.scratch)?;
    folder.write("shop.yaml", &listing.manifest())?;
    let launch = Launch {
        config: folder.write("trireme.yaml", &yaml(options.connections, interval))?,
        data: folder.path().join("data"),
        listen: free_address()?,
        log: folder.path().join("gateway.log"),
        store: None,
    };
    let mut gateway = Running::start(bench.launcher, launch)?;
    let scans = options.connections as u64;
    let mut progress = (0, Stopwatch::start());
    while listing.pages_served() < scans {
        pause(LOOK_EVERY);
        gateway.check_alive()?;
        if listing.pages_served() > progress.0 {
            progress = (listing.pages_served(), Stopwatch::start());
        } else if progress.1.elapsed() > bench.patience {
            let answer = format!("{} of {scans} connections were read", progress.0);
            return Err(BenchError::NothingAccepted { answer });
        }
    }
    pause(REST);
    let window = if interval == NEVER { options.window } else { through_one_interval(&listing, options, interval) };
    let (polls, before, began) = (listing.pages_served(), cpu(gateway.pid())?, Stopwatch::start());
    pause(window);
    gateway.check_alive()?;
    let (took, used) = (began.elapsed().as_secs_f64(), cpu(gateway.pid())?.saturating_sub(before).as_secs_f64());
    let watched = Watched {
        rss_mib: rss_bytes(gateway.pid())? as f64 / (1024.0 * 1024.0),
        core_percent: used / took * 100.0,
        polls_per_s: (listing.pages_served() - polls) as f64 / took,
    };
    gateway.kill();
    Ok(watched)
}

/// Waits until the first polls come, and gives how long to look: connections that were scanned one after another are
/// polled one after another, so only a whole interval has all of them in it.
fn through_one_interval(listing: &Listing, options: &PollingOptions, interval: Duration) -> Duration {
    let (scanned, began) = (listing.pages_served(), Stopwatch::start());
    while listing.pages_served() == scanned && began.elapsed() < interval {
        pause(LOOK_EVERY);
    }
    options.window.max(interval)
}

fn yaml(connections: usize, interval: Duration) -> String {
    let mut yaml = format!(
        "sources:\n  shop:\n    connector: ./shop.yaml\n    streams: {{ items: {{ poll: {}s }} }}\n    connections:\n",
        interval.as_secs()
    );
    for number in 0..connections {
        writeln!(yaml, "      c{number}: {{ config: {{ token: t{number} }} }}").expect("a String takes any text");
    }
    yaml.push_str("egress: { allow: [\"127.0.0.0/8\"] }\n");
    yaml
}
