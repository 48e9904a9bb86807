//! Rules about connections that were not made, or broke: names, addresses, ports, certificates.

use super::super::{Rule, Said, certain, in_words, likely, possible};
use super::{Facts, Try};

pub(super) const RULES: &[Rule<Facts>] = &[
    ("egress_refused", egress_refused),
    ("dns_not_found", dns_not_found),
    ("dns_trouble", dns_trouble),
    ("connection_refused", connection_refused),
    ("no_way_there", no_way_there),
    ("connect_timeout", connect_timeout),
    ("connection_reset", connection_reset),
    ("not_http1", not_http1),
    ("answer_head_too_large", answer_head_too_large),
];

pub(super) const TLS_RULES: &[Rule<Facts>] = &[
    ("certificate_expired", certificate_expired),
    ("certificate_not_yet_valid", certificate_not_yet_valid),
    ("certificate_of_another_name", certificate_of_another_name),
    ("certificate_self_signed", certificate_self_signed),
    ("certificate_unknown_issuer", certificate_unknown_issuer),
    ("plain_http_behind_https", plain_http_behind_https),
    ("tls_too_old", tls_too_old),
    ("client_certificate_wanted", client_certificate_wanted),
];

fn says(last: &Try, words: &[&str]) -> bool {
    let error = last.error.to_ascii_lowercase();
    words.iter().any(|word| error.contains(word))
}

fn egress_refused(facts: &Facts) -> Option<Said> {
    let last = facts.ended("egress_refused")?;
    certain(
        format!("{} leads to an address that the gateway may not reach: {}.", facts.host(), last.error),
        "If that is meant, allow its range under `egress.allow` (or --egress-allow). If not, somebody points a \
             public name at a private address.",
    )
}

/// Whether a resolver said that it could not find out, rather than that there is nothing.
fn is_temporary(last: &Try) -> bool {
    says(last, &["temporar", "try again", "timed out", "timeout", "server failure", "servfail", "refused"])
}

fn dns_not_found(facts: &Facts) -> Option<Said> {
    let last = facts.ended("dns_failed").filter(|last| !is_temporary(last))?;
    certain(
        format!("There is no address under the name {}: {}.", facts.host(), last.error),
        "Correct the host in the destination's URL, or its DNS record. A name that only resolves in your own \
             network needs a resolver of that network.",
    )
}

fn dns_trouble(facts: &Facts) -> Option<Said> {
    let last = facts.ended("dns_failed").filter(|last| is_temporary(last))?;
    likely(
        format!("The resolver of this machine did not answer for {}: {}.", facts.host(), last.error),
        "Check the gateway's DNS (`getent hosts` on its machine). The destination itself may be well.",
    )
}

fn connection_refused(facts: &Facts) -> Option<Said> {
    facts.ended("connect_failed").filter(|last| says(last, &["refused"]))?;
    let (host, port) = (facts.host(), facts.destination.port);
    certain(
        format!("Nothing listens at {host} port {port}: the machine is there and refuses the connection."),
        "Start the program, or correct the port. In a container, `localhost` is the gateway's own container: name \
             the other one.",
    )
}

fn no_way_there(facts: &Facts) -> Option<Said> {
    facts.ended("connect_failed").filter(|last| says(last, &["unreachable", "no route"]))?;
    certain(
        format!("There is no way from the gateway's network to {}.", facts.host()),
        "Check routes, VPN and security groups between the two. An address of IPv6 alone cannot be reached from a \
             machine without it.",
    )
}

fn connect_timeout(facts: &Facts) -> Option<Said> {
    let last = facts.ended("connect_timeout")?;
    likely(
        format!(
            "Nobody answered at {} port {} within {}: a firewall that drops silently looks like this, and so does \
                 a machine that is down.",
            facts.host(),
            facts.destination.port,
            in_words(last.duration)
        ),
        "Let the gateway's address through the firewall or security group, and check that the machine is up.",
    )
}

fn connection_reset(facts: &Facts) -> Option<Said> {
    facts.ended("connection_reset")?;
    likely(
        format!(
            "{} took the request and closed the connection without an answer: the program behind it crashed or was \
                 stopped, or a proxy cut it off.",
            facts.host()
        ),
        "Look into the destination's log at that moment. It may have handled the message: the `webhook-id` is \
             the same in every try.",
    )
}

