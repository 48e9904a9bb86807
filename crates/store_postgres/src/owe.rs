//! Deliveries as they are made, for events that are being accepted, replayed or retried.

use std::collections::BTreeSet;

use domain::ordering::Lane;
use domain::{DeliveryId, DeliveryState, DestinationName, EventId, ReplayId, RouteName, Tenant, Timestamp, Version};
use store::dispatch::{Claim, Lease};
use store::intake::NewDelivery;
use uuid::Uuid;

use crate::births::{self, Generations, span};
use crate::code::{state_code, version_code};
use crate::failure::Failure;
use crate::lane::{LaneKey, Lanes, Newcomer};
use crate::perform::{Inner, owner_code};
use crate::query::Query;
use crate::session::Session;
use crate::value::{Text, column, params, small};

/// One delivery that is to be made.
#[derive(Clone, Debug)]
pub(crate) struct Owed {
    pub(crate) id: DeliveryId,
    pub(crate) event: EventId,
    pub(crate) route: RouteName,
    pub(crate) destination: DestinationName,
    pub(crate) replay: Option<ReplayId>,
    pub(crate) lane: Option<Lane>,
    pub(crate) version: Option<Version>,
    pub(crate) held: bool,
    pub(crate) claim: Option<Lease>,
    /// It lets all others of its destination go first.
    pub(crate) backfill: bool,
    pub(crate) now: Timestamp,
    /// What it was before, for one that a person retries.
    pub(crate) before: Option<Before>,
    /// It is made with its event, which it shares with no other of its route.
    pub(crate) with_event: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Before {
    pub(crate) created_at: Timestamp,
    pub(crate) generation: i64,
    pub(crate) tried: u32,
    pub(crate) place: Option<i64>,
}

impl Owed {
    pub(crate) fn of(new: &NewDelivery, event: EventId, version: Option<Version>, now: Timestamp) -> Self {
        Self {
            id: new.id,
            event,
            route: new.route.clone(),
            destination: new.destination.clone(),
            replay: None,
            lane: new.lane.clone(),
            version,
            held: new.held,
            claim: new.claim,
            backfill: false,
            now,
            before: None,
            with_event: false,
        }
    }

    fn lane_key(&self) -> Option<LaneKey> {
        let lane = self.lane.clone()?;
        Some(LaneKey { destination: self.destination.clone(), lane })
    }

    /// The lease under which it is claimed at birth and kept so: in the way of nothing, and with nothing in its way.
    pub(crate) fn born_under(&self) -> Option<Lease> {
        self.claim.filter(|_| self.with_event && self.lane.is_none() && !self.held && !self.backfill)
    }
}

/// What became of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    Claimed(Claim),
    /// Due, and nobody's; or behind one that became due for it.
    Waiting,
    /// Held, or behind another of its lane.
    Quiet,
}

/// One as its row will be.
struct Row {
    owed: Owed,
    state: DeliveryState,
    claim: Option<(Claim, Lease)>,
    place: Option<i64>,
    behind: bool,
    /// It waits behind a backfilled one, which goes first for it.
    hurries: bool,
}

/// Makes deliveries of one tenant: claimed at birth where that was asked for and nothing is in the way. They are
/// written with the commit.
pub(crate) async fn make(
    session: &Session,
    inner: &Inner,
    tenant: &Tenant,
    owed: Vec<Owed>,
) -> Result<Vec<Made>, Failure> {
    let Some(now) = owed.iter().map(|one| one.now).max() else { return Ok(Vec::new()) };
    let keys: BTreeSet<LaneKey> = owed.iter().filter_map(Owed::lane_key).collect();
    let mut lanes = Lanes::lock(session, tenant, keys, now).await?;
    lanes.read_heads(session).await?;
    let mut generations = Generations::new(inner);
    let rows: Vec<Row> = owed
        .into_iter()
        .map(|one| {
            let generation = generations.next(&one);
            place(&mut lanes, one, generation)
        })
        .collect();
    let made = rows.iter().map(Row::made).collect();
    let claimed = rows.iter().filter_map(|row| row.claim.map(|(claim, _)| (row.owed.id.uuid(), claim)));
    session.claims(tenant, claimed);
    let (born, open): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.owed.born_under().is_some());
    let born: Vec<_> = born.into_iter().filter_map(Row::born).collect();
    births::write(session, inner, tenant, &born);
    write(session, inner, tenant, &open);
    lanes.write(session);
    Ok(made)
}

