//! What the store's own work costs for one event: the part of the ideal that only the store can tell.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use bench::calibration::StoreCost;
use bench::stopwatch::thread_cpu;
use bytes::Bytes;
use domain::identity::{MessageIdentity, message_key};
use domain::ordering::OnDead;
use domain::{AttemptId, DeliveryId, DeliveryState, Event, EventId, Tenant, Timestamp};
use engine::entropy::{SeededEntropy, uuid_v7};
use store::dispatch::{Attempt, Claim, Dispatch, Lease, Owner, Settlement};
use store::intake::{AcceptGroup, Intake, NewDelivery, NewEvent};
use store_sqlite::{OpenOptions, SqliteStore};

/// Events of one transaction: more than 64 senders that wait for their answers ever fill, because this is the ideal.
const BATCH: usize = 256;
/// Enough for the log to be folded back several times.
const BATCHES: usize = 128;
/// As the scenarios send them.
const PAYLOAD_BYTES: usize = 1_024;

type Failed = Box<dyn Error + Send + Sync>;

/// Writes and settles batches on a store in `folder` whose verbs run on this thread.
pub fn measure(folder: &Path) -> Result<StoreCost, Failed> {
    let file = folder.join(format!("store-cost-{}.db", std::process::id()));
    let measured = measure_file(&file);
    for suffix in ["", "-wal", "-shm", ".lock"] {
        let mut path = file.clone().into_os_string();
        path.push(suffix);
        // A leftover in a temporary folder is no reason to lose a measurement.
        let _ = std::fs::remove_file(path);
    }
    measured
}

fn measure_file(file: &Path) -> Result<StoreCost, Failed> {
    let store = SqliteStore::open(OpenOptions::file(file).inline())?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let mut making = Making { entropy: SeededEntropy::new(1), now: Timestamp::from_secs(1_767_225_600) };
    let (mut writing, mut settling) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..BATCHES {
        let groups = (0..BATCH).map(|_| making.group()).collect();
        let started = thread_cpu();
        let accepted = runtime.block_on(store.accept(groups, making.now))?;
        writing += thread_cpu() - started;
        let mut settlements = Vec::with_capacity(BATCH);
        for answer in accepted {
            let claims = answer?.into_iter().flat_map(|accepted| accepted.claims);
            settlements.extend(claims.map(|(id, claim)| making.settlement(id, claim)));
        }
        if settlements.len() != BATCH {
            return Err("the store granted fewer claims than were asked for".into());
        }
        let started = thread_cpu();
        runtime.block_on(store.settle(settlements, making.now))?;
        settling += thread_cpu() - started;
    }
    let of_one = |time: Duration| time.as_secs_f64() * 1e6 / (BATCHES * BATCH) as f64;
    Ok(StoreCost { write_us: of_one(writing), settle_us: of_one(settling) })
}

/// Makes events as the throughput scenario has them: one source, one destination, an id each.
struct Making {
    entropy: SeededEntropy,
    now: Timestamp,
}

impl Making {
    fn group(&mut self) -> AcceptGroup {
        self.now = self.now + Duration::from_micros(30);
        let name = "a plain word is a name";
        let id = EventId::from_uuid(uuid_v7(&self.entropy, self.now));
        let event = Event {
            event_type: "bench".into(),
            content_type: "application/json".into(),
            payload: Bytes::from(vec![b'x'; PAYLOAD_BYTES]),
            ..Event::bare(id, "bench".parse().expect(name), self.now)
        };
        let (route, sink) = ("bench-sink".parse().expect(name), "sink".parse().expect(name));
        let delivery = DeliveryId::from_uuid(uuid_v7(&self.entropy, self.now));
        let claim = Some(Lease { owner: Owner(1), span: Duration::from_secs(60) });
        let delivery = NewDelivery { claim, ..NewDelivery::by(delivery, route, sink) };
        let identity = message_key(&event.scope(), &MessageIdentity::Id(&id.to_string()));
        let event =
            NewEvent { identities: identity.into_iter().collect(), deliveries: vec![delivery], ..NewEvent::of(event) };
        AcceptGroup { events: vec![event], request: None }
    }

    fn settlement(&self, id: DeliveryId, claim: Claim) -> Settlement {
        let attempt = Attempt {
            id: AttemptId::from_uuid(uuid_v7(&self.entropy, self.now)),
            number: 1,
            started_at: self.now,
            duration_us: 300,
            outcome: "delivered".into(),
            status: Some(200),
            error: None,
            connect_us: None,
            first_byte_us: Some(250),
            peer: Some("127.0.0.1:9000".to_owned()),
            response: Bytes::new(),
        };
        Settlement {
            tenant: Tenant::default_tenant(),
            id,
            claim,
            state: DeliveryState::Delivered,
            due: self.now,
            attempts: 1,
            attempt: Some(attempt),
            cause: None,
            on_dead: OnDead::Continue,
            sent_version: None,
            ordered: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_parts_cost_something_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        let cost = measure(folder.path()).expect("measured");
        assert!(cost.write_us > 0.0 && cost.settle_us > 0.0, "{cost:?}");
        assert_eq!(std::fs::read_dir(folder.path()).expect("it is there").count(), 0);
    }
}
