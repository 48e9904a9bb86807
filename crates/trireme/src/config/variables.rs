//! `${NAME}` from the environment and `${file:PATH}` from a file, put into texts as they are read.
//!
//! What comes in is taken for a secret: it appears in no error and in no debug output.

use std::io::Read;
use std::path::Path;

use engine::definition::{Finding, Findings, SECRET_MARKER, Severity, Span, Text};

/// Largest file that a variable may put in: keys and certificates are far smaller.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Where variables come from.
pub(super) struct Variables<'a> {
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// Paths of `${file:…}` start here: the directory of the configuration.
    pub directory: &'a Path,
}

/// A piece of a text.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'t> {
    Plain(&'t str),
    /// What stands between `${` and `}`.
    Variable(&'t str),
    /// `${` without an end.
    Open,
}

impl Variables<'_> {
    /// The text with its variables replaced. What cannot be replaced becomes an error at its own place, and there is
    /// no text then: `written` is the text as it stands in the file at `span`.
    pub fn expand(&self, text: &str, written: &str, span: Span, findings: &Findings) -> Option<Text> {
        let pieces = pieces(text);
        if pieces.iter().all(|piece| matches!(piece, Piece::Plain(_))) {
            return Some(Text::plain(text.replace("$${", "${")));
        }
        let (mut value, mut masked) = (Some(String::with_capacity(text.len())), String::new());
        for piece in pieces {
            let is_plain = matches!(piece, Piece::Plain(_));
            let (found, place) = match piece {
                Piece::Plain(part) => (Ok(part.replace("$${", "${")), span),
                Piece::Variable(name) => (self.look_up(name), place_of(name, written, span)),
                Piece::Open => (Err(Problem::open()), span),
            };
            match found {
                Ok(found) => {
                    masked += if is_plain { &found } else { SECRET_MARKER };
                    value = value.map(|value| value + &found);
                }
                Err(problem) => {
                    problem.tell(place, findings);
                    value = None;
                }
            }
        }
        value.map(|value| Text::expanded(value, text.to_owned(), masked))
    }

    fn look_up(&self, name: &str) -> Result<String, Problem> {
        if let Some(path) = name.strip_prefix("file:") {
            return self.read(path.trim());
        }
        if !is_variable_name(name) {
            return Err(Problem::bad_name(name));
        }
        match (self.env)(name) {
            Some(value) if value.is_empty() => Err(Problem::empty(name)),
            Some(value) => Ok(value),
            None => Err(Problem::missing(name)),
        }
    }

    fn read(&self, path: &str) -> Result<String, Problem> {
        let path = self.directory.join(path);
        let mut bytes = Vec::new();
        let file = std::fs::File::open(&path).map_err(|error| Problem::unreadable(&path, &error.to_string()))?;
        let read = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
        read.map_err(|error| Problem::unreadable(&path, &error.to_string()))?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(Problem::unreadable(&path, &format!("it is larger than {FILE_BYTES_MAX} bytes")));
        }
        let text = String::from_utf8(bytes).map_err(|_| Problem::unreadable(&path, "it is not UTF-8 text"))?;
        let trimmed = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
        if trimmed.is_empty() { Err(Problem::unreadable(&path, "it is empty")) } else { Ok(trimmed.to_owned()) }
    }
}

/// Why a variable has no value.
struct Problem {
    code: &'static str,
    message: String,
    help: String,
}

impl Problem {
    fn missing(name: &str) -> Self {
        let message = format!("the environment variable {name} is not set");
        Self { code: "variable_missing", message, help: format!("set it, as: export {name}=…") }
    }

    fn empty(name: &str) -> Self {
        let message = format!("the environment variable {name} is empty");
        Self { code: "variable_missing", message, help: format!("give it a value, as: export {name}=…") }
    }

    fn bad_name(name: &str) -> Self {
        let shown: String = name.chars().take(64).collect();
        let message = format!("'{shown}' is not the name of an environment variable");
        let help = "use letters, digits and '_', or write $${ for the characters '${' themselves";
        Self { code: "variable_name", message, help: help.to_owned() }
    }

    fn open() -> Self {
        let help = "close it with '}', or write $${ for the characters '${' themselves";
        Self { code: "variable_name", message: "'${' without a '}' after it".to_owned(), help: help.to_owned() }
    }

    fn unreadable(path: &Path, why: &str) -> Self {
        let message = format!("{} cannot be read: {why}", path.display());
        Self { code: "file_unreadable", message, help: "paths start at the directory of this file".to_owned() }
    }

