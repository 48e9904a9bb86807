//! Rules about signatures that are missing or do not fit.

use super::super::{Rule, Said, certain, likely, possible};
use super::{Facts, Mode, Otherwise, Rewritten};

pub(super) const RULES: &[Rule<Facts>] = &[
    ("secret_fits_now", secret_fits_now),
    ("secret_with_blanks", secret_with_blanks),
    ("secret_of_another_source", secret_of_another_source),
    ("url_signed_differs", url_signed_differs),
    ("body_rewritten", body_rewritten),
    ("body_unpacked_on_the_way", body_unpacked_on_the_way),
    ("test_secret_for_live", test_secret_for_live),
    ("secret_was_changed", secret_was_changed),
    ("secret_never_fitted", secret_never_fitted),
    ("one_of_many_mismatches", one_of_many_mismatches),
    ("signature_stripped_by_proxy", signature_stripped_by_proxy),
    ("sender_does_not_sign", sender_does_not_sign),
    ("signature_malformed", signature_malformed),
    ("signed_header_lost", signed_header_lost),
    ("header_doubled", header_doubled),
    ("secret_missing", secret_missing),
    ("secret_lapsed", secret_lapsed),
    ("key_unknown", key_unknown),
    ("key_unreachable", key_unreachable),
    ("key_of_a_stranger", key_of_a_stranger),
];

/// Requests of a source that were rejected alike before its secret counts as wrong.
const ALIKE_MIN: u64 = 3;

fn mismatch(facts: &Facts) -> Option<()> {
    facts.is(&["signature_mismatch"])
}

/// Nothing was found by which it would have been verified.
fn unexplained(facts: &Facts) -> Option<()> {
    mismatch(facts)?;
    facts.otherwise.is_empty().then_some(())
}

fn secret_fits_now(facts: &Facts) -> Option<Said> {
    facts.otherwise.contains(&Otherwise::Now).then_some(())?;
    certain(
        format!(
            "The signature fits what source '{}' is configured with now: it was another secret when \
                 the request came.",
            facts.source
        ),
        "Verify the request again: it is accepted then, like all others that were rejected for this reason meanwhile.",
    )
}

fn secret_with_blanks(facts: &Facts) -> Option<Said> {
    facts.otherwise.contains(&Otherwise::SecretWithoutBlanks).then_some(())?;
    certain(
        format!(
            "The secret of source '{}' has a blank or a line break at an end; without it this request is verified.",
            facts.source
        ),
        "Write the secret without it. A file often ends with a line break: `printf %s` writes none. Then verify \
             the request again.",
    )
}

fn secret_of_another_source(facts: &Facts) -> Option<Said> {
    let other = facts.otherwise.iter().find_map(|otherwise| match otherwise {
        Otherwise::SecretOfSource(name) => Some(name),
        _ => None,
    })?;
    certain(
        format!("It is signed with the secret of source '{other}', and came to '{}'.", facts.source),
        format!(
            "Give the sender the URL of '{other}', or exchange the two secrets. If both are meant to take it, list \
                 both secrets. Then verify the request again."
        ),
    )
}

fn url_signed_differs(facts: &Facts) -> Option<Said> {
    let url = facts.otherwise.iter().find_map(|otherwise| match otherwise {
        Otherwise::Url(url) => Some(url),
        _ => None,
    })?;
    certain(
        format!(
            "The sender signs the URL, and called {url}: the gateway takes itself to be called otherwise, because \
                 a proxy stands before it."
        ),
        "Set `public_url` to what senders call, or list the proxy under `trusted_proxies` so that its X-Forwarded \
             headers count. Then verify the request again.",
    )
}

fn body_rewritten(facts: &Facts) -> Option<Said> {
    let how = facts.otherwise.iter().find_map(|otherwise| match otherwise {
        Otherwise::Body(how) => Some(*how),
        _ => None,
    })?;
    let how = match how {
        Rewritten::CompactJson => "compact JSON, without blanks between its parts",
        Rewritten::IndentedJson => "indented JSON",
        Rewritten::LastLineBreak => "a text with another end",
        Rewritten::LineBreaks => "a text with other line breaks",
    };
    certain(
        format!(
            "The body was {how} when it was signed: something between the sender and the gateway has read and \
                 written it anew."
        ),
        "Have the proxy, function or API gateway in between pass the bytes on as they are, without parsing them.",
    )
}

fn body_unpacked_on_the_way(facts: &Facts) -> Option<Said> {
    unexplained(facts)?;
    (!facts.encoding.is_empty() && facts.encoding != "identity" && facts.passed_a_proxy()).then_some(())?;
    possible(
        format!(
            "The request says that its body is packed ({}) and passed a proxy: one that unpacks or packs it \
                 changes what was signed.",
            facts.encoding
        ),
        "Switch off compression of requests at that proxy.",
    )
}

fn test_secret_for_live(facts: &Facts) -> Option<Said> {
    unexplained(facts)?;
    let (is, other) = match facts.mode? {
        Mode::Test => ("a test", "live"),
        Mode::Live => ("live", "test"),
    };
    // Where the others pass, the secret fits; where none does, any may be wrong.
    facts.accepted_at?;
    likely(
        format!(
            "`{}` says that this request is {is}, and the source has accepted others: its secret is probably that \
                 of the {other} mode, which is another one.",
            facts.mode_field
        ),
        "List both secrets while both modes call this URL (`secret: [\"${LIVE}\", \"${TEST}\"]`), or give each \
             mode a source of its own.",
    )
}

