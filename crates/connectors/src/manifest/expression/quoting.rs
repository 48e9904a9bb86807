//! Percent-encoding of URLs, as Python's `quote` does it.

use std::fmt::Write as _;

/// Everything quoted but letters, digits, `_.-~` and what is said to be safe.
pub(crate) fn quoted(text: &str, safe: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for byte in text.bytes() {
        let kept = byte.is_ascii_alphanumeric() || b"_.-~".contains(&byte) || safe.as_bytes().contains(&byte);
        if kept {
            quoted.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(quoted, "%{byte:02X}");
        }
    }
    quoted
}
