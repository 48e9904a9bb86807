//! What no compiler checks about the source tree itself. Every failure says what is wrong, why it matters and what to
//! do instead; a rule without that does not belong here.

mod audit_codes;
mod cargo_files;
mod code_rules;
mod lengths;
mod links;
mod metrics;
mod source_tree;
mod wording;

/// Fails with one line per finding, under the reason for the rule and what to do about it.
fn assert_none(findings: &[String], why: &str, instead: &str) {
    assert!(findings.is_empty(), "\n{why}\nInstead: {instead}\n  {}\n", findings.join("\n  "));
}
