//! The names of the audit log: what is done by two ways stands there by one name, so that who looks for it finds both.

use std::collections::BTreeSet;

use super::assert_none;
use super::source_tree::rust_files;

/// What only the dashboard does.
const DASHBOARD_ONLY: [&str; 8] = [
    "dead_letters.retry",
    "endpoint.create",
    "endpoint.remove",
    "endpoint.reply",
    "endpoint.sender",
    "requests.reverify",
    "session.begin",
    "session.end",
];

#[test]
fn what_the_dashboard_does_is_called_in_the_audit_log_as_what_the_api_does() {
    let api = codes("crates/api/src/router.rs", &[".audited(", ".audited_refusals("]);
    let mut dashboard = codes("crates/dashboard/src/desk.rs", &["forms.act("]);
    dashboard.extend(codes("crates/dashboard/src/written.rs", &["self.act("]));
    assert!(api.len() > 25 && dashboard.len() > 20, "codes are found: {api:?} {dashboard:?}");
    let strange = dashboard.iter().filter(|code| !api.contains(*code) && !DASHBOARD_ONLY.contains(code));
    let stale = DASHBOARD_ONLY.iter().filter(|code| api.contains(*code) || !dashboard.contains(*code));
    let strange = strange.map(|code| format!("crates/dashboard: {code} is no code of the API"));
    let stale = stale.map(|code| format!("{code}: take it off DASHBOARD_ONLY"));
    assert_none(
        &strange.chain(stale).collect::<Vec<_>>(),
        "Who filters the audit log by a code wants all who did it, by whichever way; one thing has one name.",
        "the code that crates/api/src/router.rs has for it, or a line in DASHBOARD_ONLY where the API cannot do it",
    );
}

/// The first text in quotes behind each of these words of a file.
fn codes(path: &str, words: &[&str]) -> BTreeSet<&'static str> {
    let file = rust_files().find(|file| file.path == path).unwrap_or_else(|| panic!("there is no {path}"));
    let behind = |word: &str| {
        let calls = file.text.split(word).skip(1);
        calls.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next()).collect::<Vec<_>>()
    };
    words.iter().flat_map(|word| behind(word)).collect()
}
