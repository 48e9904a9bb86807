//! The kinds of alerts: stable codes, each with the object it is about. docs/guide/operate.md explains them.

use domain::DeliveryState;
use store::read::DeliveryFilter;

/// `route/<name>`: a `when` that let nothing through.
pub const FILTER_PASSES_NOTHING: &str = "filter_passes_nothing";
/// `destination/<name>`: it answered 410, or a person disabled it.
pub const DESTINATION_DISABLED: &str = "destination_disabled";
/// `route/<name>` or `destination/<name>`: removed while deliveries were open.
pub const RETIRED_WITH_OPEN_DELIVERIES: &str = "retired_with_open_deliveries";
/// `audit`: entries of the audit log were changed, taken out or cut off.
pub const AUDIT_BROKEN: &str = "audit_broken";
/// `source/<name>`: events of an account that no connection names.
pub const CONNECTION_UNASSIGNED: &str = "connection_unassigned";
/// `route/<name>/destination/<name>`: deliveries whose tries are used up.
pub const DEAD_LETTERS: &str = "dead_letters";
/// `destination/<name>`: dead letters that retention is about to remove.
pub const DEAD_LETTERS_EXPIRING: &str = "dead_letters_expiring";
/// `source/<name>`: its requests are rejected for their signatures.
pub const SIGNATURES_FAILING: &str = "signatures_failing";
/// `destination/<name>`: its breaker has been open for a while.
pub const BREAKER_OPEN: &str = "breaker_open";
/// `source/<name>`: requests wait because the key that verifies them cannot be fetched.
pub const KEY_UNREACHABLE: &str = "key_unreachable";
/// `source/<name>`: its sender asks for an address to be opened, which a person approves or refuses.
pub const HANDSHAKE_WAITING: &str = "handshake_waiting";
/// `store`: less is free than the reserve, so that no webhook is taken in.
pub const DISK_RESERVE: &str = "disk_reserve";
/// `store`: it does not do what it is asked for.
pub const STORE_FAILING: &str = "store_failing";
/// `route/<name>/destination/<name>`: deliveries to where the route does not lead any more.
pub const ROUTE_MOVED: &str = "route_moved";
/// `route/<name>`: it leads from or to what is configured no more, so that it is not served.
pub const ROUTE_LEFT_OUT: &str = "route_left_out";
/// `source/<name>/connection/<name>/stream/<name>`: reconciliation found changes that nobody had told.
pub const GAP_FOUND: &str = "gap_found";
/// The same: more records are gone than a run may tell, so a person has to say so.
pub const DELETES_WAITING: &str = "deletes_waiting";
/// The same: it could not be read several times in a row.
pub const STREAM_FAILING: &str = "stream_failing";
/// `source/<name>/connection/<name>`: its webhook subscriptions cannot be made, looked after or removed.
pub const SUBSCRIPTION_FAILING: &str = "subscription_failing";
/// `source/<name>/connection/<name>`: the source refuses its credentials.
pub const CREDENTIALS_REFUSED: &str = "credentials_refused";
/// `source/<name>/type/<type>` or `source/<name>/stream/<name>`: its values look so that whoever reads them will most
/// likely fail.
pub const SCHEMA_BROKEN: &str = "schema_broken";
/// The same: they look other than before, and whoever relies on it should look.
pub const SCHEMA_CHANGED: &str = "schema_changed";

/// `destination/<name>`: many of the tries to it fail.
pub const DELIVERY_FAILING: &str = "delivery_failing";
/// `destination/<name>`: what waits for it is much, and grows in number or age.
pub const BACKLOG_GROWING: &str = "backlog_growing";
/// `source/<name>`: it says nothing where its rhythm expects something.
pub const SILENCE: &str = "silence";
/// `budget/<scope>`: requests have been waiting for it too long.
pub const BUDGET_EXHAUSTED: &str = "budget_exhausted";
/// `source/<name>` or `api_key/<id>`: it ends soon, and nothing follows it.
pub const CREDENTIALS_EXPIRING: &str = "credentials_expiring";
/// `store`: its disk has little left, or soon will have.
pub const DISK_FILLING: &str = "disk_filling";
/// `channel/<name>`: people cannot be told through it.
pub const CHANNEL_FAILING: &str = "channel_failing";

/// The object of alerts about a stream.
#[must_use]
pub fn stream_object(key: &domain::StreamKey) -> String {
    format!("{}/stream/{}", connection_object(key), key.stream)
}

/// The object of alerts about the connection of a stream.
#[must_use]
pub fn connection_object(key: &domain::StreamKey) -> String {
    format!("source/{}/connection/{}", key.source, key.connection)
}

/// The object of alerts about a connection.
#[must_use]
pub fn account_object(account: &crate::upstream::Account) -> String {
    format!("source/{}/connection/{}", account.source, account.connection)
}

/// The object of alerts about the store.
pub const STORE: &str = "store";

/// The object of alerts about what a route owes a destination.
#[must_use]
pub fn route_to(route: &str, destination: &str) -> String {
    format!("route/{route}/destination/{destination}")
}

/// The deliveries in this state that an alert about `route/R`, `destination/D` or `route/R/destination/D` speaks of.
#[must_use]
pub fn owed_by(object: &str, state: DeliveryState) -> Option<DeliveryFilter> {
    let mut filter = DeliveryFilter { state: Some(state), ..DeliveryFilter::default() };
    let mut parts = object.split('/');
    while let Some(part) = parts.next() {
        match (part, parts.next()?) {
            ("route", name) => filter.route = Some(name.parse().ok()?),
            ("destination", name) => filter.destination = Some(name.parse().ok()?),
            _ => return None,
        }
    }
    Some(filter)
}
