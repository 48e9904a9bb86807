//! How many files and sockets the process may have open: raised as far as it goes, then shared out.

use engine::dispatch::IN_FLIGHT_MAX;
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
}

impl Descriptors {
    /// Raises the limit to the hard one and shares it out. `inbound` is what is wanted for those who call.
    pub fn raise(inbound: usize) -> Self {
        let limit = raised();
        let shared = Self::share(limit, inbound);
        if let Some(limit) = limit.filter(|_| shared.inbound < inbound || shared.outbound < IN_FLIGHT_MAX) {
            tracing::warn!(
                limit,
                connections = shared.inbound,
                deliveries = shared.outbound,
                "few files may be open, so fewer connections are taken and fewer deliveries made at once: \
                 raise the hard limit (ulimit -Hn, LimitNOFILE=) to {}",
                inbound as u64 + u64::from(IN_FLIGHT_MAX) + KEPT_BACK,
            );
        }
        shared
    }

    /// Callers get as large a share of what there is as they would of what is wanted.
    fn share(limit: Option<u64>, inbound: usize) -> Self {
        let wanted = Self { inbound, outbound: IN_FLIGHT_MAX };
        let all = inbound as u64 + u64::from(IN_FLIGHT_MAX);
        let Some(there) = limit.map(|limit| limit.saturating_sub(KEPT_BACK)).filter(|there| *there < all) else {
            return wanted;
        };
        let of_callers = (there * inbound as u64 / all).max(LEAST);
        let of_deliveries = there.saturating_sub(of_callers).max(LEAST);
        Self {
            inbound: usize::try_from(of_callers).unwrap_or(inbound).min(inbound),
            outbound: u32::try_from(of_deliveries).unwrap_or(IN_FLIGHT_MAX).min(IN_FLIGHT_MAX),
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
        for limit in [None, Some(1 << 20), Some(14_096 + KEPT_BACK)] {
            assert_eq!(Descriptors::share(limit, 10_000), Descriptors { inbound: 10_000, outbound: IN_FLIGHT_MAX });
        }
        let usual = Descriptors::share(Some(1_024), 10_000);
        assert!(usual.inbound as u64 + u64::from(usual.outbound) + KEPT_BACK <= 1_024, "{usual:?}");
        assert!(usual.inbound > 600 && usual.outbound > 200, "{usual:?}");
        let least = Descriptors { inbound: 16, outbound: 16 };
        assert_eq!([Descriptors::share(Some(0), 10_000), Descriptors::share(Some(64), 10_000)], [least, least]);
        assert_eq!(Descriptors::share(Some(1_024), 8).inbound, 8);
    }
}
