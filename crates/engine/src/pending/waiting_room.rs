//! How many requests of a source may wait for their keys. Anybody may name a key that nobody can fetch, and what waits
//! was answered 2xx and is never dropped: so the sender is asked to come back once there is no room.
//!
//! Counted in the store now and then, and from there in memory: it is right after a restart, and on several nodes
//! soon after another one took some in.

use std::sync::Arc;
use std::time::Duration;

use domain::request::InboundRequest;
use domain::{SourceName, Tenant, Timestamp};
use rustc_hash::FxHashMap;
use store::intake::Waiting;
use store::intake::kept::size;
use store::{Store, StoreError};
use tokio::sync::Mutex;

use crate::clock::SharedClock;

/// Most requests of one source that wait: all of them are judged again within half an hour.
const COUNT_MAX: u64 = 10_000;
/// The same in bytes, because each may have a body of `limits.body`.
const BYTES_MAX: u64 = 256 * 1024 * 1024;
/// How long a count is gone by: a flood is not counted for each of its requests, and what was judged makes room soon.
const COUNTED_FOR: Duration = Duration::from_secs(10);

pub(crate) struct WaitingRoom {
    store: Arc<dyn Store>,
    clock: SharedClock,
    /// Held while it is counted, so that all who come meanwhile go by the same count.
    counted: Mutex<FxHashMap<(Tenant, SourceName), Counted>>,
}

struct Counted {
    at: Timestamp,
    waiting: Waiting,
}

impl WaitingRoom {
    pub fn new(store: Arc<dyn Store>, clock: SharedClock) -> Self {
        Self { store, clock, counted: Mutex::default() }
    }

    /// Whether there is room for one more; if so, it is counted as there.
    pub async fn takes(&self, request: &InboundRequest) -> Result<bool, StoreError> {
        let key = (request.tenant.clone(), request.source.clone());
        let mut all = self.counted.lock().await;
        let now = self.clock.now();
        let is_fresh = |counted: &Counted| now.since(counted.at) < COUNTED_FOR;
        let waiting = match all.get(&key).filter(|counted| is_fresh(counted)) {
            Some(counted) => counted.waiting,
            None => {
                let waiting = self.store.waiting(key.0.clone(), key.1.clone()).await?;
                all.insert(key.clone(), Counted { at: now, waiting });
                waiting
            }
        };
        let Some(more) = with_one_more(waiting, size(request, &request.body)) else { return Ok(false) };
        if let Some(counted) = all.get_mut(&key) {
            counted.waiting = more;
        }
        Ok(true)
    }
}

/// `None`: there is no room for it.
fn with_one_more(waiting: Waiting, bytes: u64) -> Option<Waiting> {
    let more = Waiting { count: waiting.count + 1, bytes: waiting.bytes.saturating_add(bytes) };
    (more.count <= COUNT_MAX && more.bytes <= BYTES_MAX).then_some(more)
}

/// What a person is told once there is no room.
pub(crate) fn full(request: &InboundRequest) -> String {
    format!(
        "so many requests to source '{}' wait for keys that cannot be fetched that no more are kept ({COUNT_MAX}, or {} MiB); their senders are asked to come back",
        request.source,
        BYTES_MAX / 1024 / 1024
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_until_the_count_or_the_bytes_are_reached() {
        let waiting = |count, bytes| Waiting { count, bytes };
        for (there, bytes, room) in [
            (waiting(0, 0), 25 * 1024 * 1024, true),
            (waiting(COUNT_MAX - 1, 0), 2, true),
            (waiting(COUNT_MAX, 0), 2, false),
            (waiting(10, BYTES_MAX - 2), 2, true),
            (waiting(10, BYTES_MAX - 2), 3, false),
            (waiting(10, u64::MAX), 2, false),
        ] {
            let more = with_one_more(there, bytes);
            assert_eq!(more.is_some(), room, "{there:?} and {bytes}");
            assert!(more.is_none_or(|more| more == waiting(there.count + 1, there.bytes + bytes)));
        }
    }
}
