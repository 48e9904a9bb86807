//! Lanes: who is the head, who waits behind it, and who goes next. Whoever changes a lane has locked its row, so that
//! what is decided here in memory is what the database has until the commit.

use std::collections::{BTreeMap, BTreeSet};

use domain::ordering::{Lane, OnDead, goes_before, is_stale};
use domain::{DeliveryState, DestinationName, Tenant, Timestamp, Version};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::code::{state_of, version_code};
use crate::failure::Failure;
use crate::query::Query;
use crate::row::{cell, small, version};
use crate::session::Session;
use crate::value::{Text, column, params};

/// A lane within its tenant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LaneKey {
    pub(crate) destination: DestinationName,
    pub(crate) lane: Lane,
}

/// The head of a lane, as far as it decides who goes first.
#[derive(Clone, Copy, Debug)]
struct Head {
    place: i64,
    version: Option<Version>,
    /// Waits, was never tried, and nobody is about to: only then another may go before it.
    untouched: bool,
    backfill: bool,
}

#[derive(Clone, Debug, Default)]
struct LaneRow {
    head: Option<Uuid>,
    /// What is known of an open head.
    head_row: Option<Head>,
    /// The head is dead, and the others wait for a person.
    blocked: bool,
    last: i64,
    sent: Option<Version>,
    used_at: i64,
    changed: bool,
}

/// Where a delivery stands in its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) place: i64,
    pub(crate) behind: bool,
    /// A later version was sent already.
    pub(crate) stale: bool,
    /// Nobody is before it, and nobody waits behind it.
    pub(crate) alone: bool,
    /// It waits behind a backfilled one, which goes first for it.
    pub(crate) hurries: bool,
}

/// One that enters a lane.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Newcomer {
    pub(crate) id: Uuid,
    pub(crate) version: Option<Version>,
    /// The place it had before, if it was in the lane before.
    pub(crate) place: Option<i64>,
    pub(crate) backfill: bool,
}

/// Lanes of one tenant that this transaction has locked.
pub(crate) struct Lanes {
    tenant: Text,
    rows: BTreeMap<LaneKey, LaneRow>,
    /// Heads that were overtaken.
    overtaken: Vec<Uuid>,
    /// Backfilled heads behind which one waits that is not.
    hurried: Vec<Uuid>,
}

impl Lanes {
    /// Locks lanes, and makes those that are not there.
    pub(crate) async fn lock(
        session: &Session,
        tenant: &Tenant,
        keys: BTreeSet<LaneKey>,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let mut lanes =
            Self { tenant: tenant.as_str().into(), rows: BTreeMap::new(), overtaken: Vec::new(), hurried: Vec::new() };
        if keys.is_empty() {
            return Ok(lanes);
        }
        let keys: Vec<LaneKey> = keys.into_iter().collect();
        lanes.lock_rows(session, &keys).await?;
        let missing: Vec<LaneKey> = keys.into_iter().filter(|key| !lanes.rows.contains_key(key)).collect();
        if !missing.is_empty() {
            session
                .execute(
                    Query::insert_lanes,
                    params![lanes.tenant.clone(), destinations(&missing), texts(&missing), now.as_micros()],
                )
                .await?;
            lanes.lock_rows(session, &missing).await?;
        }
        Ok(lanes)
    }

    async fn lock_rows(&mut self, session: &Session, keys: &[LaneKey]) -> Result<(), Failure> {
        let found =
            session.rows(Query::lock_lanes, params![self.tenant.clone(), destinations(keys), texts(keys)]).await?;
        for row in &found {
            let (key, lane) = read(row)?;
            self.rows.insert(key, lane);
        }
        Ok(())
    }

