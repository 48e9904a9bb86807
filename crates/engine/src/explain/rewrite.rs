//! A body as it may have been written before something on the way wrote it anew. Only what means nothing is changed.

use domain::explain::request::Rewritten;

/// A body may grow to so many times its size when it is indented, and a little: one of deep brackets would grow without end.
const GROWTH_MAX: usize = 8;
/// What small ones may grow to.
const GROWN_BYTES_MIN: usize = 64 * 1024;

/// The body in this form; `None` where that is no other text.
pub(super) fn rewritten(body: &[u8], how: Rewritten) -> Option<Vec<u8>> {
    let other = match how {
        Rewritten::CompactJson => compact(body)?,
        Rewritten::IndentedJson => indented(body)?,
        Rewritten::LastLineBreak => match body.strip_suffix(b"\n") {
            Some(without) => without.strip_suffix(b"\r").unwrap_or(without).to_vec(),
            None => [body, b"\n"].concat(),
        },
        Rewritten::LineBreaks => line_breaks(body),
    };
    (other != body).then_some(other)
}

/// The pieces of a JSON text: texts whole, everything else byte by byte, blanks between them left out.
fn tokens(body: &[u8]) -> Option<Vec<&[u8]>> {
    serde_json::from_slice::<serde::de::IgnoredAny>(body).ok()?;
    let (mut tokens, mut at) = (Vec::new(), 0);
    while let Some(&byte) = body.get(at) {
        let end = match byte {
            b' ' | b'\t' | b'\n' | b'\r' => {
                at += 1;
                continue;
            }
            b'"' => end_of_text(body, at)?,
            b'{' | b'}' | b'[' | b']' | b':' | b',' => at + 1,
            _ => at + body[at..].iter().position(|byte| b" \t\n\r{}[]:,\"".contains(byte)).unwrap_or(body.len() - at),
        };
        tokens.push(&body[at..end]);
        at = end;
    }
    Some(tokens)
}

fn end_of_text(body: &[u8], begin: usize) -> Option<usize> {
    let mut at = begin + 1;
    loop {
        match body.get(at)? {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
}

fn compact(body: &[u8]) -> Option<Vec<u8>> {
    Some(tokens(body)?.concat())
}

/// By two blanks, as most programs do; what is empty stays on its line.
fn indented(body: &[u8]) -> Option<Vec<u8>> {
    let tokens = tokens(body)?;
    let mut out = Vec::with_capacity(body.len() * 2);
    let mut depth = 0usize;
    let line = |out: &mut Vec<u8>, depth: usize| {
        out.push(b'\n');
        out.extend(std::iter::repeat_n(b' ', depth * 2));
    };
    let bytes_max = (body.len() * GROWTH_MAX).max(GROWN_BYTES_MIN);
    for (index, token) in tokens.iter().enumerate() {
        if out.len() > bytes_max {
            return None;
        }
        let next = tokens.get(index + 1).copied().unwrap_or_default();
        match *token {
            b"{" | b"[" => {
                out.extend_from_slice(token);
                depth += 1;
                if !matches!(next, b"}" | b"]") {
                    line(&mut out, depth);
                }
            }
            b"}" | b"]" => {
                depth = depth.saturating_sub(1);
                if !matches!(index.checked_sub(1).map(|before| tokens[before]), Some(b"{" | b"[")) {
                    line(&mut out, depth);
                }
                out.extend_from_slice(token);
            }
            b"," => {
                out.push(b',');
                line(&mut out, depth);
            }
            b":" => out.extend_from_slice(b": "),
            other => out.extend_from_slice(other),
        }
    }
    Some(out)
}

/// Those of the one kind as the other.
fn line_breaks(body: &[u8]) -> Vec<u8> {
    let has_returns = body.windows(2).any(|pair| pair == b"\r\n");
    let mut out = Vec::with_capacity(body.len() + 16);
    let mut rest = body.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        match byte {
            b'\r' if has_returns && rest.peek() == Some(&b'\n') => {}
            b'\n' if !has_returns => out.extend_from_slice(b"\r\n"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(body: &str, how: Rewritten) -> Option<String> {
        rewritten(body.as_bytes(), how).map(|bytes| String::from_utf8(bytes).expect("text"))
    }

    #[test]
    fn json_is_written_otherwise_without_changing_what_it_says() {
        let spaced = r#"{ "b": [1.0, -2e5, "x \" , {"], "a": {}, "c": [ ], "d": true }"#;
        let compact = r#"{"b":[1.0,-2e5,"x \" , {"],"a":{},"c":[],"d":true}"#;
        let indented = "{\n  \"b\": [\n    1.0,\n    -2e5,\n    \"x \\\" , {\"\n  ],\n  \"a\": {},\n  \"c\": [],\n  \"d\": true\n}";
        assert_eq!(text(spaced, Rewritten::CompactJson).as_deref(), Some(compact));
        assert_eq!(text(compact, Rewritten::IndentedJson).as_deref(), Some(indented));
        assert_eq!(text(indented, Rewritten::CompactJson).as_deref(), Some(compact));
        for same in [text(compact, Rewritten::CompactJson), text(indented, Rewritten::IndentedJson)] {
            assert_eq!(same, None, "no other text");
        }
        for broken in ["{", "a=1&b=2", "", "{} {}"] {
            assert_eq!((text(broken, Rewritten::CompactJson), text(broken, Rewritten::IndentedJson)), (None, None));
        }
    }

    #[test]
    fn what_would_grow_without_end_is_left_alone() {
        let deep = |elements: usize| format!("{}{}{}", "[".repeat(100), vec!["1"; elements].join(","), "]".repeat(100));
        assert!(text(&deep(10), Rewritten::IndentedJson).is_some_and(|text| text.len() > 20_000));
        assert_eq!(text(&deep(100_000), Rewritten::IndentedJson), None);
    }

    #[test]
    fn line_breaks_are_turned_and_the_last_one_is_taken_or_given() {
        assert_eq!(text("a\r\nb\r\n", Rewritten::LineBreaks).as_deref(), Some("a\nb\n"));
        assert_eq!(text("a\nb", Rewritten::LineBreaks).as_deref(), Some("a\r\nb"));
        assert_eq!(text("ab", Rewritten::LineBreaks), None);
        assert_eq!(text("{}\r\n", Rewritten::LastLineBreak).as_deref(), Some("{}"));
        assert_eq!(text("{}", Rewritten::LastLineBreak).as_deref(), Some("{}\n"));
    }
}
