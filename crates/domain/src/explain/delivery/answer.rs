//! Rules about what a destination answered.

use super::super::{Rule, Said, certain, in_words, likely, possible, size};
use super::{Facts, Try};
use crate::DeliveryState;

pub(super) const RULES: &[Rule<Facts>] = &[
    ("redirected", redirected),
    ("redirected_to_login", redirected_to_login),
    ("gone", gone),
    ("csrf_protection", csrf_protection),
    ("signature_not_verified", signature_not_verified),
    ("unauthorized", unauthorized),
    ("forbidden", forbidden),
    ("not_found", not_found),
    ("method_not_allowed", method_not_allowed),
    ("not_acceptable_shape", not_acceptable_shape),
    ("wrong_content_type", wrong_content_type),
    ("body_too_large", body_too_large),
    ("headers_too_large", headers_too_large),
    ("rate_limited", rate_limited),
    ("tunnel_offline", tunnel_offline),
    ("proxy_without_backend", proxy_without_backend),
    ("overloaded", overloaded),
];

/// The answer reads like one of these.
fn reads(last: &Try, words: &[&str]) -> bool {
    words.iter().any(|word| last.response.contains(word))
}

fn redirected(facts: &Facts) -> Option<Said> {
    let last = facts.answered(&[301, 302, 303, 307, 308]).filter(|last| !is_login(last))?;
    let status = last.status?;
    let likely_why = if facts.destination.https {
        ""
    } else {
        " The URL begins with http://: the usual reason is that it wants https."
    };
    certain(
        format!(
            "{} answers {status}: it wants to be called at another URL. Redirects are not followed, because a \
                 signed message must not go wherever an answer points.{likely_why}",
            facts.host()
        ),
        "Configure the final URL: see where `curl -I` of this one points. A slash at the end, `www.` and https are \
             what usually differs.",
    )
}

fn is_login(last: &Try) -> bool {
    reads(last, &["login", "sign in", "signin", "sso"])
}

fn redirected_to_login(facts: &Facts) -> Option<Said> {
    facts.answered(&[301, 302, 303, 307, 308]).filter(|last| is_login(last))?;
    likely(
        format!("{} sends callers without a session to a login page.", facts.host()),
        "Exempt the webhook's path from the login: its signature is what proves where a message comes from.",
    )
}

fn gone(facts: &Facts) -> Option<Said> {
    facts.answered(&[410])?;
    certain(
        format!(
            "{} answered 410 Gone: it asks never to be called again, so the destination was disabled and the rest \
                 is held.",
            facts.host()
        ),
        "If it moved, correct its URL and resume it; if it is gone for good, remove the routes to it.",
    )
}

fn csrf_protection(facts: &Facts) -> Option<Said> {
    facts.answered(&[400, 403, 419, 422]).filter(|last| reads(last, &["csrf", "xsrf", "forgery", "page expired"]))?;
    likely(
        format!(
            "The web framework at {} wants a token against cross-site requests, which only its own pages have.",
            facts.host()
        ),
        "Exempt the webhook's path from that check, and verify the message's signature there instead.",
    )
}

const ABOUT_SIGNATURES: [&str; 4] = ["signature", "hmac", "webhook secret", "webhookverificationerror"];

fn signature_not_verified(facts: &Facts) -> Option<Said> {
    facts.answered(&[400, 401, 403]).filter(|last| reads(last, &ABOUT_SIGNATURES))?;
    if !facts.destination.signed {
        return certain(
            format!(
                "{} wants a signature, and destination '{}' is configured to send none.",
                facts.host(),
                facts.destination.name
            ),
            "Give the destination a `secret` (whsec_…), the same that the program verifies with.",
        );
    }
    likely(
        format!(
            "{} does not accept the signature: it has another secret, or it verifies something else than the bytes \
                 as they came.",
            facts.host()
        ),
        "Compare the destination's secret with the program's, whole and without blanks, and verify the raw body \
             before any JSON parser touches it.",
    )
}

fn unauthorized(facts: &Facts) -> Option<Said> {
    facts.answered(&[401]).filter(|last| !reads(last, &ABOUT_SIGNATURES))?;
    likely(
        format!("{} wants a credential, and the one that is sent is missing or wrong.", facts.host()),
        "Give it under the destination's `headers` (`authorization: \"${TOKEN}\"`). If one is there, it has \
             expired or was changed.",
    )
}

fn forbidden(facts: &Facts) -> Option<Said> {
    let last = facts.answered(&[403])?;
    (!reads(last, &ABOUT_SIGNATURES) && !reads(last, &["csrf", "xsrf", "forgery"])).then_some(())?;
    if reads(last, &["cloudflare", "captcha", "challenge", "waf", "access denied", "akamai", "incapsula"]) {
        return likely(
            format!("A firewall in front of {} takes the gateway for a robot, which it is.", facts.host()),
            "Add a rule there that lets the webhook's path pass from the gateway's address, without a challenge.",
        );
    }
    possible(
        format!(
            "{} knows the caller and does not let it: an allow-list of addresses, or a credential with too few rights.",
            facts.host()
        ),
        "Add the gateway's outgoing address to the allow-list, or widen what the credential may do.",
    )
}

fn not_found(facts: &Facts) -> Option<Said> {
    facts.answered(&[404]).filter(|last| !reads(last, &TUNNELS))?;
    let worked = if facts.minutes.iter().any(|minute| minute.tries > minute.failed) {
        " It worked there within the last hour: a deployment may have left the route out."
    } else {
        ""
    };
    certain(
        format!("There is nothing at the path of the URL on {}.{worked}", facts.host()),
        "Compare the path with the program's routes: a prefix, a version or a slash at the end. Some answer 404 to \
             methods other than theirs: this is a POST.",
    )
}

