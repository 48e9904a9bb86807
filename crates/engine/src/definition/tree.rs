//! A value as somebody wrote it, with its place where it came from a file: what definitions are read from.
//!
//! Made from YAML by the binary and from JSON here, so that the file and the API are judged by the same code.
//! Texts may be secrets: nothing here prints one.

use std::fmt;

use serde_json::Number;
use zeroize::Zeroizing;

/// A stretch of a text file. Lines and columns count from 1, columns in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Byte offsets, end excluded.
    pub start: usize,
    pub end: usize,
    pub line: u32,
    pub column: u32,
}

#[derive(Clone, Debug)]
pub struct Node {
    pub value: Value,
    /// `None` when it came from JSON: then its pointer tells where it is.
    pub span: Option<Span>,
}

#[derive(Clone, Debug)]
pub enum Value {
    Null,
    Bool(bool),
    Number(Number),
    Text(Text),
    List(Vec<Node>),
    /// In the order written, keys distinct.
    Map(Vec<Entry>),
    /// Could not be had, which was told already: every reader passes over it in silence.
    Broken,
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub key: String,
    pub key_span: Option<Span>,
    pub node: Node,
}

impl Entry {
    /// Without a value, or no word: perhaps a value that lost its key, and then perhaps a secret.
    #[must_use]
    pub fn is_stray(&self) -> bool {
        matches!(self.node.value, Value::Null) || !is_plain_key(&self.key)
    }
}

/// A text, and how it may be shown.
#[derive(Clone)]
pub struct Text {
    value: Zeroizing<String>,
    /// How it was written before variables were put in, if there were any: shown instead of the value.
    written: Option<String>,
    /// The same once it is configured: with the marker for what was put in.
    masked: Option<String>,
    /// Whether it stands in the file line by line, as in YAML's `|` blocks.
    is_block: bool,
}

impl Text {
    #[must_use]
    pub fn plain(value: String) -> Self {
        Self { value: Zeroizing::new(value), written: None, masked: None, is_block: false }
    }

    /// A text that stands in the file line by line, each as far to the right as the first.
    #[must_use]
    pub fn block(value: String) -> Self {
        Self { is_block: true, ..Self::plain(value) }
    }

    #[must_use]
    pub const fn is_block(&self) -> bool {
        self.is_block
    }

    /// A text with something from outside of the file in it, which nothing may show: errors show it as it was written,
    /// definitions with the marker in the place of what was put in.
    #[must_use]
    pub fn expanded(value: String, written: String, masked: String) -> Self {
        Self { value: Zeroizing::new(value), written: Some(written), masked: Some(masked), is_block: false }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.value
    }

    #[must_use]
    pub const fn is_expanded(&self) -> bool {
        self.written.is_some()
    }

    /// What a definition shows of a text with something from outside of the file in it; `None`: it has nothing of that.
    #[must_use]
    pub fn masked(&self) -> Option<&str> {
        self.masked.as_deref()
    }

    /// What an error may quote: the text as written in the file, if it is one word or a few.
    #[must_use]
    pub fn shown(&self) -> &str {
        match &self.written {
            Some(written) => written,
            None if self.is_plain() => &self.value,
            None => HIDDEN,
        }
    }

    /// Whether it may be quoted. A missing quote or colon lets a text swallow the secret that follows it.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        let text = self.written.as_ref().unwrap_or(&self.value);
        self.is_expanded()
            || is_short(text) && !text.contains(['"', '\'', '{', '}', '[', ']', '#']) && !text.contains(": ")
    }
}

/// Shown in place of what must not be shown.
const HIDDEN: &str = "***";

fn is_short(text: &str) -> bool {
    const SHOWN_BYTES_MAX: usize = 128;
    text.len() <= SHOWN_BYTES_MAX && !text.contains(char::is_control)
}

/// Whether a key is a word, as keys are: one that is not may have swallowed the secret that follows it.
#[must_use]
pub fn is_plain_key(key: &str) -> bool {
    is_short(key) && !key.contains(|c: char| c.is_whitespace() || "\"'{}[]#:".contains(c))
}

/// What an error may quote of a key.
#[must_use]
pub fn shown_key(key: &str) -> &str {
    if is_plain_key(key) { key } else { HIDDEN }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Text(***)")
    }
}

impl Value {
    /// What a person calls a value of this kind.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
            Self::Broken => "unreadable",
        }
    }
}

impl Node {
    /// How many nodes this one is, those below it included.
    #[must_use]
    pub fn count(&self) -> usize {
        match &self.value {
            Value::List(items) => 1 + items.iter().map(Self::count).sum::<usize>(),
            Value::Map(entries) => 1 + entries.iter().map(|entry| entry.node.count()).sum::<usize>(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Broken => 1,
        }
    }

    /// The value as JSON, secrets included: to be sealed or masked (see [`super::replace_secrets`]) before it goes anywhere.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null | Value::Broken => serde_json::Value::Null,
            Value::Bool(flag) => (*flag).into(),
            Value::Number(number) => number.clone().into(),
            Value::Text(text) => text.as_str().into(),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(entries) => {
                let pairs = entries.iter().map(|entry| (entry.key.clone(), entry.node.to_json()));
                serde_json::Value::Object(pairs.collect())
            }
        }
    }
}

impl From<serde_json::Value> for Node {
    fn from(json: serde_json::Value) -> Self {
        let value = match json {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(flag) => Value::Bool(flag),
            serde_json::Value::Number(number) => Value::Number(number),
            serde_json::Value::String(text) => Value::Text(Text::plain(text)),
            serde_json::Value::Array(items) => Value::List(items.into_iter().map(Self::from).collect()),
            serde_json::Value::Object(pairs) => Value::Map(
                pairs.into_iter().map(|(key, json)| Entry { key, key_span: None, node: json.into() }).collect(),
            ),
        };
        Self { value, span: None }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::definition::SECRET_MARKER;

    #[test]
    fn json_goes_in_and_comes_out_the_same() {
        let json = json!({"a": [1, 2.5, -3, true, null, "x"], "b": {"c": {}}});
        assert_eq!(Node::from(json.clone()).to_json(), json);
    }

    #[test]
    fn texts_are_never_printed() {
        let node = Node::from(json!({"secret": "hunter2"}));
        assert!(!format!("{node:?}").contains("hunter2"));
        let text = Text::expanded("hunter2".to_owned(), "${PASSWORD}".to_owned(), SECRET_MARKER.to_owned());
        assert_eq!(text.shown(), "${PASSWORD}");
    }

    #[test]
    fn what_may_have_swallowed_something_else_is_not_shown() {
        for text in ["github", "100 / minute", "https://a.example/x?y=z", "a:b"] {
            assert_eq!(Text::plain(text.to_owned()).shown(), text);
        }
        for text in ["github, secret: x", "a \"b\"", "a\nb", &"x".repeat(200)] {
            assert_eq!(Text::plain(text.to_owned()).shown(), "***", "{text}");
        }
        assert_eq!(
            (shown_key("rate_limit"), shown_key("secret x"), shown_key("secret:x")),
            ("rate_limit", "***", "***")
        );
    }
}
