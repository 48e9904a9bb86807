//! How destinations do just now. Only the node that is in charge of one knows: what another one has in memory is of
//! another time, so it says who knows instead.

use std::collections::BTreeMap;

use domain::breaker::BreakerState;
use domain::{ChargeKind, DestinationName, Tenant};
use engine::dispatch::DestinationLive;
use maud::{Markup, html};

use crate::desk::Desk;
use crate::part::tag;
use crate::reply::Trouble;

/// How one destination does just now, as far as this node can say.
#[derive(Clone, Debug)]
pub(crate) enum Live {
    Here(DestinationLive),
    /// Nothing was sent there since this node started.
    Unused,
    /// Another node is in charge, by its name; `None`: nobody is just now.
    Elsewhere(Option<String>),
}

/// How each of these does. Who is in charge is asked once for all of them, and only if it is not this node.
pub(crate) async fn live(
    desk: &Desk,
    tenant: &Tenant,
    names: impl Iterator<Item = &DestinationName>,
) -> Result<BTreeMap<DestinationName, Live>, Trouble> {
    let mut all = BTreeMap::new();
    for name in names {
        all.insert(name.clone(), of_this_node(desk, tenant, name).await);
    }
    if all.values().any(|live| matches!(live, Live::Elsewhere(_))) {
        let keepers = keepers(desk, tenant).await?;
        for (name, live) in &mut all {
            if let Live::Elsewhere(node) = live {
                *node = keepers.get(name.as_str()).cloned();
            }
        }
    }
    Ok(all)
}

async fn of_this_node(desk: &Desk, tenant: &Tenant, name: &DestinationName) -> Live {
    let live = desk.engine.destination_live(tenant.clone(), name.clone()).await;
    let topology = desk.engine.topology();
    let gate = topology.destination(tenant.as_str(), name.as_str()).map(|destination| &destination.gate);
    match live {
        Some(live) if live.in_charge => Live::Here(live),
        None if gate.is_none_or(|gate| gate.in_charge()) => Live::Unused,
        _ => Live::Elsewhere(None),
    }
}

/// The living node that is in charge of each destination.
async fn keepers(desk: &Desk, tenant: &Tenant) -> Result<BTreeMap<String, String>, Trouble> {
    let living = desk.engine.nodes(tenant).await?.into_iter().filter(|node| !node.left.is_zero());
    let charges = living.flat_map(|mut node| {
        let destinations = node.charges.remove(&ChargeKind::Destination).unwrap_or_default();
        destinations.into_iter().map(move |destination| (destination, node.name.clone()))
    });
    Ok(charges.collect())
}

impl Live {
    /// Its breaker, or who knows that.
    pub(crate) fn breaker(&self) -> Markup {
        match self {
            Self::Here(live) => tag::breaker(live.breaker),
            Self::Unused => html! { span.dim { "not used since the start" } },
            Self::Elsewhere(node) => html! { span.dim { "looked after by " (keeper(node.as_deref())) } },
        }
    }

    /// What a destination's own page says of it.
    pub(crate) fn facts(&self) -> Vec<(&'static str, Option<Markup>)> {
        match self {
            Self::Here(live) => vec![
                ("Breaker", Some(tag::breaker(live.breaker))),
                ("Under way", Some(html! { (live.in_flight) ", " (live.queued) " more in memory" })),
            ],
            Self::Unused => Vec::new(),
            Self::Elsewhere(node) => vec![("Looked after by", Some(html! { (keeper(node.as_deref())) }))],
        }
    }

    /// What becomes of deliveries that are given to it now.
    pub(crate) fn then(&self) -> &'static str {
        match self {
            Self::Here(live) if live.breaker != BreakerState::Closed => "They wait for its breaker, then go.",
            Self::Here(_) | Self::Unused => "They go at once, at the rate that it allows.",
            Self::Elsewhere(_) => "They go as soon as its breaker lets them, at the rate that it allows.",
        }
    }
}

fn keeper(node: Option<&str>) -> &str {
    node.unwrap_or("no node just now")
}
