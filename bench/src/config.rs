//! The `trireme.yaml` of a run: as many sources as destinations, source n routed to destination n, all on loopback.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use crate::accounts;
use crate::signing::Signing;

/// Standard Webhooks secret of every destination: 32 bytes that protect nothing.
const DESTINATION_SECRET: &str = "whsec_YmVuY2ggYmVuY2ggYmVuY2ggYmVuY2ggYmVuY2ghISE=";

/// What is configured.
#[derive(Clone, Debug)]
pub struct Layout {
    /// How many destinations, each with a source and a route of its own.
    pub destinations: usize,
    pub ordering: Ordering,
    /// The retry policy of every destination; `None` leaves the product's default.
    pub retry: Option<Retry>,
    /// Accounts of every source, each with a secret of its own and all of them behind its one address; `None`: the
    /// source has the secret.
    pub accounts: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ordering {
    None,
    Subject,
    Destination,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The first wait; the next ones grow as Fibonacci's numbers.
    pub fibonacci: Duration,
    pub attempts: u32,
}

impl Layout {
    /// `destinations` of them, unordered, with the product's own retries.
    #[must_use]
    pub fn of(destinations: usize) -> Self {
        Self { destinations, ordering: Ordering::None, retry: None, accounts: None }
    }

    /// The text of the file, its destinations at `sink`.
    #[must_use]
    pub fn yaml(&self, signing: &Signing, sink: SocketAddr) -> String {
        let mut text = String::from("sources:\n");
        for n in 0..self.destinations {
            match self.accounts {
                None => line(&mut text, format_args!("  {}: {{ webhook: {} }}", source(n), webhook(signing))),
                Some(accounts) => {
                    line(&mut text, format_args!("  {}:\n{}", source(n), accounts::source(accounts, "    ")));
                }
            }
        }
        text.push_str("destinations:\n");
        let retry = self.retry.map(retry_yaml).unwrap_or_default();
        for n in 0..self.destinations {
            let http = format!("{{ url: \"http://{sink}/d/{n}\", secret: \"{DESTINATION_SECRET}\" }}");
            line(&mut text, format_args!("  d{n}: {{ http: {http}{retry} }}"));
        }
        text.push_str("routes:\n");
        for n in 0..self.destinations {
            line(&mut text, format_args!("  - {{ from: {}, to: d{n}{} }}", source(n), self.ordering.yaml()));
        }
        text.push_str("egress: { allow: [\"127.0.0.0/8\"] }\n");
        text
    }
}

impl Ordering {
    fn yaml(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Subject => ", ordering: subject",
            Self::Destination => ", ordering: destination",
        }
    }
}

/// Path on which the gateway takes in what is meant for destination `n`.
#[must_use]
pub fn ingest_path(n: usize) -> String {
    format!("/in/{}", source(n))
}

fn source(n: usize) -> String {
    format!("s{n}")
}

fn webhook(signing: &Signing) -> String {
    let own = [("provider", &signing.provider), ("secret", &signing.secret)].map(|(key, value)| (key, value.as_str()));
    let more = signing.settings.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let pairs = own.into_iter().chain(more).map(|(key, value)| format!("{key}: {}", quoted(value)));
    format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
}

fn retry_yaml(retry: Retry) -> String {
    format!(", retry: {{ fibonacci: {}s, attempts: {} }}", retry.fibonacci.as_secs().max(1), retry.attempts)
}

/// A JSON string is a YAML string.
fn quoted(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("writing into a String cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_destination_has_a_source_and_a_route() {
        let mut signing = Signing::generic_hmac("s\"3");
        signing.settings.push(("prefix".to_owned(), "sha256=".to_owned()));
        let retry = Some(Retry { fibonacci: Duration::from_secs(2), attempts: 9 });
        let layout = Layout { destinations: 2, ordering: Ordering::Subject, retry, accounts: None };
        let expected = r#"sources:
  s0: { webhook: { provider: "generic-hmac", secret: "s\"3", id_pointer: "/bench_id", prefix: "sha256=" } }
  s1: { webhook: { provider: "generic-hmac", secret: "s\"3", id_pointer: "/bench_id", prefix: "sha256=" } }
destinations:
  d0: { http: { url: "http://127.0.0.1:9/d/0", secret: "SECRET" }, retry: { fibonacci: 2s, attempts: 9 } }
  d1: { http: { url: "http://127.0.0.1:9/d/1", secret: "SECRET" }, retry: { fibonacci: 2s, attempts: 9 } }
routes:
  - { from: s0, to: d0, ordering: subject }
  - { from: s1, to: d1, ordering: subject }
egress: { allow: ["127.0.0.0/8"] }
"#;
        let yaml = layout.yaml(&signing, "127.0.0.1:9".parse().unwrap());
        assert_eq!(yaml, expected.replace("SECRET", DESTINATION_SECRET));
    }

    #[test]
    fn what_is_not_asked_for_is_left_to_the_product() {
        let yaml = Layout::of(1).yaml(&Signing::generic_hmac("k"), "127.0.0.1:9".parse().unwrap());
        assert!(!yaml.contains("retry") && !yaml.contains("ordering"), "{yaml}");
    }

    #[test]
    fn the_destination_secret_is_32_bytes() {
        let base64 = DESTINATION_SECRET.strip_prefix("whsec_").unwrap();
        assert_eq!(data_encoding::BASE64.decode(base64.as_bytes()).unwrap().len(), 32);
    }
}
