//! What a gateway takes that has many connectors, each of which was asked once and none of which is asked now.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::ReadingOptions;
use crate::error::BenchError;
use crate::gateway::{Launch, Running};
use crate::listing::Listing;
use crate::probe;
use crate::process::rss_bytes;
use crate::rig::{Bench, Folder, free_address};
use crate::stopwatch::pause;

/// How long it is left alone before it is looked at.
const REST: Duration = Duration::from_secs(2);

#[derive(Clone, Debug, Serialize)]
pub struct IdleConnectors {
    pub connectors: usize,
    /// When none was asked yet.
    pub loaded_rss_mib: f64,
    /// When each was asked once.
    pub rss_mib: f64,
}

/// # Errors
/// When the gateway fails, or a connector cannot be asked.
pub(super) fn idle_connectors(bench: &Bench<'_>, options: &ReadingOptions) -> Result<IdleConnectors, BenchError> {
    let listing = Listing::start(1)?;
    let folder = Folder::new(bench.scratch)?;
    let mut yaml = String::from("sources:\n");
    for number in 0..options.connectors {
        // Each is another text, as with connectors of different sources.
        let manifest = format!("# {number}\n{}", listing.manifest_of(options.connector_bytes));
        folder.write(&format!("c{number}.yaml"), &manifest)?;
        writeln!(
            yaml,
            "  c{number}: {{ connector: ./c{number}.yaml, connections: {{ default: {{ config: {{ token: t{number} }} }} }} }}"
        )
        .expect("a String takes any text");
    }
    yaml.push_str("egress: { allow: [\"127.0.0.0/8\"] }\n");
    let launch = Launch {
        config: folder.write("trireme.yaml", &yaml)?,
        data: folder.path().join("data"),
        listen: free_address()?,
        log: folder.path().join("gateway.log"),
        store: None,
    };
    let mut gateway = Running::start(bench.launcher, launch)?;
    let loaded_rss_mib = mib(&gateway)?;
    for number in 0..options.connectors {
        let path = format!("/api/v1/sources/c{number}/connections/default/streams/items/records?limit=1");
        let answer = probe::get_with_key(gateway.address(), &path, bench.admin_key);
        match answer.map_err(BenchError::io("ask a connector"))? {
            (200, _) => {}
            (status, body) => return Err(BenchError::NothingAccepted { answer: format!("{status} {body}") }),
        }
    }
    pause(REST);
    gateway.check_alive()?;
    let rss_mib = mib(&gateway)?;
    gateway.kill();
    Ok(IdleConnectors { connectors: options.connectors, loaded_rss_mib, rss_mib })
}

fn mib(gateway: &Running) -> Result<f64, BenchError> {
    Ok(rss_bytes(gateway.pid())? as f64 / (1024.0 * 1024.0))
}
