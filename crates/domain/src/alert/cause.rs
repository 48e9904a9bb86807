//! What belongs together: alerts that one trouble raises are one cause, and one message tells of them all.

/// The cause that an alert of this kind about this object is part of. Of a destination that does not answer, its
/// breaker, its failed tries, its backlog and the dead letters of every route are one; of a source, what speaks of its
/// webhooks, and of each connection what speaks of reading it; of a schema, however bad its changes are.
#[must_use]
pub fn cause_of(kind: &str, object: &str) -> String {
    let named = |wanted: &str| {
        // Kind and name by turns: a name may be spelt like a kind.
        let mut parts = object.split('/');
        while let (Some(part), Some(name)) = (parts.next(), parts.next()) {
            if part == wanted {
                return Some(name);
            }
        }
        None
    };
    match kind {
        "breaker_open" | "delivery_failing" | "dead_letters" | "backlog_growing" => {
            named("destination").map(|name| format!("deliveries/{name}"))
        }
        "signatures_failing" | "key_unreachable" | "silence" => named("source").map(|name| format!("webhooks/{name}")),
        "credentials_refused" | "stream_failing" | "budget_exhausted" | "subscription_failing" => named("source")
            .zip(named("connection"))
            .map(|(source, connection)| format!("reading/{source}/{connection}")),
        "schema_broken" | "schema_changed" => Some(format!("schema/{object}")),
        "disk_reserve" | "disk_filling" | "store_failing" => Some("store".to_owned()),
        _ => None,
    }
    .unwrap_or_else(|| format!("{kind}/{object}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_trouble_raises_is_one_cause_and_everything_else_is_its_own() {
        for (kind, object, cause) in [
            ("breaker_open", "destination/app", "deliveries/app"),
            ("dead_letters", "route/one/destination/app", "deliveries/app"),
            ("dead_letters", "route/destination/destination/app", "deliveries/app"),
            ("backlog_growing", "destination/app", "deliveries/app"),
            ("destination_disabled", "destination/app", "destination_disabled/destination/app"),
            ("silence", "source/shop", "webhooks/shop"),
            ("stream_failing", "source/shop/connection/acme/stream/orders", "reading/shop/acme"),
            ("credentials_refused", "source/shop/connection/acme", "reading/shop/acme"),
            (
                "gap_found",
                "source/shop/connection/acme/stream/orders",
                "gap_found/source/shop/connection/acme/stream/orders",
            ),
            ("budget_exhausted", "budget/shared/crm", "budget_exhausted/budget/shared/crm"),
            ("schema_broken", "source/shop/type/order", "schema/source/shop/type/order"),
            ("schema_changed", "source/shop/type/order", "schema/source/shop/type/order"),
            ("disk_filling", "store", "store"),
            ("store_failing", "store", "store"),
        ] {
            assert_eq!(cause_of(kind, object), cause, "{kind} {object}");
        }
    }
}
