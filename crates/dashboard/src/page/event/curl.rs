//! A request once more, as a command for a shell. Whatever strangers sent is quoted, so that no shell runs any of it.

use domain::Event;
use domain::request::{Head, MASK, is_secret};

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

/// `None` where the payload is no text, or too much of one. Credentials and signatures are left out. `url` is where its
/// source takes requests.
pub(super) fn command(event: &Event, head: &Head, url: &str) -> Option<String> {
    let body = std::str::from_utf8(&event.payload).ok().filter(|body| body.len() <= BODY_BYTES_MAX)?;
    let place = place(url, event.source.as_str(), &head.url);
    let mut command = format!("curl -X {} {}", quoted(&head.method), quoted(&place));
    for (name, value) in taken_along(head).take(HEADERS_MAX) {
        command.push_str(&format!(" \\\n  -H {}", quoted(&format!("{name}: {value}"))));
    }
    if !body.is_empty() {
        command.push_str(&format!(" \\\n  --data-raw {}", quoted(body)));
    }
    Some(command)
}

/// The headers of the message itself, without those that prove its sender.
fn taken_along(head: &Head) -> impl Iterator<Item = &(String, String)> {
    let travels = |name: &str| !LEFT_OUT.contains(&name) && !is_secret(name) && !name.starts_with("x-forwarded-");
    head.headers.iter().filter(move |(name, value)| travels(name) && value != MASK)
}

/// Where it came, as the source is called now: behind the source's name stand its connection and the query, without
/// which it would be another request.
fn place(url: &str, source: &str, came: &str) -> String {
    let own = format!("/in/{source}");
    let behind = came.find(&own).map_or("", |at| &came[at + own.len()..]);
    if !behind.starts_with(['/', '?']) {
        return url.to_owned();
    }
    let (path, query) = behind.split_once('?').unwrap_or((behind, ""));
    let masked = format!("={MASK}");
    let kept: Vec<&str> = query.split('&').filter(|one| !one.is_empty() && !one.ends_with(&masked)).collect();
    let query = if kept.is_empty() { String::new() } else { format!("?{}", kept.join("&")) };
    format!("{url}{path}{query}")
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
    fn it_goes_to_the_connection_to_which_it_came_and_without_what_was_masked() {
        let url = "https://hooks.example/in/shop";
        for (came, behind) in [
            ("http://10.0.0.7:8080/in/shop", ""),
            ("https://hooks.example/in/shop/acme", "/acme"),
            ("https://hooks.example/t/own/in/shop/acme?topic=a%26b&token=***&flag", "/acme?topic=a%26b&flag"),
            ("https://hooks.example/in/shop?signature=***", ""),
            ("https://hooks.example/in/shops/acme", ""),
            ("", ""),
        ] {
            assert_eq!(place(url, "shop", came), format!("{url}{behind}"), "{came}");
        }
    }

    #[test]
    fn what_proves_the_sender_and_what_is_about_the_way_is_not_taken_along() {
        let headers = [
            ("host", "a"),
            ("x-hub-signature-256", "sha256=a"),
            ("x-from-cms", MASK),
            ("x-forwarded-for", "192.0.2.1"),
            ("x-github-event", "push"),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let head = Head { headers, ..Head::default() };
        let names: Vec<&str> = taken_along(&head).map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["x-github-event"]);
    }

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
