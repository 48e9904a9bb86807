//! A disk that fills: what is free of the one that holds the store, and how fast it goes.

use std::time::Duration;

use domain::alert::trend::{Looks, disk};
use domain::{Tenant, Timestamp};

use super::Lookout;
use crate::alert::{DISK_FILLING, STORE};
use crate::definition::print_size;
use crate::topology::Topology;

/// The speed is that of so many hours.
const KEPT: Duration = Duration::from_secs(6 * 60 * 60);
/// What is kept free unless the configuration says otherwise: that is as good as full.
const RESERVE_BYTES: u64 = 256 << 20;
const MIB: u64 = 1 << 20;

#[derive(Default)]
pub(super) struct Disks(Looks<u64>);

impl Lookout {
    pub(super) fn look_at_disk(&self, topology: &Topology, known: &mut Disks, now: Timestamp) {
        // A database elsewhere does not say.
        let Some(free) = self.store.stats().disk_free else { return };
        let everyone = Tenant::default_tenant();
        known.0.add(now, free, KEPT);
        let marks = topology.alerting(&everyone).rules.thresholds.disk;
        let found = disk(&known.0, free, RESERVE_BYTES, &marks);
        let detail = || {
            let left = print_size(free / MIB * MIB);
            match free < marks.free_bytes {
                true => format!("{left} are left on the disk of the store"),
                false => format!(
                    "{left} are left on the disk of the store, and at the speed of the last hours it is full soon"
                ),
            }
        };
        self.found(&everyone, DISK_FILLING, STORE.to_owned(), found, detail);
    }
}