    fn tell(self, span: Span, findings: &Findings) {
        let Self { code, message, help } = self;
        let (span, help) = (Some(span), Some(help));
        findings.add(Finding { severity: Severity::Error, code, pointer: String::new(), span, message, help });
    }
}

fn is_variable_name(name: &str) -> bool {
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts_well && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Splits at `${…}`. `$${` escapes; any other `$` is itself, so that passwords need no escaping.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut rest, mut from) = (text, 0);
    while let Some(found) = rest[from..].find("${") {
        let at = from + found;
        if rest[..at].ends_with('$') {
            from = at + 2;
            continue;
        }
        pieces.push(Piece::Plain(&rest[..at]));
        let Some(length) = rest[at..].find('}') else {
            pieces.push(Piece::Open);
            return pieces;
        };
        pieces.push(Piece::Variable(&rest[at + 2..at + length]));
        (rest, from) = (&rest[at + length + 1..], 0);
    }
    pieces.push(Piece::Plain(rest));
    pieces
}

/// The place of `${name}` itself, if it stands in the first line of its text.
fn place_of(name: &str, written: &str, span: Span) -> Span {
    let variable = format!("${{{name}}}");
    match written.find(&variable) {
        Some(offset) if !written[..offset].contains('\n') => {
            let before = u32::try_from(written[..offset].chars().count()).unwrap_or(0);
            let start = span.start + offset;
            Span { start, end: start + variable.len(), line: span.line, column: span.column + before }
        }
        _ => span,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SPAN: Span = Span { start: 10, end: 60, line: 3, column: 11 };

    fn expand(text: &str) -> (Option<String>, Vec<Finding>) {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("key"), "from a file\r\n").expect("written");
        std::fs::write(directory.path().join("empty"), "\n").expect("written");
        std::fs::write(directory.path().join("large"), vec![b'x'; 70_000]).expect("written");
        std::fs::write(directory.path().join("binary"), [0xff, 0xfe]).expect("written");
        let env = |name: &str| match name {
            "NAME" => Some("value".to_owned()),
            "TRICK" => Some("${NAME}".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let variables = Variables { env: &env, directory: directory.path() };
        let findings = Findings::default();
        let expanded = variables.expand(text, text, SPAN, &findings);
        (expanded.map(|text| text.as_str().to_owned()), findings.into_report().findings)
    }

    #[test]
    fn variables_are_put_in_and_everything_else_stays() {
        for (text, expected) in [
            ("${NAME}", "value"),
            ("a-${NAME}-${NAME}", "a-value-value"),
            ("${file:key}", "from a file"),
            ("pa$$word$1$", "pa$$word$1$"),
            ("$${NAME}", "${NAME}"),
            ("$${NAME}${NAME}", "${NAME}value"),
            ("${TRICK}", "${NAME}"),
            ("", ""),
        ] {
            let (expanded, findings) = expand(text);
            assert_eq!(expanded.as_deref(), Some(expected), "{text}");
            assert!(findings.is_empty(), "{text}: {findings:?}");
        }
    }

    #[test]
    fn what_cannot_be_put_in_is_named_with_its_place() {
        for (text, code, said, column) in [
            ("x ${GONE}", "variable_missing", "GONE is not set", 13),
            ("${EMPTY}", "variable_missing", "EMPTY is empty", 11),
            ("${MY-NAME}", "variable_name", "'MY-NAME' is not the name", 11),
            ("${}", "variable_name", "''", 11),
            ("ä${NAME", "variable_name", "without a '}'", 11),
            ("${file:gone}", "file_unreadable", "gone cannot be read", 11),
            ("${file:empty}", "file_unreadable", "it is empty", 11),
            ("${file:large}", "file_unreadable", "larger than 65536 bytes", 11),
            ("${file:binary}", "file_unreadable", "not UTF-8", 11),
        ] {
            let (expanded, findings) = expand(text);
            assert_eq!(expanded, None, "{text}");
            let [finding] = findings.as_slice() else { panic!("{text}: {findings:?}") };
            assert_eq!(finding.code, code, "{text}");
            assert!(finding.message.contains(said), "{text}: {}", finding.message);
            assert_eq!(finding.span.map(|span| span.column), Some(column), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_expanded_or_refused(text in "[$\\{\\}a-zé: ]{0,40}") {
            let (expanded, findings) = expand(&text);
            prop_assert_eq!(findings.is_empty(), expanded.is_some());
            let has_variable = text.contains("${");
            prop_assert!(has_variable || expanded == Some(text));
        }
    }
}