fn secret_was_changed(facts: &Facts) -> Option<Said> {
    unexplained(facts)?;
    let accepted = facts.accepted_at.filter(|at| *at < facts.received_at)?;
    (facts.alike >= ALIKE_MIN).then_some(())?;
    likely(
        format!(
            "Source '{}' accepted requests until {accepted}, and the last {} did not fit its secret: it was \
                 changed at the sender.",
            facts.source, facts.alike
        ),
        "Add the new secret beside the old one, then verify the rejected requests again: none is lost.",
    )
}

fn secret_never_fitted(facts: &Facts) -> Option<Said> {
    unexplained(facts)?;
    facts.accepted_at.is_none().then_some(())?;
    likely(
        format!(
            "Source '{}' never accepted anything: the secret is not the one that the sender signs with.",
            facts.source
        ),
        format!(
            "Copy it once more from the sender's settings of this very endpoint. It is neither the API key nor \
                 another endpoint's secret (`trireme providers show {}` says where it is found). Then verify the \
                 request again.",
            facts.provider
        ),
    )
}

fn one_of_many_mismatches(facts: &Facts) -> Option<Said> {
    unexplained(facts)?;
    facts.accepted_at?;
    (facts.alike < ALIKE_MIN && facts.mode.is_none()).then_some(())?;
    possible(
        "Others of this source are verified, and this one is not: somebody else sent it, or something changed it \
             on the way."
            .to_owned(),
        "If many come from one address that is not the sender's, somebody is trying; they are harmless, and an \
             `allow_from` keeps them out.",
    )
}

fn signature_stripped_by_proxy(facts: &Facts) -> Option<Said> {
    facts.is(&["signature_missing"])?;
    (facts.passed_a_proxy() && facts.accepted_at.is_none()).then_some(())?;
    likely(
        format!(
            "No header carries a signature, and the request passed a proxy, which may pass only headers on that it \
                 knows: {}.",
            facts.detail
        ),
        "Have the proxy, CDN or API gateway pass all headers on. Some drop those with underscores, or all that are \
             not listed.",
    )
}

fn sender_does_not_sign(facts: &Facts) -> Option<Said> {
    facts.is(&["signature_missing"])?;
    (!facts.passed_a_proxy() || facts.accepted_at.is_some()).then_some(())?;
    likely(
        format!(
            "The request carries no signature: {}. A sender signs only once a secret is set on its side; and \
                 browsers, scanners and `curl` never do.",
            facts.detail
        ),
        "Set the secret in the sender's webhook settings. `trireme send` makes a signed sample to try the source with.",
    )
}

fn signature_malformed(facts: &Facts) -> Option<Said> {
    facts.is(&["signature_malformed"])?;
    likely(
        format!("There is a signature, and not of the form that {} writes: {}.", facts.provider, facts.detail),
        "Check that the source names the right provider, and the scheme that is set at the sender (another \
             algorithm, hex or base64).",
    )
}

fn signed_header_lost(facts: &Facts) -> Option<Said> {
    facts.is(&["signed_field_missing"])?;
    likely(
        format!("Something that is part of what was signed did not arrive: {}.", facts.detail),
        "See whether a proxy drops or renames headers or query parameters on the way.",
    )
}

fn header_doubled(facts: &Facts) -> Option<Said> {
    facts.is(&["duplicate_header"])?;
    certain(
        format!("A header that decides came twice, and nobody can say which one counts: {}.", facts.detail),
        "A proxy adds it although it is there: have it set the header, not append to it.",
    )
}

fn secret_missing(facts: &Facts) -> Option<Said> {
    facts.is(&["secret_missing"])?;
    certain(
        format!("Source '{}' has no secret to verify with, neither of its own nor of this connection.", facts.source),
        "Give it one (`secret`), or one to the connection that the URL names. Then verify the request again.",
    )
}

fn secret_lapsed(facts: &Facts) -> Option<Said> {
    facts.is(&["secret_lapsed"])?;
    certain(
        format!("It is signed with a secret whose time is over or has not come: {}.", facts.detail),
        "Have the sender use the new secret, or move the `until` of the old one, then verify the request again.",
    )
}

fn key_unknown(facts: &Facts) -> Option<Said> {
    facts.is(&["key_unknown"])?;
    likely(
        format!("The sender does not publish the key by which the request says that it is signed: {}.", facts.detail),
        "If the sender has just changed its keys, verify the request again in a while. Otherwise it came from \
             somebody else.",
    )
}

fn key_unreachable(facts: &Facts) -> Option<Said> {
    facts.pending.then_some(())?;
    certain(
        "The key by which it is verified has to be fetched from its sender, which could not be reached. The \
             request is kept and judged again by itself.",
        "Check that the gateway may reach the sender's key address (egress, DNS, firewall).",
    )
}

fn key_of_a_stranger(facts: &Facts) -> Option<Said> {
    facts.is(&["key_url_refused"])?;
    certain(
        format!("The request names an address for its key where this sender keeps none: {}.", facts.detail),
        "It was probably forged. If the sender has really moved its keys, its recipe has to be updated.",
    )
}
