//! What changes hands between nodes: destinations that this node takes charge of, leaves, or hands over as it ends.

use domain::delivery::waiting;
use domain::{DeliveryId, Tenant, Timestamp};
use tokio::sync::oneshot;

use super::desk::Desk;
use super::{Dispatcher, enter_ring};
use crate::work::{DestinationKey, Settling, Work};

impl Dispatcher {
    pub(super) fn charged(&mut self, key: DestinationKey) {
        let now = self.clock.now();
        if let Some(desk) = self.desks.get_mut(&key) {
            desk.take_charge(now);
            enter_ring(&mut self.ring, key.clone(), desk);
            self.hungry.push(key);
        }
    }

    pub(super) fn leave(&mut self, key: &DestinationKey, left: oneshot::Sender<()>) {
        let now = self.clock.now();
        // Without a desk nothing is under way: dropping the sender says so too.
        let Some(desk) = self.desks.get_mut(key) else { return };
        let queue = desk.queue.take();
        desk.leave(left);
        self.give_back(queue, now);
    }

    pub(super) fn queued(&self) -> Vec<(Tenant, DeliveryId)> {
        let of = |(key, desk): (&DestinationKey, &Desk)| {
            let tenant = key.tenant.clone();
            desk.queue.iter().map(move |work| (tenant.clone(), work.id)).collect::<Vec<_>>()
        };
        self.desks.iter().flat_map(of).collect()
    }

    /// Other nodes go on at once with what waits in memory.
    pub(super) fn give_back_when_draining(&mut self, now: Timestamp) {
        while self.draining && self.tenure.is_shared() {
            let Some(key) = self.ring.pop_front() else { break };
            let Some(desk) = self.desks.get_mut(&key) else { continue };
            desk.in_ring = false;
            let queue = desk.queue.take();
            self.give_back(queue, now);
        }
    }

    /// Nothing that the store was asked for is still to come: other nodes would have to wait until its lease is over.
    pub(super) fn is_answered(&self) -> bool {
        self.claiming.is_none() || !self.tenure.is_shared()
    }

    /// Another node is in charge of its destination, or will be: what waits in memory waits in the store instead.
    pub(super) fn give_back(&self, queue: impl Iterator<Item = Work>, now: Timestamp) {
        for work in queue {
            let state = waiting(work.attempts);
            let _ = self.settler.send(Settling::put_back_work(work, state, now));
        }
    }
}
