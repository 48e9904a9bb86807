//! The secrets of a configuration, so that no note and no error shows them, and those that the source gives on the way.
//! Which fields are secret is the connector's own specification's word.

use std::cmp::Reverse;
use std::sync::Arc;

use engine::reading::Learned;
use serde_json::Value;

/// Shorter values are left alone: masking them would tear holes into every message.
const LENGTH_MIN: usize = 3;
const MASK: &str = "****";

#[derive(Debug)]
pub struct Secrets {
    values: Vec<String>,
    pub learned: Arc<Learned>,
}

impl Secrets {
    pub fn new(mut values: Vec<String>) -> Self {
        values.retain(|value| value.chars().count() >= LENGTH_MIN);
        Self { values, learned: Arc::default() }
    }

    pub fn mask(&self, text: &str) -> String {
        let learned = self.learned.texts();
        let mut secrets: Vec<&str> = self.values.iter().chain(&learned).map(String::as_str).collect();
        // The longest first, so that no part of one is left behind by another that it begins with.
        secrets.sort_by_key(|secret| Reverse(secret.len()));
        secrets.into_iter().fold(text.to_owned(), |text, secret| {
            let text = if text.contains(secret) { text.replace(secret, MASK) } else { text };
            // Inside of JSON a secret may be escaped.
            let escaped = Value::from(secret).to_string();
            let escaped = escaped.trim_matches('"');
            if escaped != secret && text.contains(escaped) { text.replace(escaped, MASK) } else { text }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_wherever_they_are_escaped_or_not() {
        let secrets = Secrets::new(["abc\"def", "pass word", "x"].map(str::to_owned).to_vec());
        let text = r#"{"m":"abc\"def at api.example by me with pass word, x"}"#;
        assert_eq!(secrets.mask(text), r#"{"m":"**** at api.example by me with ****, x"}"#);
    }

    #[test]
    fn a_secret_that_begins_with_another_leaves_nothing_behind() {
        let secrets = Secrets::new(vec!["abc".to_owned(), "abcdef".to_owned()]);
        assert_eq!(secrets.mask("abcdef abc"), "**** ****");
        secrets.learned.note("abcdefgh");
        assert_eq!(secrets.mask("abcdefgh abcdef abc"), "**** **** ****");
    }
}
