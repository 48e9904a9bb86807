//! Nodes: the verbs of [`store::nodes::Nodes`].
//!
//! Who takes what a node had, whose lease is over, holds that node's row meanwhile; and a node that beats writes its
//! row before it looks at what it has. So none of them believes that something is its own which has changed hands.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::charge::{Charge, ChargeKind};
use domain::identity::Digest;
use domain::{DeliveryId, Tenant, Timestamp};
use store::dispatch::{Claim, Lease, Owner};
use store::nodes::{Beat, Charges, GONE_SHOWN_FOR, Hint, Node, NodeSelf, Nodes};
use store::{StoreError, Verb};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::PostgresStore;
use crate::failure::Failure;
use crate::perform::{Inner, owner_code};
use crate::query::Query;
use crate::row::{cell, count, name, text, time};
use crate::session::Session;
use crate::value::{Blob, Text, column, params, signed};

/// Counts what is configured, paused and paired.
pub(crate) const CONFIGURED: &str = "configured";
/// Counts changes of hands.
const CHARGED: &str = "charged";

/// Says with the commit that something was configured, paused or paired.
pub(crate) fn note_configured(session: &Session) {
    session.later(Query::count_up, params![Text::from(CONFIGURED)]);
}

/// The same, where what is written was judged on what was counted then: it is refused if more was counted since. Asked
/// after everything else that is locked, as the count goes last everywhere.
pub(crate) async fn count_configured(session: &Session, judged_on: Option<u64>) -> Result<(), Failure> {
    let Some(judged_on) = judged_on else {
        note_configured(session);
        return Ok(());
    };
    let row = params![Text::from(CONFIGURED), signed(judged_on)];
    if session.execute(Query::count_up_from, row).await? == 0 {
        return Err(StoreError::Outdated.into());
    }
    Ok(())
}

impl Nodes for PostgresStore {
    fn is_shared(&self) -> bool {
        true
    }

    fn beat(&self, own: NodeSelf, span: Duration, now: Timestamp) -> Verb<'_, Beat> {
        self.verb(move |inner| async move { beat(&inner, &own, span, now).await })
    }

    fn nodes(&self, now: Timestamp) -> Verb<'_, Vec<Node>> {
        self.verb(move |inner| async move {
            let time = inner.lease_time(now);
            inner.read(|session| async move { listed(&session, time).await }).await
        })
    }

    fn configured(&self) -> Verb<'_, u64> {
        self.verb(|inner| async move {
            let row = inner.row(Query::counter, || params![Text::from(CONFIGURED)]).await?;
            Ok(row.map(|row| count(&row, 0)).transpose()?.unwrap_or_default())
        })
    }

    fn charges(&self) -> Verb<'_, Charges> {
        self.verb(|inner| async move {
            let mut charges = Charges::new();
            for row in inner.rows(Query::charges, Vec::new).await? {
                let (owner, generation) = (Owner(cell::<i64>(&row, 3)?.cast_unsigned()), count(&row, 4)?);
                charges.insert(charge(name(&row, 0)?, &row, 1)?, Claim { owner, generation });
            }
            Ok(charges)
        })
    }

    fn take_charges(&self, lease: Lease, from: Vec<Charge>, most: u32, now: Timestamp) -> Verb<'_, Charges> {
        self.verb(move |inner| async move { take(&inner, lease.owner, &from, most, now).await })
    }

    fn leave_charges(&self, owner: Owner, charges: Vec<Charge>) -> Verb<'_, ()> {
        self.verb(move |inner| async move {
            let charges = &charges;
            inner
                .transaction(charges.len(), |session| async move {
                    session.rows(Query::count_up, params![Text::from(CHARGED)]).await?;
                    for (tenant, own) in by_tenant(charges) {
                        let (kinds, names) = columns(&own);
                        let row = params![Text::from(tenant.as_str()), kinds, names, owner_code(owner)];
                        session.later(Query::leave_charges, row);
                    }
                    Ok(())
                })
                .await
        })
    }

    fn leave(&self, owner: Owner) -> Verb<'_, ()> {
        self.verb(move |inner| async move {
            inner
                .transaction(1, |session| async move {
                    session.rows(Query::count_up, params![Text::from(CHARGED)]).await?;
                    for row in session.rows(Query::tenants_in_charge, params![owner_code(owner)]).await? {
                        let tenant: Tenant = name(&row, 0)?;
                        let row = params![Text::from(tenant.as_str()), owner_code(owner)];
                        session.later(Query::leave_all_charges, row);
                    }
                    session.later(Query::forget_node, params![owner_code(owner)]);
                    Ok(())
                })
                .await
        })
    }

    fn lost_claims(&self, owner: Owner, claims: Vec<(Tenant, DeliveryId)>) -> Verb<'_, Vec<DeliveryId>> {
        self.verb(move |inner| async move {
            let mut by_tenant: BTreeMap<&Tenant, Vec<Uuid>> = BTreeMap::new();
            for (tenant, id) in &claims {
                by_tenant.entry(tenant).or_default().push(id.uuid());
            }
            let mut lost: BTreeSet<Uuid> = claims.iter().map(|(_, id)| id.uuid()).collect();
            for (tenant, ids) in by_tenant {
                let row = || params![Text::from(tenant.as_str()), ids.clone(), owner_code(owner)];
                for row in inner.rows(Query::own_claims, row).await? {
                    lost.remove(&cell::<Uuid>(&row, 0)?);
                }
            }
            Ok(lost.into_iter().map(DeliveryId::from_uuid).collect())
        })
    }

    fn tell(&self, hint: Hint) {
        self.hints.tell(hint);
    }

    fn hint(&self) -> Verb<'_, Option<Hint>> {
        Box::pin(async move { Ok(self.hints.next().await) })
    }
}

