//! Dead letters together: which causes they died of, and another try of all that match.

use std::sync::Arc;

use domain::{DeliveryState, DestinationName, EventId, RouteName, Tenant, Timestamp};
use store::people::Wish;
use store::read::{DeliveryFilter, DeliveryRow, PAGE_MAX, Page, Position};

use crate::engine::{Engine, EngineError};

/// Dead letters that are looked at to group them, in whole pages: what is older is behind the same causes nearly always, and
/// whoever looks wants the page at once.
pub const GROUPED_MAX: usize = 3 * PAGE_MAX as usize;
/// Dead letters that one wish tries again. More would hold whoever asks for minutes; they ask again.
pub const RETRIED_MAX: usize = 20_000;

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

    /// Tries dead letters again that match, the newest first: prepared anew, tries start over.
    pub async fn retry_dead(&self, tenant: Tenant, filter: DeliveryFilter) -> Result<Retried, EngineError> {
        let (mut count, mut looked_at, mut after) = (0, 0, None);
        loop {
            let (rows, next) = self.dead_page(&tenant, &filter, after).await?;
            let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
            looked_at += ids.len();
            if !ids.is_empty() {
                let wishes = self.retry(tenant.clone(), ids).await?;
                count += wishes.iter().filter(|wish| **wish == Wish::Done).count() as u64;
            }
            if next.is_none() || looked_at >= RETRIED_MAX {
                return Ok(Retried { count, more: next.is_some() });
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
