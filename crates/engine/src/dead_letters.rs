//! Dead letters together: which causes they died of, and another try of all that match.

use std::collections::VecDeque;
use std::sync::Arc;

use domain::{DeliveryId, DeliveryState, DestinationName, EventId, RouteName, Tenant, Timestamp};
use store::people::Wish;
use store::read::{DeliveryFilter, DeliveryRow, PAGE_MAX, Page, Position};

use crate::engine::{Engine, EngineError};

/// Dead letters that are looked at to group them, in whole pages: what is older is behind the same causes nearly always, and
/// whoever looks wants the page at once.
pub const GROUPED_MAX: usize = 3 * PAGE_MAX as usize;
/// Dead letters that one wish tries again. More would hold whoever asks for minutes; they ask again.
pub const RETRIED_MAX: usize = 20_000;
/// Dead letters that one transaction takes: what comes in waits for it.
const BATCH: usize = PAGE_MAX as usize;

/// Dead letters of one cause on one way.
#[derive(Clone, Debug)]
pub struct DeadGroup {
    pub destination: DestinationName,
    pub route: RouteName,
    /// Code of the cause; empty where none was kept.
    pub cause: Arc<str>,
    pub count: u64,
    /// When the first and the last of them were made.
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    /// What the newest of them died of, in words, and of which event it is.
    pub detail: String,
    pub event: EventId,
}

/// Dead letters by their causes.
#[derive(Clone, Debug, Default)]
pub struct DeadGroups {
    /// The largest first.
    pub groups: Vec<DeadGroup>,
    pub count: u64,
    /// All that match were looked at; if not, there are more.
    pub exact: bool,
}

/// What trying dead letters again came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retried {
    pub count: u64,
    /// There are more, which nobody tried.
    pub more: bool,
}

impl DeadGroups {
    fn add(&mut self, row: DeliveryRow) {
        self.count += 1;
        let (code, detail) = row.cause.map(|cause| (cause.code, cause.detail)).unwrap_or_default();
        let same = |group: &&mut DeadGroup| {
            group.cause == code && group.route == row.route && group.destination == row.destination
        };
        if let Some(group) = self.groups.iter_mut().find(same) {
            group.count += 1;
            // Rows come newest first.
            group.first_at = row.created_at;
            return;
        }
        self.groups.push(DeadGroup {
            destination: row.destination,
            route: row.route,
            cause: code,
            count: 1,
            first_at: row.created_at,
            last_at: row.created_at,
            detail,
            event: row.event,
        });
    }
}

impl Engine {
    /// Why dead letters died, of those that match; the filter's state is not looked at.
    pub async fn dead_groups(&self, tenant: Tenant, filter: DeliveryFilter) -> Result<DeadGroups, EngineError> {
        let mut groups = DeadGroups::default();
        let mut after = None;
        loop {
            let (rows, next) = self.dead_page(&tenant, &filter, after).await?;
            rows.into_iter().for_each(|row| groups.add(row));
            groups.exact = next.is_none();
            if groups.exact || groups.count >= GROUPED_MAX as u64 {
                break;
            }
            after = next;
        }
        groups.groups.sort_by_key(|group| std::cmp::Reverse(group.count));
        Ok(groups)
    }

    /// Tries dead letters again that match, the oldest first: each leaves as soon as it is asked for, so that another order
    /// would be the order at the receiver. Prepared anew, tries start over.
    pub async fn retry_dead(&self, tenant: Tenant, filter: DeliveryFilter) -> Result<Retried, EngineError> {
        let (ids, more) = self.oldest_dead(&tenant, &filter).await?;
        let mut count = 0;
        for batch in batches(&ids) {
            let wishes = self.retry(tenant.clone(), batch.to_vec()).await?;
            count += wishes.iter().filter(|wish| **wish == Wish::Done).count() as u64;
        }
        Ok(Retried { count, more })
    }

    /// The oldest that match, oldest first, and whether there are newer ones beside them. The list comes newest first, so
    /// that it is read to its end, and only the ids of its last stretch are kept.
    async fn oldest_dead(
        &self,
        tenant: &Tenant,
        filter: &DeliveryFilter,
    ) -> Result<(Vec<DeliveryId>, bool), EngineError> {
        let (mut oldest, mut more, mut after) = (VecDeque::new(), false, None);
        loop {
            let (rows, next) = self.dead_page(tenant, filter, after).await?;
            for row in rows {
                oldest.push_front(row.id);
                if oldest.len() > RETRIED_MAX {
                    oldest.pop_back();
                    more = true;
                }
            }
            if next.is_none() {
                return Ok((oldest.into(), more));
            }
            after = next;
        }
    }

    async fn dead_page(
        &self,
        tenant: &Tenant,
        filter: &DeliveryFilter,
        after: Option<Position>,
    ) -> Result<(Vec<DeliveryRow>, Option<Position>), EngineError> {
        let filter = DeliveryFilter { state: Some(DeliveryState::Dead), ..filter.clone() };
        let page = Page { after, ..Page::first(PAGE_MAX) };
        let listed = self.inner.store.deliveries(tenant.clone(), filter, page).await?;
        Ok((listed.rows, listed.next))
    }
}

/// What one transaction takes at a time. Ids of one microsecond are in no order, and the store puts in order what it gets
/// together: a batch ends only where a later time begins.
fn batches(ids: &[DeliveryId]) -> impl Iterator<Item = &[DeliveryId]> {
    let mut rest = ids;
    std::iter::from_fn(move || {
        let time = |id: &DeliveryId| id.uuid().as_u128() >> 64;
        let last = time(rest.get(BATCH.min(rest.len()).checked_sub(1)?)?);
        let (batch, later) = rest.split_at(rest.partition_point(|id| time(id) <= last));
        rest = later;
        Some(batch)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_never_ends_within_a_microsecond() {
        let id =
            |time: usize, random: u128| DeliveryId::from_uuid(uuid::Uuid::from_u128(((time as u128) << 64) | random));
        let mut ids: Vec<_> = (0..BATCH - 1).map(|time| id(time, 0)).collect();
        ids.extend([id(BATCH, 9), id(BATCH, 3), id(BATCH, 7)]);
        ids.extend((1..=BATCH).map(|time| id(BATCH + time, 0)));
        let sizes: Vec<_> = batches(&ids).map(<[_]>::len).collect();
        assert_eq!(sizes, [BATCH + 2, BATCH]);
        assert_eq!(batches(&ids).flatten().copied().collect::<Vec<_>>(), ids);
        assert_eq!(batches(&[]).count(), 0);
    }
}
