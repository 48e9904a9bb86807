//! Findings as people and machines read them: with file, line and column, and the line itself with a caret under
//! the mistake. What was marked as hidden is never quoted.

use std::fmt;
use std::ops::Range;

use connectors::provider::{Place, RecipeError};
use engine::definition::{Finding, Report, Severity, Span};
use serde::Serialize;

/// Longest part of a line that is quoted: the rest says nothing about the mistake.
const QUOTED_CHARS_MAX: usize = 120;
/// Shown in place of what must not be quoted, whatever its length.
const HIDDEN: &str = "***";

/// One finding in one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    pub severity: Severity,
    pub code: &'static str,
    pub file: String,
    /// Both from 1; absent where the mistake is not in the text of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// JSON Pointer to the value.
    pub pointer: String,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    #[serde(skip)]
    quote: Option<Quote>,
}

/// A line of the file, fit to be shown, and what of it is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Quote {
    text: String,
    caret: usize,
    width: usize,
}

/// What may be quoted of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quoting {
    /// It was parsed: everything but what was marked as hidden.
    Known,
    /// It was not parsed, so that nobody knows what in it is secret.
    KeysOnly,
}

/// Turns what was found in `source` into what is shown.
pub(super) fn diagnose(file: &str, source: &str, report: &Report, quoting: Quoting) -> Vec<Diagnosis> {
    let quote = |span| match quoting {
        Quoting::Known => quote(source, span, &report.hidden),
        Quoting::KeysOnly => quote_keys(source, span),
    };
    let shown = |finding: &Finding| diagnosis(file, finding, finding.span.map(quote));
    let mut shown: Vec<Diagnosis> = report.findings.iter().map(shown).collect();
    if report.left_out > 0 {
        let message = format!("and {} more, which are left out here", report.left_out);
        shown.push(Diagnosis::of_file(file, "too_many", message, None));
    }
    shown
}

/// A mistake in a recipe, which `source` is the text of. Vectors may hold what is secret elsewhere.
pub(super) fn diagnose_recipe(code: &'static str, error: &RecipeError, source: &str) -> Diagnosis {
    let RecipeError { file, place, message, help } = error.clone();
    let whole = Diagnosis::of_file(&file, code, message, help);
    let Some(span) = span_of(place, source) else { return whole };
    let quote = match is_in_second_document(span, source) {
        true => quote_keys(source, span),
        false => quote(source, span, &[]),
    };
    let quote = Some(quote);
    Diagnosis { line: Some(span.line), column: Some(span.column), quote, ..whole }
}

/// Where samples and vectors are, with whatever their owner takes for a test secret.
fn is_in_second_document(span: Span, source: &str) -> bool {
    source[..span.start].lines().skip(1).any(|line| line.trim_end() == "---")
}

/// The word at a place; `None` if the place is not known.
fn span_of(place: Place, source: &str) -> Option<Span> {
    let (line, column) = (u32::try_from(place.line).ok()?, u32::try_from(place.column).ok()?);
    let above = usize::try_from(place.line.checked_sub(1)?).ok()?;
    let start: usize = source.split_inclusive('\n').take(above).map(str::len).sum();
    let text = source[start..].lines().next().unwrap_or_default();
    let letters = usize::try_from(place.column.checked_sub(1)?).ok()?;
    let offset = text.char_indices().nth(letters).map_or(text.len(), |(offset, _)| offset);
    let width = text[offset..].find(|c: char| c.is_whitespace() || "{}[],:".contains(c));
    let start = start + offset;
    Some(Span { start, end: start + width.unwrap_or(text.len() - offset), line, column })
}

fn diagnosis(file: &str, finding: &Finding, quote: Option<Quote>) -> Diagnosis {
    let Finding { severity, code, pointer, span, message, help } = finding.clone();
    let (line, column) = (span.map(|span| span.line), span.map(|span| span.column));
    let file = file.to_owned();
    Diagnosis { severity, code, file, line, column, pointer, message, help, quote }
}

impl Diagnosis {
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// About the file as a whole, which can be used as it is.
    pub(super) fn warning_of_file(file: &str, code: &'static str, message: String, help: Option<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::of_file(file, code, message, help) }
    }

    /// About the file as a whole.
    pub(super) fn of_file(file: &str, code: &'static str, message: String, help: Option<String>) -> Self {
        let (severity, file, pointer) = (Severity::Error, file.to_owned(), String::new());
        Self { severity, code, file, line: None, column: None, pointer, message, help, quote: None }
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        writeln!(f, "{word}[{}]: {}", self.code, self.message)?;
        let (line, column) = (self.line.unwrap_or(0), self.column.unwrap_or(0));
        let margin = " ".repeat(line.to_string().len());
        match &self.quote {
            None => writeln!(f, "  --> {}", self.file)?,
            Some(Quote { text, caret, width }) => {
                writeln!(f, "{margin}--> {}:{line}:{column}", self.file)?;
                writeln!(f, "{margin} |")?;
                writeln!(f, "{line} | {text}")?;
                writeln!(f, "{margin} | {}{}", " ".repeat(*caret), "^".repeat((*width).max(1)))?;
            }
        }
        if let Some(help) = &self.help {
            writeln!(f, "{margin} = {help}")?;
        }
        Ok(())
    }
}

