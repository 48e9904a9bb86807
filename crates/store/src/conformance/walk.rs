//! Random steps against a model: whatever is done in whatever order, nothing is lost and no lane is doubled.

use std::collections::{HashMap, HashSet};

use domain::ordering::{Lane, OnDead};
use domain::{DeliveryId, DeliveryState};

use super::world::{Arrange, LEASE, Open, SECOND, Wait, World, as_claimed, name};
use crate::dispatch::Claimed;
use crate::people::{HoldScope, Wish};

/// Chance from a seed, so that a failure comes again.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

struct Walk {
    w: World,
    chance: Chance,
    made: Vec<DeliveryId>,
    lanes: HashMap<DeliveryId, Lane>,
    in_flight: Vec<Claimed>,
}

pub async fn random_steps_lose_nothing_and_double_no_lane(open: impl Open) {
    let mut walk = Walk {
        w: World::new(open).await,
        chance: Chance(20_260_101),
        made: Vec::new(),
        lanes: HashMap::new(),
        in_flight: Vec::new(),
    };
    for _ in 0..700 {
        match walk.chance.below(16) {
            0..=4 => walk.accept().await,
            5..=7 => walk.claim().await,
            8..=11 => walk.settle().await,
            12 => walk.wish().await,
            13 => walk.hold_or_resume().await,
            14 => walk.lapse().await,
            _ => walk.restart().await,
        }
        walk.no_lane_is_doubled();
    }
    walk.drain().await;
    let mut states = HashMap::new();
    for id in &walk.made {
        *states.entry(walk.w.state(*id).await.as_str()).or_insert(0u32) += 1;
    }
    assert!(states.keys().all(|state| ["delivered", "filtered", "dead", "cancelled"].contains(state)), "{states:?}");
    assert_eq!(states.values().sum::<u32>() as usize, walk.made.len());
    assert!(states["delivered"] > 50 && states.len() == 4, "the walk went everywhere: {states:?}");
}

impl Walk {
    async fn accept(&mut self) {
        let subject = format!("orders/{}", self.chance.below(4));
        let mut event = self.w.event().about(&subject);
        if self.chance.below(3) > 0 {
            event = event.version(i64::try_from(self.chance.below(6)).expect("small"));
        }
        for to in ["app", "crm"] {
            let mut delivery = self.w.to(to);
            if self.chance.below(4) > 0 {
                delivery = delivery.in_lane(&event);
            }
            if self.chance.below(2) == 0 {
                delivery = delivery.born(self.w.lease());
            }
            if self.chance.below(12) == 0 {
                delivery = delivery.held();
            }
            self.made.push(delivery.id);
            if let Some(lane) = &delivery.lane {
                self.lanes.insert(delivery.id, lane.clone());
            }
            event = event.owing(delivery);
        }
        let accepted = self.w.accept(event.clone()).await;
        for (id, claim) in accepted.claims {
            self.in_flight.push(as_claimed(&event, id, claim));
        }
    }

    async fn claim(&mut self) {
        let limit = u32::try_from(1 + self.chance.below(4)).expect("small");
        let asks = vec![self.w.ask("app", limit), self.w.ask("crm", limit)];
        for answer in self.w.claim_asks(asks).await {
            assert!(answer.claimed.len() <= limit as usize);
            self.in_flight.extend(answer.claimed);
        }
    }

    async fn settle(&mut self) {
        if self.in_flight.is_empty() {
            return;
        }
        let index = usize::try_from(self.chance.below(self.in_flight.len() as u64)).expect("small");
        let claimed = self.in_flight.swap_remove(index);
        let ends = [
            DeliveryState::Delivered,
            DeliveryState::Delivered,
            DeliveryState::Filtered,
            DeliveryState::Retrying,
            DeliveryState::Pending,
            DeliveryState::Held,
            DeliveryState::Dead,
        ];
        let end = ends[usize::try_from(self.chance.below(ends.len() as u64)).expect("small")];
        let mut settlement = self.w.settlement(&claimed, end);
        settlement.on_dead = if self.chance.below(2) == 0 { OnDead::Block } else { OnDead::Continue };
        let settled = self.w.settle_all(vec![settlement]).await;
        assert!(!settled[0].fenced, "we hold the claim of {}", claimed.id);
        assert_eq!(self.w.state(claimed.id).await, end);
    }

    async fn wish(&mut self) {
        if self.made.is_empty() {
            return;
        }
        let index = usize::try_from(self.chance.below(self.made.len() as u64)).expect("small");
        let (id, tenant) = (self.made[index], self.w.tenant.clone());
        let wishes = if self.chance.below(2) == 0 {
            self.w.store.retry(tenant, vec![id], self.w.now).await
        } else {
            self.w.store.cancel(tenant, vec![id], self.w.now).await
        };
        assert_ne!(wishes.expect("a wish"), [Wish::NotFound]);
        if self.w.state(id).await == DeliveryState::Cancelled {
            self.in_flight.retain(|claimed| claimed.id != id);
        }
    }

    async fn hold_or_resume(&mut self) {
        let scope = HoldScope::Destination(name("app"));
        let limit = u32::try_from(1 + self.chance.below(30)).expect("small");
        let tenant = self.w.tenant.clone();
        if self.chance.below(2) == 0 {
            self.w.store.hold(tenant, scope, limit).await.expect("hold");
        } else {
            self.w.store.resume(tenant, scope, limit).await.expect("resume");
        }
    }

    async fn lapse(&mut self) {
        self.w.pass(LEASE + SECOND);
        self.w.store.rescue_lapsed(self.w.now, 1_000).await.expect("rescue");
        self.in_flight.clear();
    }

    async fn restart(&mut self) {
        self.w.reopen().await;
        self.lapse().await;
    }

    fn no_lane_is_doubled(&self) {
        let mut busy = HashSet::new();
        for claimed in &self.in_flight {
            if let Some(lane) = self.lanes.get(&claimed.id) {
                assert!(busy.insert((claimed.destination.clone(), lane)), "two of {lane:?} are in flight");
            }
        }
    }

    /// Lets everything go and delivers it. Lanes that stand still for a dead one are told to go on.
    async fn drain(&mut self) {
        self.lapse().await;
        for id in self.made.clone() {
            if self.w.state(id).await == DeliveryState::Dead {
                self.w.store.cancel(self.w.tenant.clone(), vec![id], self.w.now).await.expect("cancel");
            }
        }
        for to in ["app", "crm"] {
            let scope = HoldScope::Destination(name(to));
            self.w.store.resume(self.w.tenant.clone(), scope, 10_000).await.expect("resume");
        }
        loop {
            self.claim().await;
            self.no_lane_is_doubled();
            if self.in_flight.is_empty() {
                return;
            }
            for claimed in std::mem::take(&mut self.in_flight) {
                self.w.settle(&claimed, DeliveryState::Delivered).await;
            }
        }
    }
}
