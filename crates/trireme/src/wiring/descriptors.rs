//! How many files and sockets the process may have open: raised as far as it goes, then shared out.

use engine::dispatch::IN_FLIGHT_MAX;
use engine::transport::PoolLimits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// For the store, its readers and log, the listeners, name lookups and whatever else is open for a moment.
const KEPT_BACK: u64 = 128;
/// However little there is, so many of each: with fewer nothing could be served.
const LEAST: u64 = 16;

/// What connections there may be at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptors {
    pub inbound: usize,
    /// Deliveries under way: each holds a socket.
    pub outbound: u32,
    /// Sockets to destinations and sources that wait for their next use.
    pub idle: usize,
}

impl Descriptors {
    /// Raises the limit to the hard one and shares it out. `inbound` is what is wanted for those who call.
    pub fn raise(inbound: usize) -> Self {
        let limit = raised();
        let (shared, wanted) = (Self::share(limit, inbound), Self::wanted(inbound));
        if let Some(limit) = limit.filter(|_| shared != wanted) {
            tracing::warn!(
                limit,
                connections = shared.inbound,
                deliveries = shared.outbound,
                kept = shared.idle,
                "few files may be open, so fewer connections are taken and kept and fewer deliveries made at once: \
                 raise the hard limit (ulimit -Hn, LimitNOFILE=) to {}",
                wanted.all() + KEPT_BACK,
            );
        }
        shared
    }

    fn wanted(inbound: usize) -> Self {
        Self { inbound, outbound: IN_FLIGHT_MAX, idle: PoolLimits::IDLE_MAX }
    }

    fn all(self) -> u64 {
        self.inbound as u64 + u64::from(self.outbound) + self.idle as u64
    }

    /// Each gets as large a share of what there is as it would of what is wanted.
    fn share(limit: Option<u64>, inbound: usize) -> Self {
        let wanted = Self::wanted(inbound);
        let all = wanted.all();
        let Some(there) = limit.map(|limit| limit.saturating_sub(KEPT_BACK)).filter(|there| *there < all) else {
            return wanted;
        };
        let of = |part: u64| (there * part / all).max(LEAST).min(part);
        let (of_callers, of_deliveries) = (of(inbound as u64), of(u64::from(IN_FLIGHT_MAX)));
        // What is left, since any of them can be done without.
        let idle = there.saturating_sub(of_callers + of_deliveries).max(1);
        Self {
            inbound: usize::try_from(of_callers).unwrap_or(inbound),
            outbound: u32::try_from(of_deliveries).unwrap_or(IN_FLIGHT_MAX),
            idle: usize::try_from(idle).unwrap_or(wanted.idle).min(wanted.idle),
        }
    }
}

/// The soft limit after it was raised; `None`: there is none.
fn raised() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        Err(error) => {
            tracing::warn!(%error, "the number of files that may be open could not be raised");
            current
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_is_shared_out_and_never_more() {
        let wanted = Descriptors { inbound: 10_000, outbound: IN_FLIGHT_MAX, idle: PoolLimits::IDLE_MAX };
        for limit in [None, Some(1 << 20), Some(wanted.all() + KEPT_BACK)] {
            assert_eq!(Descriptors::share(limit, 10_000), wanted);
        }
        for limit in [200, 364, 1_024, 5_000, 15_000] {
            let shared = Descriptors::share(Some(limit), 10_000);
            assert!(shared.all() + KEPT_BACK <= limit, "{limit}: {shared:?}");
        }
        let usual = Descriptors::share(Some(1_024), 10_000);
        assert!(usual.inbound > 550 && usual.outbound > 200 && usual.idle > 50, "{usual:?}");
        let least = Descriptors { inbound: 16, outbound: 16, idle: 1 };
        assert_eq!([Descriptors::share(Some(0), 10_000), Descriptors::share(Some(64), 10_000)], [least, least]);
        assert_eq!(Descriptors::share(Some(1_024), 8).inbound, 8);
    }
}
