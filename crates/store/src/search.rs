//! How a text that people search for may be written in a payload: what they read there is laid out, and many senders
//! escape what they write. Every store looks for the same spellings.

use std::fmt::Write as _;

/// What a sender's JSON escapes beyond what it has to.
#[derive(Clone, Copy)]
struct Escapes {
    slashes: bool,
    quotes: bool,
    /// All that is not ASCII, as `\u` and four hexadecimal digits in lower case.
    letters: bool,
}

/// The text as it is, and as JSON may hold it: at most eight spellings, none of them twice.
#[must_use]
pub fn spellings(text: &str) -> Vec<String> {
    let mut all = vec![text.to_owned()];
    let either = [false, true];
    for escapes in either.into_iter().flat_map(|slashes| {
        either.into_iter().flat_map(move |quotes| either.map(|letters| Escapes { slashes, quotes, letters }))
    }) {
        let written = written(text, escapes);
        if !all.contains(&written) {
            all.push(written);
        }
    }
    all
}

fn written(text: &str, escapes: Escapes) -> String {
    let (mut written, mut before) = (String::with_capacity(text.len()), None);
    for letter in text.chars() {
        // What stands behind a backslash was copied as it is written.
        let is_bare = before != Some('\\');
        match letter {
            '/' if escapes.slashes && is_bare => written.push_str("\\/"),
            '"' if escapes.quotes && is_bare => written.push_str("\\\""),
            _ if escapes.letters && !letter.is_ascii() => {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    write!(written, "\\u{unit:04x}").expect("a string takes all");
                }
            }
            _ => written.push(letter),
        }
        before = Some(letter);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_text_has_one_spelling() {
        for plain in ["needle", "", "orders 7", "a\\b", r"M\u00fcller", r"a\/b", r#"say \"hi\""#] {
            assert_eq!(spellings(plain), [plain]);
        }
    }

    #[test]
    fn what_senders_escape_is_looked_for_in_each_way_that_they_may_write_it() {
        assert_eq!(spellings("Müller"), ["Müller", r"M\u00fcller"]);
        assert_eq!(spellings("a/b/c"), ["a/b/c", r"a\/b\/c"], "a sender escapes all of them or none");
        assert_eq!(spellings("\u{1f680}"), ["\u{1f680}", r"\ud83d\ude80"], "a pair of surrogates");
        assert_eq!(spellings(r#""hi""#), [r#""hi""#, r#"\"hi\""#]);
        assert_eq!(spellings("ü/"), ["ü/", r"\u00fc/", r"ü\/", r"\u00fc\/"]);
        assert_eq!(spellings(r#""ü/"#).len(), 8);
    }
}
