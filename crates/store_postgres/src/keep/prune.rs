//! Retention, a bounded piece per transaction: never anything with an open delivery, never a dead letter before its
//! own time. Spans of time that hold much are dropped as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::identity::Digest;
use domain::ordering::Lane;
use domain::{Tenant, Timestamp};
use store::keep::{Pruned, Retention};
use store::listen::IDLE_MAX;
use uuid::Uuid;

use super::span::{self, Bounds, Span};
use super::text;
use crate::failure::Failure;
use crate::lane::{LaneKey, Lanes};
use crate::perform::Inner;
use crate::query::Query;
use crate::row::{cell, count, name, string_or_none, time};
use crate::session::Session;
use crate::value::{Blob, Text, params};

/// Rows that are looked at for each that may be removed: what is kept lies among what goes.
const LOOK_PER_ROW: u32 = 4;
/// Share of their retention that identities and lanes may outlive it by, so that a whole walk through them is rare.
const SLACK: u32 = 30;

/// How far walks have got. Forgotten with the process: they start over.
#[derive(Default)]
pub(crate) struct Pruning {
    /// By the partition's table.
    events: BTreeMap<String, (Timestamp, Uuid)>,
    identities: Ages<(String, Digest)>,
    lanes: Ages<(String, String, String)>,
}

/// A walk through a table in the order of its key, and the age of the oldest row that it left.
struct Ages<K> {
    at: Option<K>,
    /// The oldest so far in this walk.
    oldest: Option<Timestamp>,
    /// Nothing is older than this; `None`: not known.
    settled: Option<Timestamp>,
}

impl<K> Default for Ages<K> {
    fn default() -> Self {
        Self { at: None, oldest: None, settled: None }
    }
}

impl<K> Ages<K> {
    /// Whether a walk is on, or worth beginning.
    fn due(&self, before: Timestamp, slack: Duration) -> bool {
        self.at.is_some() || self.settled.is_none_or(|oldest| oldest + slack < before)
    }

    fn kept(&mut self, age: Timestamp) {
        self.oldest = Some(self.oldest.map_or(age, |oldest| oldest.min(age)));
    }

    /// The walk goes on from `at`, or is over.
    fn step(&mut self, at: Option<K>, now: Timestamp) {
        if at.is_none() {
            self.settled = Some(self.oldest.take().unwrap_or(now));
        }
        self.at = at;
    }
}

/// One round, as all of its steps see it.
struct Round<'r> {
    inner: &'r Inner,
    retention: &'r Retention,
    now: Timestamp,
    limit: u32,
}

pub(super) async fn prune(inner: &Inner, retention: &Retention, now: Timestamp, limit: u32) -> Result<Pruned, Failure> {
    // A second caller in this process would only walk the same way.
    let mut pruning = inner.pruning.lock().await;
    let round = Round { inner, retention, now, limit: limit.max(1) };
    let mut pruned = Pruned::default();
    // Where no span can be made, what is old goes all the same.
    let made = span::make(inner, now).await;
    round.events(&mut pruning, &mut pruned).await?;
    round.by_tenant(&mut pruned).await?;
    round.identities(&mut pruning.identities, &mut pruned).await?;
    round.lanes(&mut pruning.lanes, &mut pruned).await?;
    super::measure(inner).await?;
    made.map(|()| pruned)
}

