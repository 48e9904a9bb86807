//! The way from the root of a document to a value, as a JSON Pointer and as a pattern for documentation.

use std::fmt::Write;

use super::tree::shown_key;

/// Grows while reading descends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path {
    pointer: String,
    pattern: String,
}

impl Path {
    /// Below a key that the code knows.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        let dot = if self.pattern.is_empty() { "" } else { "." };
        Self { pointer: self.below(key), pattern: format!("{}{dot}{key}", self.pattern) }
    }

    /// Below a name that the owner chose.
    #[must_use]
    pub fn name(&self, name: &str) -> Self {
        Self { pointer: self.below(name), pattern: format!("{}.*", self.pattern) }
    }

    /// An item of a list.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        Self { pointer: self.below(&index.to_string()), pattern: format!("{}[]", self.pattern) }
    }

    /// RFC 6901.
    #[must_use]
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// `sources.*.webhook.provider`: the same for every source.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    fn below(&self, token: &str) -> String {
        let mut pointer = self.pointer.clone();
        pointer.push('/');
        for letter in shown_key(token).chars() {
            match letter {
                '~' => pointer.push_str("~0"),
                '/' => pointer.push_str("~1"),
                other => pointer.push(other),
            }
        }
        pointer
    }

    /// As a person names it in a sentence: `sources.github.webhook`.
    #[must_use]
    pub fn spoken(&self) -> String {
        let mut spoken = String::new();
        for token in self.pointer.split('/').skip(1) {
            let token = token.replace("~1", "/").replace("~0", "~");
            let dot = if spoken.is_empty() { "" } else { "." };
            let _ = write!(spoken, "{dot}{token}");
        }
        spoken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_escape_and_patterns_generalise() {
        let path = Path::default().key("connections").name("a/b~c").key("secret").index(2);
        assert_eq!(path.pointer(), "/connections/a~1b~0c/secret/2");
        assert_eq!(path.pattern(), "connections.*.secret[]");
        assert_eq!(path.spoken(), "connections.a/b~c.secret.2");
    }
}
