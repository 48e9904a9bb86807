//! Each rule speaks where it should, and is silent where something else is the matter.

use std::collections::BTreeSet;

use super::*;

fn rejected(code: &str) -> Facts {
    Facts {
        code: code.to_owned(),
        detail: "as it was told".to_owned(),
        source: "shop".to_owned(),
        provider: "stripe".to_owned(),
        method: "POST".to_owned(),
        received_at: Timestamp::from_secs(1_000_000),
        alike: 1,
        ..Facts::default()
    }
}

fn mismatch() -> Facts {
    rejected("signature_mismatch")
}

fn otherwise(otherwise: Otherwise) -> Facts {
    Facts { otherwise: vec![otherwise], ..mismatch() }
}

fn proxied(facts: Facts) -> Facts {
    Facts { headers: vec!["x-forwarded-for".to_owned()], ..facts }
}

fn accepted(facts: Facts) -> Facts {
    Facts { accepted_at: Some(Timestamp::from_secs(900_000)), ..facts }
}

fn sent(code: &str, seconds_before: i64, skews: &[u64]) -> Facts {
    let skews = skews.iter().map(|seconds| Duration::from_secs(*seconds)).collect();
    Facts { sent_at: Some(Timestamp::from_secs(1_000_000 - seconds_before)), skews, ..rejected(code) }
}

/// Each rule with what it speaks about, and its twin: something near that is another matter.
fn cases() -> Vec<(&'static str, Facts, Facts)> {
    let moded = |mode| Facts { mode: Some(mode), mode_field: "livemode".to_owned(), ..accepted(mismatch()) };
    let packed = |encoding: &str| Facts { encoding: encoding.to_owned(), ..proxied(mismatch()) };
    let often = |facts: Facts| Facts { alike: 9, ..facts };
    let url = || Otherwise::Url("https://hooks.example/in/shop".to_owned());
    vec![
        ("secret_fits_now", otherwise(Otherwise::Now), otherwise(url())),
        ("secret_with_blanks", otherwise(Otherwise::SecretWithoutBlanks), otherwise(url())),
        (
            "secret_of_another_source",
            otherwise(Otherwise::SecretOfSource("other".to_owned())),
            otherwise(Otherwise::SecretWithoutBlanks),
        ),
        ("url_signed_differs", otherwise(url()), otherwise(Otherwise::Body(Rewritten::CompactJson))),
        ("body_rewritten", otherwise(Otherwise::Body(Rewritten::LineBreaks)), otherwise(url())),
        ("body_unpacked_on_the_way", packed("gzip"), packed("identity")),
        ("test_secret_for_live", moded(Mode::Test), accepted(mismatch())),
        ("test_secret_for_live", moded(Mode::Live), Facts { accepted_at: None, ..moded(Mode::Live) }),
        ("secret_was_changed", often(accepted(mismatch())), accepted(mismatch())),
        ("secret_never_fitted", mismatch(), accepted(mismatch())),
        ("secret_never_fitted", often(mismatch()), otherwise(url())),
        ("one_of_many_mismatches", accepted(mismatch()), often(accepted(mismatch()))),
        ("signature_stripped_by_proxy", proxied(rejected("signature_missing")), rejected("signature_missing")),
        ("sender_does_not_sign", rejected("signature_missing"), proxied(rejected("signature_missing"))),
        ("sender_does_not_sign", accepted(proxied(rejected("signature_missing"))), mismatch()),
        ("signature_malformed", rejected("signature_malformed"), mismatch()),
        ("signed_header_lost", rejected("signed_field_missing"), rejected("signature_missing")),
        ("header_doubled", rejected("duplicate_header"), rejected("signature_malformed")),
        ("secret_missing", rejected("secret_missing"), rejected("secret_lapsed")),
        ("secret_lapsed", rejected("secret_lapsed"), mismatch()),
        ("key_unknown", rejected("key_unknown"), rejected("key_url_refused")),
        ("key_unreachable", Facts { pending: true, ..rejected("") }, rejected("key_unknown")),
        ("key_of_a_stranger", rejected("key_url_refused"), rejected("key_unknown")),
        ("clock_skew", sent("timestamp_stale", 600, &[600, 620, 640]), sent("timestamp_stale", 600, &[600, 4_000, 90])),
        ("our_clock_behind", sent("timestamp_in_future", -600, &[]), sent("timestamp_stale", 600, &[])),
        ("sent_again_later", sent("timestamp_stale", 600, &[600]), sent("timestamp_stale", 600, &[600, 620, 640])),
        ("replayed_request", sent("timestamp_stale", 200_000, &[]), sent("timestamp_stale", 600, &[])),
        ("timestamp_missing", rejected("timestamp_missing"), rejected("timestamp_unreadable")),
        ("timestamp_unreadable", rejected("timestamp_unreadable"), rejected("timestamp_missing")),
        ("request_too_large", rejected("body_too_large"), rejected("body_unreadable")),
        ("body_unreadable", rejected("body_unreadable"), rejected("encoding_refused")),
        ("encoding_refused", rejected("encoding_refused"), rejected("body_unreadable")),
        ("method_refused", rejected("method_refused"), rejected("body_unreadable")),
        ("address_hidden_by_proxy", proxied(rejected("address_refused")), rejected("address_refused")),
        ("address_not_the_senders", rejected("address_refused"), proxied(rejected("address_refused"))),
        ("addresses_not_known", rejected("addresses_not_known"), rejected("address_refused")),
        ("connection_unknown", rejected("unknown_connection"), rejected("address_refused")),
        ("source_gone", rejected("source_gone"), rejected("unknown_connection")),
        ("handshake_refused", rejected("challenge_refused"), rejected("claim_refused")),
        ("claim_refused", rejected("claim_refused"), rejected("challenge_refused")),
        ("pairing_closed", rejected("not_pairing"), rejected("handshake")),
        ("rejected_otherwise", rejected("timestamp_stale"), sent("timestamp_stale", 600, &[600])),
    ]
}

fn names(facts: &Facts) -> Vec<&'static str> {
    explain(facts).into_iter().map(|diagnosis| diagnosis.rule).collect()
}

#[test]
fn each_rule_speaks_where_it_should_and_not_of_its_twin() {
    for (rule, speaks, silent) in cases() {
        assert!(names(&speaks).contains(&rule), "{rule} of {speaks:?}: {:?}", names(&speaks));
        assert!(!names(&silent).contains(&rule), "{rule} of {silent:?}");
    }
}

#[test]
fn no_rule_is_without_a_case() {
    let tested: BTreeSet<&str> = cases().iter().map(|(rule, ..)| *rule).collect();
    let all = RULES.iter().copied().flatten().map(|(rule, _)| *rule).chain(["rejected_otherwise"]).collect();
    assert_eq!(tested, all);
}

#[test]
fn what_was_accepted_needs_no_explanation() {
    assert!(explain(&rejected("")).is_empty());
    assert!(explain(&accepted(proxied(rejected("")))).is_empty());
}

#[test]
fn whatever_is_said_is_whole_and_says_what_to_do() {
    for (rule, facts, _) in cases() {
        let all = explain(&facts);
        assert!(!all.is_empty());
        for said in all {
            let whole = |text: &str| text.len() > 20 && text.ends_with('.');
            assert!(whole(&said.cause) && whole(&said.next), "{rule}: {said:?}");
        }
    }
}
