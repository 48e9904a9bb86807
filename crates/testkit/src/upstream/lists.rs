//! The shop's lists: which rows there are, which of them are asked for, and which page of those. A page goes on after the
//! last row of the one before, so a row that moves is seen twice rather than never.

use domain::Timestamp;
use serde_json::{Value as Json, json};

use super::habits::{Bound, Deletes, Habits};
use super::truth::{Object, Truth};

/// Something that can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    Records(Object),
    /// Deletions of orders.
    Deleted,
    /// What happened, one row for each change: without any key.
    Activities,
}

/// One page, and where the next one begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Page {
    pub rows: Vec<Json>,
    pub next: Option<String>,
}

/// What is asked of a list.
#[derive(Clone, Debug, Default)]
pub(super) struct Wish<'a> {
    pub since: Option<Timestamp>,
    pub after: Option<&'a str>,
}

struct Row {
    /// What `since` is compared with.
    time: Option<Timestamp>,
    /// Rows are in this order; a token names one.
    place: (i64, u64),
    json: Json,
}

impl List {
    /// Of a path, if there is such a list.
    pub fn at(path: &str, habits: &Habits) -> Option<Self> {
        match path {
            "/orders" => Some(Self::Records(Object::Orders)),
            "/customers" => Some(Self::Records(Object::Customers)),
            "/deleted/orders" if habits.deletes == Deletes::Feed => Some(Self::Deleted),
            "/activities" => Some(Self::Activities),
            _ => None,
        }
    }

    /// A page as somebody gives it who has heard of everything up to `heard`; `None`: the token is not one of ours.
    pub fn page(
        self,
        truth: &Truth,
        habits: &Habits,
        account: usize,
        heard: Timestamp,
        wish: &Wish<'_>,
    ) -> Option<Page> {
        let mut rows = self.rows(truth, habits, account, heard);
        rows.sort_by_key(|row| row.place);
        if let Some(since) = wish.since {
            rows.retain(|row| row.time.is_none_or(|time| is_wanted(habits.bound, time, since)));
        }
        if let Some(token) = wish.after {
            let after = place_of(token)?;
            rows.retain(|row| row.place > after);
        }
        let more = rows.len() > habits.page_size;
        rows.truncate(habits.page_size);
        let next = rows.last().filter(|_| more).map(|row| token_of(row.place));
        Some(Page { rows: rows.into_iter().map(|row| row.json).collect(), next })
    }

    fn rows(self, truth: &Truth, habits: &Habits, account: usize, heard: Timestamp) -> Vec<Row> {
        match self {
            Self::Records(object) => truth
                .as_of(account, object, heard)
                .filter(|change| !change.is_deleted() || is_buried(habits, object))
                .map(|change| {
                    let time = (object == Object::Orders).then_some(change.version);
                    Row { time, place: (time.map_or(0, Timestamp::as_micros), change.id), json: change.record.clone() }
                })
                .collect(),
            Self::Deleted => changes(truth, account, heard)
                .filter(|change| change.object == Object::Orders && change.is_deleted())
                .map(|change| Row {
                    time: Some(change.version),
                    place: (change.version.as_micros(), change.number as u64),
                    json: json!({ "id": change.id, "deleted_at": change.version }),
                })
                .collect(),
            Self::Activities => changes(truth, account, heard)
                .map(|change| Row {
                    time: Some(change.version),
                    place: (change.version.as_micros(), change.number as u64),
                    json: activity(change),
                })
                .collect(),
        }
    }
}

/// The row of a change in the list of activities.
pub(super) fn activity(change: &super::Change) -> Json {
    let what = format!("{}.{}", change.object.singular(), change.action.as_str());
    json!({ "at": change.version, "what": what, "about": change.id, "status": change.status() })
}

fn changes(truth: &Truth, account: usize, heard: Timestamp) -> impl Iterator<Item = &super::Change> {
    truth.changes().iter().filter(move |change| change.account == account && change.at <= heard)
}

/// Whether a deleted record stays in the list, marked.
pub(super) fn is_buried(habits: &Habits, object: Object) -> bool {
    object == Object::Orders && habits.deletes == Deletes::Tombstone
}

fn is_wanted(bound: Bound, time: Timestamp, since: Timestamp) -> bool {
    match bound {
        Bound::Inclusive => time >= since,
        Bound::Exclusive => time > since,
    }
}

fn token_of((micros, id): (i64, u64)) -> String {
    format!("p{micros}.{id}")
}

fn place_of(token: &str) -> Option<(i64, u64)> {
    let (micros, id) = token.strip_prefix('p')?.split_once('.')?;
    Some((micros.parse().ok()?, id.parse().ok()?))
}