impl Round<'_> {
    fn look(&self) -> i64 {
        i64::from(self.limit) * i64::from(LOOK_PER_ROW)
    }

    /// Span after span, the oldest first, and what lies in none of them.
    async fn events(&self, pruning: &mut Pruning, pruned: &mut Pruned) -> Result<(), Failure> {
        let before = self.now - self.retention.events;
        let bounds = Bounds { before, dead_before: self.now - self.retention.dead_letters };
        for span in span::all(self.inner).await?.into_iter().filter(|span| span.begins_at() < before) {
            if let Err(failure) = self.events_in(&span, bounds, pruning, pruned).await {
                // Another node may have dropped it meanwhile: then its tables were not to be found.
                if span::all(self.inner).await?.iter().any(|other| other.suffix == span.suffix) {
                    return Err(failure);
                }
            }
            if pruned.more {
                return Ok(());
            }
        }
        self.events_of(span::REST, pruning, pruned).await.map(drop)
    }

    async fn events_in(
        &self,
        span: &Span,
        bounds: Bounds,
        pruning: &mut Pruning,
        pruned: &mut Pruned,
    ) -> Result<(), Failure> {
        let old = span.ends_at() <= bounds.before;
        if span.bytes < self.inner.options.drop_bytes {
            let removed = self.events_of(&span.table("events"), pruning, pruned).await?;
            if removed > 0 || pruned.more {
                return Ok(());
            }
        }
        if old { span::drop_whole(self.inner, span, bounds, self.now, pruned).await } else { Ok(()) }
    }

    /// Row by row, in the order of their time. Gives how many rows were removed.
    async fn events_of(&self, table: &str, pruning: &mut Pruning, pruned: &mut Pruned) -> Result<u64, Failure> {
        let from = pruning.events.remove(table).unwrap_or((Timestamp::from_micros(i64::MIN), Uuid::nil()));
        let step = self.inner.transaction(0, |session| async move { self.remove_some(&session, table, from).await });
        let Some(step) = step.await? else { return Ok(0) };
        pruned.events += step.events;
        pruned.deliveries += step.deliveries;
        if let Some(at) = step.goes_on {
            pruning.events.insert(table.to_owned(), at);
            pruned.more = true;
        }
        Ok(step.events)
    }

    async fn remove_some(
        &self,
        session: &Session,
        table: &str,
        from: (Timestamp, Uuid),
    ) -> Result<Option<Step>, Failure> {
        if session.row(Query::take_duty, params![Text::from("prune")]).await?.is_none() {
            return Ok(None);
        }
        let before = self.now - self.retention.events;
        let candidates = candidates(session, table, before, from, self.look()).await?;
        let whole = candidates.len() as i64 == self.look();
        let weights = self.lock_and_weigh(session, table, &candidates).await?;
        let mut going: BTreeMap<Tenant, Vec<Uuid>> = BTreeMap::new();
        let (mut step, mut removed, mut last) = (Step::default(), 0, None);
        for Candidate { tenant, id, received_at } in candidates {
            if removed >= u64::from(self.limit) {
                break;
            }
            last = Some((received_at, id));
            let Some(deliveries) = weights.get(&(tenant.clone(), id)).copied() else { continue };
            removed += deliveries.max(1);
            step.events += 1;
            step.deliveries += deliveries;
            going.entry(tenant).or_default().push(id);
        }
        step.goes_on = last.filter(|_| whole || removed >= u64::from(self.limit));
        for (tenant, ids) in going {
            remove(session, &tenant, &ids, self.now).await?;
        }
        Ok(Some(step))
    }

    /// How many deliveries go with each event; nothing for one that stays, or that somebody else is at. Locked before it is
    /// weighed: who makes a delivery of one of them waits or goes first.
    async fn lock_and_weigh(
        &self,
        session: &Session,
        table: &str,
        candidates: &[Candidate],
    ) -> Result<BTreeMap<(Tenant, Uuid), u64>, Failure> {
        let dead_before = (self.now - self.retention.dead_letters).as_micros();
        let mut by_tenant: BTreeMap<&Tenant, Vec<Uuid>> = BTreeMap::new();
        for candidate in candidates {
            by_tenant.entry(&candidate.tenant).or_default().push(candidate.id);
        }
        let (lock, mut weights) = (text::lock_events(table), BTreeMap::new());
        for (tenant, ids) in by_tenant {
            let locked = session.rows_of(&lock, params![Text::from(tenant.as_str()), ids]).await?;
            let ids: Vec<Uuid> = locked.iter().map(|row| cell(row, 0)).collect::<Result<_, _>>()?;
            let row = params![Text::from(tenant.as_str()), ids, dead_before];
            for row in session.rows(Query::weigh_events, row).await? {
                if !cell::<bool>(&row, 1)? {
                    weights.insert((tenant.clone(), cell(&row, 0)?), count(&row, 2)?);
                }
            }
        }
        Ok(weights)
    }

    /// What each tenant has an index by age for.
    async fn by_tenant(&self, pruned: &mut Pruned) -> Result<(), Failure> {
        let longest = self.retention.events.max(self.retention.dead_letters);
        let steps = [
            (Query::delete_old_requests, self.now - self.retention.requests),
            (Query::old_idempotency, self.now - self.retention.idempotency),
            (Query::old_alerts, self.now - longest),
            (Query::old_notices, self.now - longest),
            (Query::old_replays, self.now - longest),
            (Query::old_listeners, self.now - IDLE_MAX),
        ];
        for tenant in super::tenants(self.inner).await? {
            for (query, before) in steps {
                let limit = i64::from(self.limit);
                let row = || params![Text::from(tenant.as_str()), before.as_micros(), limit];
                let removed = self.inner.write(query, row).await?;
                if query == Query::delete_old_requests {
                    pruned.requests += removed;
                }
                pruned.more |= removed >= u64::from(self.limit);
            }
        }
        Ok(())
    }

    /// Identities have no index by age, which would cost every event more than this walk does now and then.
    async fn identities(&self, ages: &mut Ages<(String, Digest)>, pruned: &mut Pruned) -> Result<(), Failure> {
        let before = self.now - self.retention.identities;
        if !ages.due(before, self.retention.identities / SLACK) {
            return Ok(());
        }
        let (tenant, digest) = ages.at.take().unwrap_or((String::new(), Digest([0; 32])));
        let look = self.look();
        let from = || params![Text::from(&tenant), Blob::of(&digest.0), look];
        let rows = self.inner.rows(Query::identities_from, from).await?;
        let whole = rows.len() as i64 == look;
        let (mut at, mut going, mut gone) = (None, BTreeMap::<String, Vec<Blob>>::new(), 0);
        for row in &rows {
            if gone >= u64::from(self.limit) {
                break;
            }
            let (tenant, digest, seen_at) = (cell::<String>(row, 0)?, cell::<&[u8]>(row, 1)?, time(row, 2)?);
            at = Some((tenant.clone(), Digest(digest.try_into().unwrap_or_default())));
            if seen_at < before {
                going.entry(tenant).or_default().push(Blob::of(digest));
                gone += 1;
            } else {
                ages.kept(seen_at);
            }
        }
        for (tenant, digests) in &going {
            let row = || params![Text::from(tenant), digests.clone(), before.as_micros()];
            pruned.identities += self.inner.write(Query::delete_old_identities, row).await?;
        }
        let at = at.filter(|_| whole || gone >= u64::from(self.limit));
        pruned.more |= at.is_some();
        ages.step(at, self.now);
        Ok(())
    }

    /// Lanes of subjects that nobody waits in and that no event used for as long as identities live. A delivery that is
    /// retried later makes its lane anew.
    async fn lanes(&self, ages: &mut Ages<(String, String, String)>, pruned: &mut Pruned) -> Result<(), Failure> {
        let before = self.now - self.retention.identities;
        if !ages.due(before, self.retention.identities / SLACK) {
            return Ok(());
        }
        let (tenant, destination, lane) = ages.at.take().unwrap_or_default();
        let limit = i64::from(self.limit);
        let from = || params![Text::from(&tenant), Text::from(&destination), Text::from(&lane), limit];
        let rows = self.inner.rows(Query::lanes_from, from).await?;
        let mut going: BTreeMap<String, Vec<(Text, Text)>> = BTreeMap::new();
        let mut at = None;
        for row in &rows {
            let (tenant, destination) = (cell::<String>(row, 0)?, cell::<String>(row, 1)?);
            let lane = string_or_none(row, 2)?.unwrap_or_default();
            let (idle, used_at) = (cell::<bool>(row, 3)?, time(row, 4)?);
            if idle && used_at < before && Lane::from_stored(lane.clone()).goes_by_version() {
                going.entry(tenant.clone()).or_default().push((Text::from(&destination), Text::from(&lane)));
            } else {
                ages.kept(used_at);
            }
            at = Some((tenant, destination, lane));
        }
        for (tenant, lanes) in &going {
            let (destinations, lanes): (Vec<Text>, Vec<Text>) = lanes.iter().cloned().unzip();
            let row = || params![Text::from(tenant), destinations.clone(), lanes.clone(), before.as_micros()];
            self.inner.write(Query::delete_lanes, row).await?;
        }
        let at = at.filter(|_| rows.len() as i64 == limit);
        pruned.more |= at.is_some();
        ages.step(at, self.now);
        Ok(())
    }
}