    /// Reads and locks the open heads: needed by whoever may overtake one.
    pub(crate) async fn read_heads(&mut self, session: &Session) -> Result<(), Failure> {
        let heads: Vec<Uuid> = self.rows.values().filter_map(|row| row.head.filter(|_| !row.blocked)).collect();
        if heads.is_empty() {
            return Ok(());
        }
        let found = session.rows(Query::lane_heads, params![self.tenant.clone(), heads]).await?;
        let mut read = BTreeMap::new();
        for row in &found {
            read.insert(cell::<Uuid>(row, 0)?, head(row)?);
        }
        for lane in self.rows.values_mut() {
            lane.head_row = lane.head.and_then(|id| read.get(&id).copied());
        }
        Ok(())
    }

    /// Puts a delivery into its lane: at its head if there is none or one that goes later, else behind it.
    pub(crate) fn enter(&mut self, key: &LaneKey, newcomer: Newcomer, now: Timestamp) -> Standing {
        let Some(row) = self.rows.get_mut(key) else {
            // Not reached: every lane that is entered was locked, and so made.
            return Standing { place: 1, behind: false, stale: false, alone: true, hurries: false };
        };
        let place = newcomer.place.unwrap_or(row.last + 1);
        row.last = row.last.max(place);
        row.changed = true;
        let behind = match (row.head, row.head_row) {
            (Some(head), _) if head == newcomer.id => false,
            (Some(_), _) if row.blocked => true,
            (Some(head), Some(known)) => {
                let overtakes = known.untouched && goes_before((newcomer.version, place), (known.version, known.place));
                if overtakes {
                    self.overtaken.push(head);
                }
                !overtakes
            }
            // A head that is there no more holds nobody up.
            (Some(_), None) | (None, _) => false,
        };
        let alone = row.head.is_none();
        let slow = row.head.filter(|_| behind && !newcomer.backfill && row.head_row.is_some_and(|head| head.backfill));
        if let Some(head) = slow {
            self.hurried.push(head);
            row.head_row = row.head_row.map(|head| Head { backfill: false, ..head });
        }
        if !behind {
            row.head = Some(newcomer.id);
            row.blocked = false;
            let backfill = newcomer.backfill && alone;
            row.head_row = Some(Head { place, version: newcomer.version, untouched: true, backfill });
            row.used_at = now.as_micros();
        }
        Standing { place, behind, stale: is_stale(newcomer.version, row.sent), alone, hurries: slow.is_some() }
    }

    /// The head was claimed in this transaction: nobody overtakes it any more.
    pub(crate) fn touch(&mut self, key: &LaneKey, id: Uuid) {
        if let Some(row) = self.rows.get_mut(key).filter(|row| row.head == Some(id)) {
            row.head_row = row.head_row.map(|head| Head { untouched: false, ..head });
        }
    }

    /// A delivery of this lane was settled: notes what was sent. Gives whether its turn is over.
    pub(crate) fn settled(
        &mut self,
        key: &LaneKey,
        id: Uuid,
        (state, on_dead): (DeliveryState, OnDead),
        sent: Option<Version>,
        now: Timestamp,
    ) -> bool {
        let Some(row) = self.rows.get_mut(key) else { return false };
        if let Some(version) = sent.filter(|sent| is_later(*sent, row.sent)) {
            row.sent = Some(version);
            row.used_at = now.as_micros();
            row.changed = true;
        }
        if row.head != Some(id) || state.is_open() {
            return false;
        }
        if state == DeliveryState::Dead && on_dead == OnDead::Block {
            row.blocked = true;
            row.changed = true;
            return false;
        }
        true
    }

    pub(crate) fn is_head(&self, key: &LaneKey, id: Uuid) -> bool {
        self.rows.get(key).is_some_and(|row| row.head == Some(id))
    }

