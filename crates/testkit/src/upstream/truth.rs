//! What really happened: every change with its time and the record after it. Lists, replicas that are behind and oracles
//! all read this one book; nothing in it is ever taken back.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::{Action, Timestamp};
use serde_json::{Value as Json, json};

/// What a shop has lists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Object {
    /// Numbered, with a version, listed by it.
    Orders,
    /// Without a version; the list is always the whole list.
    Customers,
}

impl Object {
    pub const ALL: [Self; 2] = [Self::Orders, Self::Customers];

    /// As the path and the stream have it.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Customers => "customers",
        }
    }

    /// As topics and the manifest have it.
    #[must_use]
    pub const fn singular(self) -> &'static str {
        match self {
            Self::Orders => "order",
            Self::Customers => "customer",
        }
    }
}

/// One change of one record.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Its place in the book.
    pub number: usize,
    pub at: Timestamp,
    pub account: usize,
    pub object: Object,
    pub id: u64,
    pub action: Action,
    /// What the record's `updated_at` is, or would be: by the shop's clock, in its precision.
    pub version: Timestamp,
    /// As the API shows it after the change; of a deleted one, as it was before.
    pub record: Json,
}

impl Change {
    /// The subject that events about it have.
    #[must_use]
    pub fn subject(&self) -> String {
        format!("{}/{}", self.object.singular(), self.id)
    }

    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.action == Action::Deleted
    }

    #[must_use]
    pub fn status(&self) -> &str {
        self.record["status"].as_str().unwrap_or_default()
    }
}

/// The shop's own clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct ShopClock {
    pub skew_micros: i64,
    pub precision: Duration,
}

impl ShopClock {
    /// What it shows at a time.
    pub fn shown(&self, at: Timestamp) -> Timestamp {
        let tick = i64::try_from(self.precision.as_micros()).unwrap_or(1).max(1);
        Timestamp::from_micros((at.as_micros() + self.skew_micros).div_euclid(tick) * tick)
    }
}

/// Every change, in the order in which they happened.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    changes: Vec<Change>,
    /// By record: its changes.
    of_record: BTreeMap<Key, Vec<usize>>,
}

type Key = (usize, Object, u64);

impl Truth {
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The changes of one record, oldest first.
    pub fn history(&self, account: usize, object: Object, id: u64) -> impl Iterator<Item = &Change> {
        self.of_record.get(&(account, object, id)).into_iter().flatten().map(|number| &self.changes[*number])
    }

    /// The last change of every record there ever was.
    pub fn finals(&self) -> impl Iterator<Item = &Change> {
        self.of_record.values().filter_map(|numbers| numbers.last()).map(|number| &self.changes[*number])
    }

    /// Records of an account as somebody saw them who had heard of everything up to a time, deleted ones among them.
    pub fn as_of(&self, account: usize, object: Object, at: Timestamp) -> impl Iterator<Item = &Change> {
        let of_account = self.of_record.range((account, object, 0)..=(account, object, u64::MAX));
        of_account.filter_map(move |(_, numbers)| {
            let heard = numbers.partition_point(|number| self.changes[*number].at <= at);
            heard.checked_sub(1).map(|last| &self.changes[numbers[last]])
        })
    }

    /// The change that replaced this one, if one did.
    #[must_use]
    pub fn after(&self, change: &Change) -> Option<&Change> {
        self.history(change.account, change.object, change.id).find(|other| other.number > change.number)
    }

    /// Writes a change down if it is one: `state` is what the record is in from now on, `None` if it is gone.
    pub(super) fn happened(
        &mut self,
        at: Timestamp,
        (account, object, id): Key,
        state: Option<&'static str>,
        clock: ShopClock,
    ) -> Option<&Change> {
        let last = self.history(account, object, id).last();
        let action = match (last.filter(|last| !last.is_deleted()), state) {
            (None, None) => return None,
            (None, Some(_)) => Action::Created,
            (Some(_), None) => Action::Deleted,
            (Some(last), Some(state)) if last.status() == state => return None,
            (Some(_), Some(_)) => Action::Updated,
        };
        let version = clock.shown(at);
        let record = match (state, last) {
            (None, Some(last)) => gone(&last.record, version, object),
            (state, _) => record(object, id, state.unwrap_or_default(), version),
        };
        let number = self.changes.len();
        self.of_record.entry((account, object, id)).or_default().push(number);
        self.changes.push(Change { number, at, account, object, id, action, version, record });
        self.changes.last()
    }
}

/// Follows from what it is about alone, so that a state that comes back looks as it did.
fn record(object: Object, id: u64, state: &str, version: Timestamp) -> Json {
    match object {
        Object::Orders => json!({
            "id": id, "number": format!("N-{id}"), "status": state, "total": id * 100,
            "updated_at": version, "deleted_at": null,
        }),
        Object::Customers => json!({ "id": id, "name": format!("Customer {id}"), "status": state }),
    }
}

fn gone(last: &Json, version: Timestamp, object: Object) -> Json {
    let mut record = last.clone();
    if object == Object::Orders {
        record["updated_at"] = json!(version);
        record["deleted_at"] = json!(version);
    }
    record
}