async fn beat(inner: &Inner, own: &NodeSelf, span: Duration, now: Timestamp) -> Result<Beat, Failure> {
    let (base, clock) = inner.lease_time(now);
    let micros = |span: Duration| i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
    let row = || {
        params![
            owner_code(own.owner),
            Text::from(&own.name),
            Text::from(&own.address),
            Text::from(&own.version),
            own.started_at.as_micros(),
            Blob::of(&own.wanted.0),
            own.leaving,
            base,
            clock,
            micros(span),
        ]
    };
    inner
        .transaction(1, |session| async move {
            // First of all: whoever takes what this node had waits for it, or is waited for.
            session.execute(Query::beat, row()).await?;
            let nodes = listed(&session, (base, clock)).await?;
            let mut beat = Beat { nodes, configured: 0, charged: 0 };
            for row in session.rows(Query::counters, params![]).await? {
                match cell::<&str>(&row, 0)? {
                    CONFIGURED => beat.configured = count(&row, 1)?,
                    CHARGED => beat.charged = count(&row, 1)?,
                    _ => {}
                }
            }
            if beat.nodes.iter().any(|node| !node.lives()) {
                forget_gone(&session, (base, clock), micros(GONE_SHOWN_FOR)).await?;
            }
            Ok(beat)
        })
        .await
}

async fn forget_gone(session: &Session, (base, clock): (i64, i64), shown_for: i64) -> Result<(), Failure> {
    let rows = session.rows(Query::gone_nodes, params![base, clock, shown_for]).await?;
    let gone: Vec<i64> = rows.iter().map(|row| cell(row, 0)).collect::<Result<_, _>>()?;
    if !gone.is_empty() {
        session.later(Query::forget_nodes, params![base, clock, shown_for, gone]);
    }
    Ok(())
}

async fn listed(session: &Session, (base, clock): (i64, i64)) -> Result<Vec<Node>, Failure> {
    session.rows(Query::nodes, params![base, clock]).await?.iter().map(node).collect()
}

fn node(row: &Row) -> Result<Node, Failure> {
    let wanted: &[u8] = cell(row, 5)?;
    let damaged = |_| StoreError::Corrupt("what a node wants is not 32 bytes".to_owned());
    let own = NodeSelf {
        owner: Owner(cell::<i64>(row, 0)?.cast_unsigned()),
        name: text(row, 1)?,
        address: text(row, 2)?,
        version: text(row, 3)?,
        started_at: time(row, 4)?,
        wanted: Digest(wanted.try_into().map_err(damaged)?),
        leaving: cell(row, 6)?,
    };
    Ok(Node { own, beat_at: time(row, 7)?, left: Duration::from_micros(count(row, 8)?) })
}

async fn take(inner: &Inner, owner: Owner, from: &[Charge], most: u32, now: Timestamp) -> Result<Charges, Failure> {
    let (base, clock) = inner.lease_time(now);
    inner
        .transaction(from.len(), |session| async move {
            // One node takes after another: this row is written by whoever does.
            let counted = session.row(Query::count_up, params![Text::from(CHARGED)]).await?;
            let generation = counted.map(|row| count(&row, 0)).transpose()?.unwrap_or_default();
            let living = session.row(Query::lock_living_node, params![owner_code(owner), base, clock]).await?;
            if living.is_none() {
                return Ok(Charges::new());
            }
            let lapsed = session.rows(Query::lock_lapsed_nodes, params![base, clock]).await?;
            let lapsed: Vec<i64> = lapsed.iter().map(|row| cell(row, 0)).collect::<Result<_, _>>()?;
            let claim = Claim { owner, generation };
            let mut taken = Charges::new();
            for (tenant, own) in by_tenant(from) {
                let room = most.saturating_sub(u32::try_from(taken.len()).unwrap_or(u32::MAX));
                let (kinds, names) = columns(&own);
                let row = params![
                    Text::from(tenant.as_str()),
                    kinds,
                    names,
                    owner_code(owner),
                    lapsed.clone(),
                    signed(generation),
                    i64::from(room),
                ];
                for row in session.rows(Query::take_charges, row).await? {
                    taken.insert(charge(tenant.clone(), &row, 0)?, claim);
                }
            }
            Ok(taken)
        })
        .await
}

/// The charges of each tenant, in the order in which they came.
fn by_tenant(charges: &[Charge]) -> BTreeMap<&Tenant, Vec<&Charge>> {
    let mut by_tenant: BTreeMap<&Tenant, Vec<&Charge>> = BTreeMap::new();
    for charge in charges {
        by_tenant.entry(charge.tenant()).or_default().push(charge);
    }
    by_tenant
}

fn columns(charges: &[&Charge]) -> (Vec<Text>, Vec<Text>) {
    let kinds = column(charges, |charge| Text::from(charge.kind().as_str()));
    (kinds, column(charges, |charge| Text::from(&charge.name())))
}

/// The charge in two columns, its kind first.
fn charge(tenant: Tenant, row: &Row, at: usize) -> Result<Charge, Failure> {
    let (kind, name): (&str, &str) = (cell(row, at)?, cell(row, at + 1)?);
    let read = ChargeKind::parse(kind).and_then(|kind| Charge::read(tenant, kind, name));
    Ok(read.ok_or_else(|| StoreError::Corrupt(format!("'{kind} {name}' is no charge of a node")))?)
}