/// The first line of `span`, its hidden parts replaced.
fn quote(source: &str, span: Span, hidden: &[Span]) -> Quote {
    let line = without_comment(source, line_at(source, span.start), span.end);
    let hidden: Vec<_> = hidden.iter().filter(|one| one.start < line.end && line.start < one.end).collect();
    let mut text = String::new();
    let (mut caret, mut end) = (None, None);
    let mut at = line.start;
    while at < line.end {
        let secret = hidden.iter().find(|hidden| hidden.start <= at && at < hidden.end);
        let secret = secret.filter(|secret| !is_variable(&source[secret.start..secret.end]));
        if caret.is_none() && (at >= span.start || secret.is_some_and(|secret| span.start < secret.end)) {
            caret = Some(text.chars().count());
        }
        if at >= span.end && end.is_none() {
            end = Some(text.chars().count());
        }
        if let Some(secret) = secret {
            text.push_str(HIDDEN);
            at = secret.end.min(line.end);
            continue;
        }
        let letter = source[at..].chars().next().unwrap_or(' ');
        text.push(if letter.is_control() { ' ' } else { letter });
        at += letter.len_utf8();
    }
    let caret = caret.unwrap_or_else(|| text.chars().count());
    let end = end.unwrap_or_else(|| text.chars().count());
    window(&text, caret, end.saturating_sub(caret))
}

/// Names a variable and says nothing else, so that there is no secret in it.
fn is_variable(written: &str) -> bool {
    let bare = written.trim_matches(['"', '\'']);
    let name = bare.strip_prefix("${").and_then(|bare| bare.strip_suffix('}'));
    name.is_some_and(|name| !name.contains(|c: char| c.is_whitespace() || "${}\"'".contains(c)))
}

/// Only the first key, the variables and the punctuation of a line.
fn quote_keys(source: &str, span: Span) -> Quote {
    let line = line_at(source, span.start);
    let mut hidden = Vec::new();
    let mut at = line.start;
    while at < line.end {
        let rest = &source[at..line.end];
        let mut word = rest.find(|c: char| c.is_whitespace() || "{}[],\"'".contains(c)).unwrap_or(rest.len());
        if rest[word..].starts_with('{') && rest[..word].ends_with('$') {
            word = rest.find('}').map_or(word, |end| end + 1);
        }
        let is_first = source[line.start..at].trim_matches([' ', '-']).is_empty();
        let is_key = is_first && rest[..word].ends_with(':');
        if word > 0 && !is_key && !is_variable(&rest[..word]) && &rest[..word] != "-" {
            hidden.push(Span { start: at, end: at + word, ..span });
        }
        at += word.max(rest.chars().next().map_or(1, char::len_utf8));
    }
    quote(source, span, &hidden)
}

/// The line around an offset, or as much of it as could ever be quoted: a line may be as long as the file.
fn line_at(source: &str, offset: usize) -> Range<usize> {
    let reach = 4 * QUOTED_CHARS_MAX;
    let offset = source.floor_char_boundary(offset);
    let (from, to) = (source.ceil_char_boundary(offset.saturating_sub(reach)), source.len().min(offset + reach));
    let start = source[from..offset].rfind('\n').map_or(from, |newline| from + newline + 1);
    let end = source.floor_char_boundary(to);
    start..source[offset..end].find('\n').map_or(end, |length| offset + length)
}

/// A comment behind what is meant says nothing of it, and may be a value by mistake.
fn without_comment(source: &str, line: Range<usize>, meant_to: usize) -> Range<usize> {
    let from = source.ceil_char_boundary(meant_to.clamp(line.start, line.end));
    let comment = source[from..line.end].find(" #").map_or(line.end, |offset| from + offset);
    line.start..comment
}

/// The part of a long line around the caret.
fn window(text: &str, caret: usize, width: usize) -> Quote {
    let length = text.chars().count();
    if length <= QUOTED_CHARS_MAX {
        return Quote { text: text.trim_end().to_owned(), caret, width };
    }
    let from = caret.saturating_sub(QUOTED_CHARS_MAX / 2).min(length - QUOTED_CHARS_MAX);
    let part: String = text.chars().skip(from).take(QUOTED_CHARS_MAX).collect();
    let width = width.min(QUOTED_CHARS_MAX - (caret - from).min(QUOTED_CHARS_MAX));
    Quote { text: format!("…{}", part.trim_end()), caret: caret - from + 1, width }
}
