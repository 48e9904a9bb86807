//! How many connections there may be, of all and of one address.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashMap;
use tokio::net::TcpStream;

use crate::app::Limits;
use crate::peer::Peer;
use crate::telemetry;

#[derive(Clone)]
pub struct Crowd(Arc<Shared>);

struct Shared {
    max: usize,
    per_ip_max: usize,
    present: Mutex<Present>,
}

#[derive(Default)]
struct Present {
    all: usize,
    by_ip: FxHashMap<IpAddr, usize>,
}

impl Crowd {
    pub fn new(limits: &Limits) -> Self {
        Self(Arc::new(Shared {
            max: limits.connections_max,
            per_ip_max: limits.connections_per_ip_max,
            present: Mutex::default(),
        }))
    }

    /// A place for one more connection. Trusted proxies stand for many clients and are not counted by address.
    pub fn admit(&self, peer: &Peer) -> Option<CrowdPlace> {
        let ip = (!peer.trusted).then_some(peer.ip);
        self.0
            .with(|present| {
                let of_ip = ip.map_or(0, |ip| present.by_ip.get(&ip).copied().unwrap_or(0));
                if present.all >= self.0.max || of_ip >= self.0.per_ip_max {
                    return false;
                }
                present.all += 1;
                if let Some(ip) = ip {
                    present.by_ip.insert(ip, of_ip + 1);
                }
                true
            })
            .then(|| CrowdPlace { crowd: self.clone(), ip })
    }
}

impl Shared {
    fn with<T>(&self, change: impl FnOnce(&mut Present) -> T) -> T {
        // Counts are changed in one go: a panic elsewhere cannot leave them half changed.
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut present);
        telemetry::connections(present.all);
        result
    }
}

/// The place of one connection, given back when dropped.
pub struct CrowdPlace {
    crowd: Crowd,
    ip: Option<IpAddr>,
}

impl Drop for CrowdPlace {
    fn drop(&mut self) {
        self.crowd.0.with(|present| {
            present.all -= 1;
            let Some(ip) = self.ip else { return };
            if let Some(count) = present.by_ip.get_mut(&ip) {
                *count -= 1;
                if *count == 0 {
                    present.by_ip.remove(&ip);
                }
            }
        });
    }
}

/// Tells a connection that there is no place for it, if that can be done at once, and lets it go.
pub fn turn_away(stream: &TcpStream) {
    telemetry::connection_refused();
    const FULL: &[u8] =
        b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    // Nobody is owed more: a fresh socket takes these bytes, and if not, the connection just ends.
    let _ = stream.try_write(FULL);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_in_all_and_per_address_and_given_back() {
        let limits = Limits { connections_max: 4, connections_per_ip_max: 2, ..Limits::default() };
        let crowd = Crowd::new(&limits);
        let proxies = ["10.0.0.0/8".parse().expect("a range")];
        let peer = |text: &str| Peer::new(text.parse().expect("an address"), &proxies);
        let one = [crowd.admit(&peer("192.0.2.1")), crowd.admit(&peer("192.0.2.1"))];
        assert!(one.iter().all(Option::is_some));
        assert!(crowd.admit(&peer("192.0.2.1")).is_none(), "an address has two");
        let proxied = [crowd.admit(&peer("10.0.0.1")), crowd.admit(&peer("10.0.0.1"))];
        assert!(proxied.iter().all(Option::is_some));
        assert!(crowd.admit(&peer("10.0.0.1")).is_none(), "all have four");
        drop((one, proxied));
        let again: Vec<_> = (0..4).filter_map(|_| crowd.admit(&peer("10.0.0.1"))).collect();
        assert_eq!(again.len(), 4);
        drop(again);
        assert!(crowd.0.with(|present| present.by_ip.is_empty() && present.all == 0));
    }
}