fn not_http1(facts: &Facts) -> Option<Said> {
    let last = facts.failed()?;
    let refused = last.outcome == "protocol_error" || matches!(last.status, Some(426 | 505));
    refused.then_some(())?;
    likely(
        format!(
            "What answers at {} port {} does not speak HTTP/1.1, as a port for HTTP/2 alone, gRPC or something \
                 else does.",
            facts.host(),
            facts.destination.port
        ),
        "Give the URL of a port that takes HTTP/1.1, or let the proxy in front of it translate.",
    )
}

fn answer_head_too_large(facts: &Facts) -> Option<Said> {
    facts.ended("response_too_large")?;
    certain(
        format!("{} answers with more headers than anybody reads.", facts.host()),
        "Cookies are the usual reason: the endpoint for webhooks needs none. The status decides, and an empty 204 \
             is enough.",
    )
}

fn tls_says(facts: &Facts, words: &[&str]) -> Option<String> {
    facts.ended("tls_failed").filter(|last| says(last, words)).map(|last| last.error.clone())
}

fn certificate_expired(facts: &Facts) -> Option<Said> {
    tls_says(facts, &["expired"])?;
    certain(
        format!("The certificate of {} has expired.", facts.host()),
        "Renew it, and see why that did not happen by itself. If it is valid elsewhere, compare the gateway's clock.",
    )
}

fn certificate_not_yet_valid(facts: &Facts) -> Option<Said> {
    tls_says(facts, &["not valid yet", "notvalidyet", "not yet valid"])?;
    likely(
        format!("The certificate of {} is not valid yet: by the gateway's clock it is {}.", facts.host(), facts.now),
        "Compare that with the real time, and set the clock (NTP). If the clock is right, the certificate was \
             issued for later.",
    )
}

fn certificate_of_another_name(facts: &Facts) -> Option<Said> {
    tls_says(facts, &["not valid for name", "notvalidforname"])?;
    certain(
        format!("The certificate that is shown at {} is for another name.", facts.host()),
        "Use the name in the URL that the certificate has, or add this one to it. A default certificate is shown \
             where the server knows no such host.",
    )
}

fn certificate_self_signed(facts: &Facts) -> Option<Said> {
    tls_says(facts, &["causedasendentity", "self-signed", "self signed"])?;
    certain(
        format!("{} shows a certificate that it signed itself.", facts.host()),
        "Give it one of a public authority, or start the gateway with the one that issued it among its extra roots.",
    )
}

fn certificate_unknown_issuer(facts: &Facts) -> Option<Said> {
    tls_says(facts, &["unknownissuer", "unknown issuer"])?;
    likely(
        format!(
            "Nobody that the gateway trusts vouches for the certificate of {}: the server leaves out the \
                 certificate in between, or its authority is your own.",
            facts.host()
        ),
        "Have the server send the full chain (browsers often hide that it is missing), or add your authority to \
             the gateway's extra roots.",
    )
}

fn plain_http_behind_https(facts: &Facts) -> Option<Said> {
    facts.destination.https.then_some(())?;
    tls_says(facts, &["invalidcontenttype", "corrupt message", "wrong version"])?;
    likely(
        format!("{} port {} speaks plain HTTP, and the URL says https.", facts.host(), facts.destination.port),
        "Write http:// for a port without TLS, or name the port that has it (usually 443).",
    )
}

fn tls_too_old(facts: &Facts) -> Option<Said> {
    tls_says(facts, &["protocolversion", "handshakefailure", "protocol version", "handshake failure"])?;
    likely(
        format!(
            "{} and the gateway have no way of encrypting in common: it offers less than TLS 1.2, or only old ciphers.",
            facts.host()
        ),
        "Switch TLS 1.2 or 1.3 on at the server.",
    )
}

fn client_certificate_wanted(facts: &Facts) -> Option<Said> {
    tls_says(facts, &["certificaterequired", "certificate required"])?;
    possible(
        format!("{} wants a certificate of its caller, and the gateway has none.", facts.host()),
        "Let webhooks in without one and verify their signature instead, or put a proxy between that has it.",
    )
}