fn place(lanes: &mut Lanes, mut owed: Owed, generation: i64) -> Row {
    let key = owed.lane_key();
    owed.version = owed.lane.as_ref().and_then(|lane| lane.version_of(owed.version));
    let newcomer = Newcomer {
        id: owed.id.uuid(),
        version: owed.version,
        place: owed.before.and_then(|before| before.place),
        backfill: owed.backfill,
    };
    let standing = key.as_ref().map(|key| lanes.enter(key, newcomer, owed.now));
    let behind = standing.is_some_and(|standing| standing.behind);
    let stale = standing.is_some_and(|standing| standing.stale);
    let hurries = standing.is_some_and(|standing| standing.hurries);
    owed.backfill &= standing.is_none_or(|standing| standing.alone);
    let lease = owed.claim.filter(|_| !owed.held && !behind && !stale);
    let claim = lease.map(|lease| (Claim { owner: lease.owner, generation: generation.cast_unsigned() }, lease));
    if let (Some(_), Some(key)) = (claim, &key) {
        lanes.touch(key, owed.id.uuid());
    }
    let state = match claim {
        Some(_) => DeliveryState::InFlight,
        None if owed.held => DeliveryState::Held,
        None => DeliveryState::Pending,
    };
    Row { owed, state, claim, place: standing.map(|standing| standing.place), behind, hurries }
}

impl Row {
    fn made(&self) -> Made {
        match self.claim {
            Some((claim, _)) => Made::Claimed(claim),
            None if self.state == DeliveryState::Pending && (!self.behind || self.hurries) => Made::Waiting,
            None => Made::Quiet,
        }
    }

    fn born(&self) -> Option<(&Owed, Lease, i64)> {
        self.claim.map(|(claim, lease)| (&self.owed, lease, claim.generation.cast_signed()))
    }

    fn generation(&self) -> i64 {
        let before = self.owed.before.map_or(0, |before| before.generation);
        self.claim.map_or(before, |(claim, _)| claim.generation.cast_signed())
    }
}

fn write(session: &Session, inner: &Inner, tenant: &Tenant, rows: &[&Row]) {
    if rows.is_empty() {
        return;
    }
    let clock = inner.lease_time(Timestamp::EPOCH).1;
    let row = params![
        Text::from(tenant.as_str()),
        column(rows, |row| row.owed.id.uuid()),
        column(rows, |row| row.owed.event.uuid()),
        column(rows, |row| row.owed.replay.map_or(Uuid::nil(), ReplayId::uuid)),
        column(rows, |row| row.owed.before.map_or(row.owed.now, |before| before.created_at).as_micros()),
        column(rows, |row| row.owed.now.as_micros()),
        column(rows, |row| row.generation()),
        column(rows, |row| row.claim.map(|(claim, _)| owner_code(claim.owner))),
        column(rows, |row| inner.lease_time(row.owed.now).0),
        column(rows, |row| row.claim.map(|(_, lease)| span(lease))),
        column(rows, |row| row.place),
        column(rows, |row| version_code(row.owed.version).0),
        column(rows, |row| version_code(row.owed.version).1),
        column(rows, |row| state_code(row.state)),
        column(rows, |row| row.behind),
        column(rows, |row| row.owed.before.map_or(0, |before| small(before.tried))),
        column(rows, |row| Text::from(&row.owed.route)),
        column(rows, |row| Text::from(&row.owed.destination)),
        column(rows, |row| row.owed.lane.as_ref().map(|lane| Text::from(lane.as_str()))),
        clock,
        column(rows, |row| row.owed.backfill),
    ];
    session.later(Query::insert_open, row);
}
