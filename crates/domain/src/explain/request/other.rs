//! Rules about requests that were refused for something else than their signature or time.

use super::super::{Rule, Said, certain, likely, size};
use super::Facts;

pub(super) const RULES: &[Rule<Facts>] = &[
    ("request_too_large", request_too_large),
    ("body_unreadable", body_unreadable),
    ("encoding_refused", encoding_refused),
    ("method_refused", method_refused),
    ("address_hidden_by_proxy", address_hidden_by_proxy),
    ("address_not_the_senders", address_not_the_senders),
    ("addresses_not_known", addresses_not_known),
    ("connection_unknown", connection_unknown),
    ("source_gone", source_gone),
    ("handshake_refused", handshake_refused),
    ("claim_refused", claim_refused),
    ("pairing_closed", pairing_closed),
];

fn request_too_large(facts: &Facts) -> Option<Said> {
    facts.is(&["body_too_large"])?;
    let of = if facts.body_bytes > 0 { format!(" ({})", size(facts.body_bytes)) } else { String::new() };
    certain(
        format!("The request's body{of} is larger than the gateway takes, packed or unpacked."),
        "Raise `limits.body` if such large ones are wanted, or have the sender send less. The body was not kept: \
             the sender has to send it again.",
    )
}

fn body_unreadable(facts: &Facts) -> Option<Said> {
    facts.is(&["body_unreadable"])?;
    likely(
        format!(
            "The body is not what {} sends: {}. Its content type is {}.",
            facts.provider,
            facts.detail,
            if facts.content_type.is_empty() { "not told" } else { &facts.content_type }
        ),
        "Set the format in the sender's webhook settings (often JSON and not a form), and see whether the source \
             names the right provider.",
    )
}

fn encoding_refused(facts: &Facts) -> Option<Said> {
    facts.is(&["encoding_refused"])?;
    certain(
        format!("The body is packed in a way that cannot be undone here: {}.", facts.detail),
        "Have the sender, or the proxy in between, send it unpacked or with gzip.",
    )
}

fn method_refused(facts: &Facts) -> Option<Said> {
    facts.is(&["method_refused"])?;
    likely(
        format!("It came as {}, which {} does not use: {}.", facts.method, facts.provider, facts.detail),
        "A browser that opens the URL does this, and so does a proxy that follows a redirect. Give the sender the \
             final URL, with https.",
    )
}

fn address_hidden_by_proxy(facts: &Facts) -> Option<Said> {
    facts.is(&["address_refused"])?;
    facts.passed_a_proxy().then_some(())?;
    likely(
        format!(
            "The source takes requests only from certain addresses, and this one shows that of a proxy: {}.",
            facts.detail
        ),
        "List the proxy under `trusted_proxies`: then the sender's address counts, as the proxy tells it.",
    )
}

fn address_not_the_senders(facts: &Facts) -> Option<Said> {
    facts.is(&["address_refused"])?;
    (!facts.passed_a_proxy()).then_some(())?;
    likely(
        format!("It came from an address that the source does not take requests from: {}.", facts.detail),
        "If it is the sender's, add it to `allow_from`. If not, somebody else called, and nothing has to be done.",
    )
}

fn addresses_not_known(facts: &Facts) -> Option<Said> {
    facts.is(&["addresses_not_known"])?;
    certain(
        "The source takes requests only from the addresses that its sender publishes, and that list could not be \
             fetched yet.",
        "Check that the gateway may reach the sender's list (egress, DNS). Then verify the request again.",
    )
}

fn connection_unknown(facts: &Facts) -> Option<Said> {
    facts.is(&["unknown_connection"])?;
    certain(
        format!("Source '{}' has no such connection: {}.", facts.source, facts.detail),
        "Correct the last part of the URL at the sender, or configure the connection. Then verify the request again.",
    )
}

fn source_gone(facts: &Facts) -> Option<Said> {
    facts.is(&["source_gone"])?;
    certain(
        format!("Source '{}' was removed while the request waited for the key that verifies it.", facts.source),
        "If the source is wanted after all, configure it again. Then verify the request again.",
    )
}

fn handshake_refused(facts: &Facts) -> Option<Said> {
    facts.is(&["challenge_refused", "handshake"])?;
    likely(
        format!("The sender wanted to set the endpoint up, and that did not succeed: {}.", facts.detail),
        "Save the endpoint at the sender once more while the gateway runs: a handshake is answered at once or not \
             at all.",
    )
}

fn claim_refused(facts: &Facts) -> Option<Said> {
    facts.is(&["claim_refused"])?;
    likely(
        format!("The signature fits, and what the request says of itself does not: {}.", facts.detail),
        "Compare the source's settings (audience, issuer, account) with those at the sender.",
    )
}

fn pairing_closed(facts: &Facts) -> Option<Said> {
    facts.is(&["not_pairing", "pairing_refused"])?;
    certain(
        format!("The sender wanted to hand its secret over, and nobody waits for one: {}.", facts.detail),
        "Open the door first (`trireme source pair NAME`), then have the sender try again.",
    )
}
