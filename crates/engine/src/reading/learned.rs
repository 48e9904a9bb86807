//! Secrets that a source gave while it was asked: tokens, and what it changed in the configuration. Many sources repeat
//! them in their errors, so nothing is told of a reading before they were taken out of it. Never shows one itself.

use std::sync::{Mutex, PoisonError};

use connectors::manifest::auth::Secret;
use serde_json::Value as Json;

/// Most that are kept, the ones that were used last: more than are in use at once, so that those before them, of which a
/// source may speak for a while yet, are among them.
const KEPT_MAX: usize = 128;
/// Shorter texts could not be told from ordinary words.
const BYTES_MIN: usize = 4;

/// The secrets of one connection that are not in its owner's configuration.
#[derive(Debug, Default)]
pub struct Learned(Mutex<Vec<Secret>>);

impl Learned {
    /// One that is about to be used.
    pub fn note(&self, secret: &str) {
        if secret.len() < BYTES_MIN {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.last().is_some_and(|last| last.expose() == secret) {
            return;
        }
        kept.retain(|known| known.expose() != secret);
        kept.push(Secret::new(secret.to_owned()));
        if kept.len() > KEPT_MAX {
            kept.remove(0);
        }
    }

    /// What a source changed in a configuration. Times are no secrets, and are in much that is told.
    pub fn note_changes(&self, before: &Json, after: &Json) {
        if before == after {
            return;
        }
        match after {
            Json::Object(fields) => {
                fields
                    .iter()
                    .for_each(|(name, after)| self.note_changes(before.get(name).unwrap_or(&Json::Null), after));
            }
            Json::Array(items) => {
                let changed = |(at, after)| self.note_changes(before.get(at).unwrap_or(&Json::Null), after);
                items.iter().enumerate().for_each(changed);
            }
            Json::String(text) if text.parse::<jiff::Timestamp>().is_err() => self.note(text),
            Json::Number(number) => self.note(&number.to_string()),
            Json::String(_) | Json::Bool(_) | Json::Null => {}
        }
    }

    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().map(|secret| secret.expose().to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_source_changed_is_secret_but_for_times() {
        let learned = Learned::default();
        let before =
            json!({ "name": "acme", "auth": { "refresh": "r-first", "expires": "" }, "list": ["same", "old!"] });
        let after = json!({ "name": "acme", "list": ["same", "new!"], "made": { "number": 123_456, "is": true },
                            "auth": { "refresh": "r-second", "expires": "2026-01-02T03:04:05.600000+00:00" } });
        learned.note_changes(&before, &after);
        let mut texts = learned.texts();
        texts.sort();
        assert_eq!(texts, ["123456", "new!", "r-second"]);
        assert!(!format!("{learned:?}").contains("second"));
    }

    #[test]
    fn former_ones_are_kept_for_a_while_and_those_in_use_all_the_time() {
        let learned = Learned::default();
        learned.note("abc");
        assert!(learned.texts().is_empty(), "it may be a word");
        for number in 0..2 * KEPT_MAX {
            learned.note("in use");
            learned.note(&format!("token-{number}"));
        }
        let texts = learned.texts();
        assert_eq!(texts.len(), KEPT_MAX);
        assert!(texts.contains(&"in use".to_owned()));
        assert!(texts.contains(&format!("token-{}", KEPT_MAX + 1)) && !texts.contains(&"token-9".to_owned()));
    }
}