    /// Lets the next of these lanes go. Gives those whose next became due.
    pub(crate) async fn advance(
        &mut self,
        session: &Session,
        left: &[LaneKey],
        now: Timestamp,
    ) -> Result<BTreeSet<LaneKey>, Failure> {
        let mut moved = BTreeSet::new();
        if left.is_empty() {
            return Ok(moved);
        }
        let lanes = params![self.tenant.clone(), destinations(left), texts(left)];
        let found = session.rows(Query::next_of_lanes, lanes).await?;
        let mut next = BTreeMap::new();
        for row in &found {
            next.insert(key(row, 5)?, (cell::<Uuid>(row, 0)?, head(row)?, state_of(cell(row, 2)?)?));
        }
        for key in left {
            let Some(row) = self.rows.get_mut(key) else { continue };
            let first = next.get(key);
            (row.head, row.head_row) = (first.map(|first| first.0), first.map(|first| first.1));
            (row.blocked, row.changed, row.used_at) = (false, true, now.as_micros());
            if first.is_some_and(|first| first.2 != DeliveryState::Held) {
                moved.insert(key.clone());
            }
        }
        let promoted: Vec<Uuid> = next.values().map(|next| next.0).collect();
        session.later(Query::promote, params![self.tenant.clone(), promoted, now.as_micros()]);
        Ok(moved)
    }

    /// Leaves what changed to be written with the commit, after the deliveries that this is about.
    pub(crate) fn write(self, session: &Session) {
        if !self.overtaken.is_empty() {
            session.later(Query::set_behind, params![self.tenant.clone(), self.overtaken]);
        }
        if !self.hurried.is_empty() {
            session.later(Query::hurry, params![self.tenant.clone(), self.hurried]);
        }
        let changed: Vec<(LaneKey, LaneRow)> = self.rows.into_iter().filter(|(_, row)| row.changed).collect();
        if changed.is_empty() {
            return;
        }
        let row = params![
            self.tenant,
            column(&changed, |(key, _)| Text::from(key.destination.as_str())),
            column(&changed, |(key, _)| Text::from(key.lane.as_str())),
            column(&changed, |(_, row)| row.head),
            column(&changed, |(_, row)| row.blocked),
            column(&changed, |(_, row)| row.last),
            column(&changed, |(_, row)| version_code(row.sent).0),
            column(&changed, |(_, row)| version_code(row.sent).1),
            column(&changed, |(_, row)| row.used_at),
        ];
        session.later(Query::put_lanes, row);
    }
}

/// Whether a version was sent that is later than what was, or of another kind.
fn is_later(sent: Version, before: Option<Version>) -> bool {
    before.is_none_or(|before| before.partial_cmp(&sent).is_none_or(std::cmp::Ordering::is_lt))
}

fn destinations(keys: &[LaneKey]) -> Vec<Text> {
    column(keys, |key| Text::from(key.destination.as_str()))
}

fn texts(keys: &[LaneKey]) -> Vec<Text> {
    column(keys, |key| Text::from(key.lane.as_str()))
}

fn key(row: &Row, at: usize) -> Result<LaneKey, Failure> {
    let lane = Lane::from_stored(crate::row::text(row, at + 1)?.to_string());
    Ok(LaneKey { destination: crate::row::name(row, at)?, lane })
}

fn read(row: &Row) -> Result<(LaneKey, LaneRow), Failure> {
    let lane = LaneRow {
        head: cell(row, 2)?,
        head_row: None,
        blocked: cell(row, 3)?,
        last: cell(row, 4)?,
        sent: version(row, 5)?,
        used_at: cell(row, 7)?,
        changed: false,
    };
    Ok((key(row, 0)?, lane))
}

/// The head in the columns from the second on: place, state, attempts... in the order of `lane_heads`.
fn head(row: &Row) -> Result<Head, Failure> {
    let state = state_of(cell(row, 2)?)?;
    let (place, attempts) = (cell::<Option<i64>>(row, 1)?.unwrap_or_default(), small(row, 7)?);
    let untouched = state != DeliveryState::InFlight && attempts == 0;
    Ok(Head { place, version: version(row, 3)?, untouched, backfill: cell(row, 8)? })
}
