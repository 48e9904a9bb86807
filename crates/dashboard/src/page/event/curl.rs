//! A request once more, as a command for a shell. Whatever strangers sent is quoted, so that no shell runs any of it.

use domain::Event;
use domain::request::{Head, is_secret};

/// Larger payloads are no text that anybody pastes.
const BODY_BYTES_MAX: usize = 8 * 1024;
/// Headers that say how a request travelled, and that curl writes by itself.
const LEFT_OUT: [&str; 9] = [
    "host",
    "content-length",
    "connection",
    "transfer-encoding",
    "accept-encoding",
    "content-encoding",
    "expect",
    "te",
    "trireme-by-trusted-proxy",
];
/// Headers taken along.
const HEADERS_MAX: usize = 30;

/// `None` where the payload is no text, or too much of one. Credentials and signatures are left out.
pub(super) fn command(event: &Event, head: &Head, url: &str) -> Option<String> {
    let body = std::str::from_utf8(&event.payload).ok().filter(|body| body.len() <= BODY_BYTES_MAX)?;
    let mut command = format!("curl -X {} {}", quoted(&head.method), quoted(url));
    let travels = |name: &str| !LEFT_OUT.contains(&name) && !is_secret(name) && !name.starts_with("x-forwarded-");
    for (name, value) in head.headers.iter().filter(|(name, _)| travels(name)).take(HEADERS_MAX) {
        command.push_str(&format!(" \\\n  -H {}", quoted(&format!("{name}: {value}"))));
    }
    if !body.is_empty() {
        command.push_str(&format!(" \\\n  --data-raw {}", quoted(body)));
    }
    Some(command)
}

/// One word to a POSIX shell, whatever it holds.
fn quoted(text: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/:._-".contains(letter);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    // A shell ends a text at a NUL.
    format!("'{}'", text.replace('\0', "").replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_it_holds_it_is_one_word_to_a_shell() {
        for (text, word) in [
            ("POST", "POST"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("$(rm -rf /)`x`", "'$(rm -rf /)`x`'"),
            ("'; rm -rf / #", r"''\''; rm -rf / #'"),
            ("", "''"),
            ("a\0b c", "'ab c'"),
        ] {
            assert_eq!(quoted(text), word);
        }
    }
}