/// What one transaction of a walk did.
#[derive(Default)]
struct Step {
    events: u64,
    deliveries: u64,
    goes_on: Option<(Timestamp, Uuid)>,
}

/// An event that may be old enough.
struct Candidate {
    tenant: Tenant,
    id: Uuid,
    received_at: Timestamp,
}

/// The next events of a partition, of all tenants.
async fn candidates(
    session: &Session,
    table: &str,
    before: Timestamp,
    (at, id): (Timestamp, Uuid),
    look: i64,
) -> Result<Vec<Candidate>, Failure> {
    let from = params![before.as_micros(), at.as_micros(), id, look];
    let rows = session.rows_of(&text::old_events(table), from).await?;
    rows.iter()
        .map(|row| Ok(Candidate { tenant: name(row, 0)?, id: cell(row, 1)?, received_at: time(row, 2)? }))
        .collect()
}

/// Removes events with all that is theirs.
async fn remove(session: &Session, tenant: &Tenant, ids: &[Uuid], now: Timestamp) -> Result<(), Failure> {
    free_lanes(session, tenant, "ended_deliveries", ids, now).await?;
    for query in [
        Query::delete_attempts_of,
        Query::delete_prepared_of,
        Query::delete_ended_of,
        Query::delete_sightings_of,
        Query::raise_floor,
        Query::delete_events,
    ] {
        session.later(query, params![Text::from(tenant.as_str()), ids.to_vec()]);
    }
    Ok(())
}

/// Lanes that stand still for a dead delivery of these events go on without it.
pub(super) async fn free_lanes(
    session: &Session,
    tenant: &Tenant,
    table: &str,
    events: &[Uuid],
    now: Timestamp,
) -> Result<(), Failure> {
    let mut keys = BTreeSet::new();
    let blocked = params![Text::from(tenant.as_str()), events.to_vec()];
    for row in session.rows_of(&text::blocked_lanes(table), blocked).await? {
        let lane = Lane::from_stored(string_or_none(&row, 1)?.unwrap_or_default());
        keys.insert(LaneKey { destination: name(&row, 0)?, lane });
    }
    if keys.is_empty() {
        return Ok(());
    }
    let left: Vec<LaneKey> = keys.iter().cloned().collect();
    let mut lanes = Lanes::lock(session, tenant, keys, now).await?;
    lanes.advance(session, &left, now).await?;
    lanes.write(session);
    Ok(())
}
