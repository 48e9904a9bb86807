//! Holding, resuming and cancelling many: found beside the writer, changed by it only where they still can be.

use domain::DeliveryId;
use store::people::HoldScope;
use store::read::DeliveryFilter;
use uuid::Uuid;

use crate::code::Stored;
use crate::failure::Failure;
use crate::names::NameId;
use crate::query::Query;
use crate::read::deliveries::{matching, open_destinations};
use crate::tx::Tx;
use crate::view::View;

pub(crate) fn to_hold(
    view: &mut View<'_, '_>,
    tenant: &str,
    scope: &HoldScope,
    limit: u32,
) -> Result<Vec<i64>, Failure> {
    let mut found = in_state(view, tenant, scope, Stored::Pending, limit)?;
    let left = limit.saturating_sub(u32::try_from(found.len()).unwrap_or(u32::MAX));
    found.extend(in_state(view, tenant, scope, Stored::Retrying, left)?);
    Ok(found)
}

pub(crate) fn to_resume(
    view: &mut View<'_, '_>,
    tenant: &str,
    scope: &HoldScope,
    limit: u32,
) -> Result<Vec<i64>, Failure> {
    in_state(view, tenant, scope, Stored::Held, limit)
}

/// Those that are claimed since keep their state: what is being sent is not held back any more.
pub(crate) fn hold(tx: &mut Tx<'_, '_>, seqs: &[i64]) -> Result<u32, Failure> {
    change(tx, Query::hold_delivery, seqs)
}

pub(crate) fn resume(tx: &mut Tx<'_, '_>, seqs: &[i64]) -> Result<u32, Failure> {
    change(tx, Query::resume_delivery, seqs)
}

fn change(tx: &mut Tx<'_, '_>, query: Query, seqs: &[i64]) -> Result<u32, Failure> {
    let mut changed = 0;
    for seq in seqs {
        if !tx.shared().claims.has_seq(*seq) {
            changed += tx.execute(query, [seq])?;
        }
    }
    Ok(u32::try_from(changed).unwrap_or(u32::MAX))
}

/// Up to `limit` unclaimed deliveries of the scope in one state.
fn in_state(
    view: &mut View<'_, '_>,
    tenant: &str,
    scope: &HoldScope,
    state: Stored,
    limit: u32,
) -> Result<Vec<i64>, Failure> {
    let lookup = view.lookup();
    let Some(tenant) = lookup.id(tenant)? else { return Ok(Vec::new()) };
    let (destinations, route) = match scope {
        HoldScope::Destination(name) => (lookup.id(name.as_str())?.into_iter().collect(), None),
        HoldScope::Route(name) => match lookup.id(name.as_str())? {
            Some(route) => (open_destinations(view, tenant, state)?, Some(route)),
            None => return Ok(Vec::new()),
        },
    };
    let mut found = Vec::new();
    for destination in destinations {
        let left = (limit as usize).saturating_sub(found.len());
        found.extend(of_destination(view, (tenant, state, destination), route, left)?);
    }
    Ok(found)
}

fn of_destination(
    view: &mut View<'_, '_>,
    (tenant, state, destination): (NameId, Stored, NameId),
    route: Option<NameId>,
    limit: usize,
) -> Result<Vec<i64>, Failure> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let claims = &view.shared.claims;
    let mut left = limit;
    let found = view.sql.rows_while(Query::open_of_destination, (tenant, state as i64, destination), |row| {
        let (seq, of): (i64, NameId) = (row.get(0)?, row.get(1)?);
        if left == 0 {
            return Ok(None);
        }
        let wanted = route.is_none_or(|route| route == of) && !claims.has_seq(seq);
        left -= usize::from(wanted);
        Ok(Some(wanted.then_some(seq)))
    })?;
    Ok(found.into_iter().flatten().collect())
}

/// Up to `limit` open deliveries that match, whatever they wait for.
pub(crate) fn open_matching(
    view: &mut View<'_, '_>,
    tenant: &str,
    filter: &DeliveryFilter,
    limit: u32,
) -> Result<Vec<DeliveryId>, Failure> {
    let mut found = Vec::new();
    let states = domain::DeliveryState::ALL.into_iter().filter(|state| state.is_open());
    for state in states.filter(|state| filter.state.is_none_or(|wanted| wanted == *state)) {
        let left = (limit as usize).saturating_sub(found.len());
        if left > 0 {
            let filter = DeliveryFilter { state: Some(state), ..filter.clone() };
            found.extend(matching(view, tenant, &filter, Uuid::max(), left)?);
        }
    }
    Ok(found)
}
