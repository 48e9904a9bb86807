//! What dispatch sees that a person should know.

use domain::{DeliveryId, RouteName, Timestamp};
use store::dispatch::UNREADABLE;

use crate::alert::{Alerts, BREAKER_OPEN, RETIRED_WITH_OPEN_DELIVERIES, ROUTE_MOVED, route_to};
use crate::telemetry;
use crate::topology::Topology;
use crate::work::{DestinationKey, Remark, dead_letter};

/// The destination took something.
pub(super) fn tell_working(alerts: &Alerts, key: &DestinationKey) {
    alerts.gone(&key.tenant, BREAKER_OPEN, object(key));
}

/// Its breaker has been open since then, which is too long.
pub(super) fn tell_broken(alerts: &Alerts, key: &DestinationKey, since: Timestamp) {
    let detail =
        format!("destination '{}' has failed since {since}: its breaker is open, and what it is owed waits", key.name);
    alerts.note(&key.tenant, BREAKER_OPEN, object(key), detail);
}

fn object(key: &DestinationKey) -> String {
    format!("destination/{}", key.name)
}

/// The store cannot read it any more; it is dead already.
pub(super) fn tell_unreadable(alerts: &Alerts, key: &DestinationKey, id: DeliveryId, route: &RouteName) {
    telemetry::unreadable(id, key.name.as_str());
    let Remark { kind, object, detail } = dead_letter(key, route, UNREADABLE);
    alerts.note(&key.tenant, kind, object, detail);
}

/// What was owed along a route that leads elsewhere now, or nowhere, is held: nobody but a person decides about it.
pub(super) fn routeless(topology: &Topology, key: &DestinationKey, route: &RouteName) -> Remark {
    let DestinationKey { tenant, name } = key;
    match topology.route(tenant.as_str(), route.as_str()) {
        Some(now) => {
            let detail = format!(
                "route '{route}' leads to '{}' now; what it owed '{name}' is held: cancel it, or let the route lead there again",
                now.spec.to
            );
            Remark { kind: ROUTE_MOVED, object: route_to(route.as_str(), name.as_str()), detail }
        }
        None => {
            let detail =
                format!("route '{route}' was removed while deliveries were open: cancel them, or define it again");
            Remark { kind: RETIRED_WITH_OPEN_DELIVERIES, object: format!("route/{route}"), detail }
        }
    }
}