fn method_not_allowed(facts: &Facts) -> Option<Said> {
    facts.answered(&[405])?;
    certain(
        format!("{} has the path, and takes no POST there.", facts.host()),
        "Register the handler for POST. A redirect that a proxy follows turns a POST into a GET: give the final URL.",
    )
}

fn not_acceptable_shape(facts: &Facts) -> Option<Said> {
    let last = facts.answered(&[400, 422])?;
    let otherwise =
        reads(last, &ABOUT_SIGNATURES) || reads(last, &["csrf", "xsrf", "forgery", "header too", "headers too"]);
    (!otherwise).then_some(())?;
    let form = if facts.content_type.is_empty() {
        "what it gets".to_owned()
    } else {
        format!("the {} that it gets", facts.content_type)
    };
    likely(
        format!(
            "{} understands {form}, and does not find in it what it expects: fields are missing, or are named or \
                 typed otherwise.",
            facts.host()
        ),
        format!(
            "Its answer usually says which (see the try). Make the shape that it wants with `map` on route '{}', \
                 or set `body: raw` if it wants the sender's own.",
            facts.route
        ),
    )
}

fn wrong_content_type(facts: &Facts) -> Option<Said> {
    facts.answered(&[406, 415])?;
    certain(
        format!(
            "{} does not take the content type {}.",
            facts.host(),
            if facts.content_type.is_empty() { "of the message" } else { &facts.content_type }
        ),
        "`body: cloudevents` sends application/cloudevents+json, `raw` the sender's own type, `envelope` and `map` \
             application/json: choose what it takes.",
    )
}

fn body_too_large(facts: &Facts) -> Option<Said> {
    facts.answered(&[413])?;
    let of = facts.body_bytes.map(|bytes| format!(" ({})", size(bytes))).unwrap_or_default();
    certain(
        format!("The message{of} is larger than {} or the proxy in front of it takes.", facts.host()),
        "Raise its limit (nginx: client_max_body_size, 1 MiB by default; Express: the parser's limit, 100 KiB), or \
             send less with `map`.",
    )
}

fn headers_too_large(facts: &Facts) -> Option<Said> {
    let last = facts.answered(&[400, 431])?;
    (last.status == Some(431) || reads(last, &["header too", "headers too", "header or cookie too"])).then_some(())?;
    likely(
        format!("The headers are larger than {} takes.", facts.host()),
        "Shorten what the destination's `headers` add (long tokens above all), or raise the limit there (nginx: \
             large_client_header_buffers).",
    )
}

fn rate_limited(facts: &Facts) -> Option<Said> {
    let last = facts.answered(&[429])?;
    let when = facts
        .due_at
        .filter(|due| *due > last.at && facts.state == DeliveryState::Retrying)
        .map(|due| format!(" The next try is due in {}.", in_words(due.since(facts.now))));
    certain(
        format!(
            "{} gets more than it takes.{} If it says how long to wait, that is obeyed.",
            facts.host(),
            when.unwrap_or_default()
        ),
        "Set the destination's `rate_limit` to what it allows: then it is never reached, and no try is used up.",
    )
}

/// What services say whose tunnel to a laptop has no other end.
const TUNNELS: [&str; 4] = ["tunnel", "ngrok", "err_ngrok", "is offline"];

fn tunnel_offline(facts: &Facts) -> Option<Said> {
    facts.answered(&[404, 502, 503, 504, 530]).filter(|last| reads(last, &TUNNELS))?;
    likely(
        format!("{} is a tunnel to somebody's machine, and its other end is not connected.", facts.host()),
        "Start it again and compare the name, which many tunnels change. `trireme listen` needs no tunnel, and \
             loses nothing while a machine sleeps.",
    )
}

/// What proxies write on their own pages, and programs behind them do not.
const PROXIES: [&str; 19] = [
    "nginx",
    "openresty",
    "cloudflare",
    "haproxy",
    "envoy",
    "varnish",
    "guru meditation",
    "backend fetch failed",
    "no server is available to handle this request",
    "no available server",
    "no healthy upstream",
    "upstream connect error",
    "bad gateway",
    "<center><h1>503",
    "proxy error",
    "proxy server",
    "maintenance downtime or capacity problems",
    "herokucdn",
    "front door",
];

/// Programs answer 503 themselves, so that only its page tells a proxy's; the others nobody else answers.
fn is_of_proxy(last: &Try) -> bool {
    last.status != Some(503) || reads(last, &PROXIES)
}

fn proxy_without_backend(facts: &Facts) -> Option<Said> {
    let last = facts.answered(&[502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 530])?;
    (!reads(last, &TUNNELS) && is_of_proxy(last)).then_some(())?;
    let status = last.status?;
    let what = match status {
        504 | 522 | 524 => "waited for the program behind it in vain",
        525 | 526 => "does not accept the certificate of the server behind it",
        _ => "does not reach the program behind it",
    };
    likely(
        format!("A proxy answers for {} with {status}: it {what}.", facts.host()),
        "Look whether the program runs and is healthy to the proxy, and how long the proxy waits. It comes from \
             the proxy, so the program's log may hold nothing of it.",
    )
}

fn overloaded(facts: &Facts) -> Option<Said> {
    let last = facts.answered(&[503])?;
    (!reads(last, &TUNNELS) && !is_of_proxy(last)).then_some(())?;
    likely(
        format!("{} answers 503: it says that it is overloaded, or is restarting.", facts.host()),
        format!(
            "See whether it is up, and how much it has to do: {} finds it well then. If it is load, set the \
                 destination's `rate_limit` or lower its `concurrency`. If it says how long to wait, that is obeyed.",
            facts.next_try()
        ),
    )
}
