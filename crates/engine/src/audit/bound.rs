//! What anybody can cause is written down so many times in a span, and then by its number: a storm of wrong keys must
//! neither fill the store nor push out what matters.

use std::time::Duration;

use domain::Tenant;
use rustc_hash::FxHashMap;

use super::Act;

/// Entries of one action and tenant in a span: enough to see who tries what.
const ENTRIES_MAX: u32 = 10;
const SPAN: Duration = Duration::from_secs(10 * 60);

/// How often each action was refused of late. There are as many rows as tenants have actions.
#[derive(Default)]
pub(super) struct Bound {
    rows: FxHashMap<(Tenant, &'static str), Row>,
}

struct Row {
    since: Duration,
    written: u32,
    left_out: u64,
}

impl Bound {
    /// Whether one more is written down, and how many were left out since the last one that was.
    pub(super) fn admit(&mut self, tenant: &Tenant, action: &'static str, now: Duration) -> Option<u64> {
        let row = self.rows.entry((tenant.clone(), action)).or_insert(Row { since: now, written: 0, left_out: 0 });
        if now.saturating_sub(row.since) >= SPAN {
            (row.since, row.written) = (now, 0);
        }
        if row.written == ENTRIES_MAX {
            row.left_out += 1;
            return None;
        }
        row.written += 1;
        Some(std::mem::take(&mut row.left_out))
    }

    /// Takes what was left out and is still to be told, once its span is over.
    pub(super) fn take_left_out(&mut self, now: Duration) -> Vec<(Tenant, &'static str, u64)> {
        let over = |row: &Row| row.left_out > 0 && now.saturating_sub(row.since) >= SPAN;
        let told = self.rows.iter_mut().filter(|(_, row)| over(row)).map(|((tenant, action), row)| {
            let left_out = std::mem::take(&mut row.left_out);
            (tenant.clone(), *action, left_out)
        });
        let told = told.collect();
        self.rows.retain(|_, row| row.left_out > 0 || now.saturating_sub(row.since) < SPAN);
        told
    }
}

/// The act, saying how many like it stand nowhere.
pub(super) fn after(act: Act, left_out: u64) -> Act {
    let more = format!("{left_out} more like it before this one were not written down one by one");
    let detail = if act.detail.is_empty() { more } else { format!("{}; {more}", act.detail) };
    Act { detail, ..act }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_is_a_few_entries_and_a_number() {
        let (mut bound, tenant) = (Bound::default(), Tenant::default_tenant());
        let second = Duration::from_secs;
        let written = (0..1_000).filter(|_| bound.admit(&tenant, "session.begin", second(1)).is_some()).count();
        assert_eq!(written, ENTRIES_MAX as usize);
        assert_eq!(bound.admit(&tenant, "key.create", second(1)), Some(0), "another action has a bound of its own");
        assert_eq!(bound.take_left_out(second(600)), [], "its span is not over");
        assert_eq!(bound.admit(&tenant, "session.begin", second(601)), Some(990));
        assert_eq!(bound.admit(&tenant, "session.begin", second(602)), Some(0));
    }

    #[test]
    fn what_was_left_out_is_told_although_nothing_follows() {
        let (mut bound, tenant) = (Bound::default(), Tenant::default_tenant());
        let written = (0..15).filter(|_| bound.admit(&tenant, "session.begin", Duration::ZERO).is_some()).count();
        assert_eq!(written, ENTRIES_MAX as usize);
        assert_eq!(bound.take_left_out(SPAN), [(tenant, "session.begin", 5)]);
        assert!(bound.take_left_out(SPAN * 2).is_empty() && bound.rows.is_empty());
    }
}
