//! What is wrong with an expression, where, and what to do about it.

use std::fmt;

use jsonata_core::evaluator::EvaluatorError;
use jsonata_core::parser::{self, ParserError};

use super::rewrite::Refusal;
use super::weight::LIMIT_MARK;
use super::{TEXT_BYTES_MAX, unbroken};

/// Longest message that is kept: an expression can raise an error with a text of its own.
const MESSAGE_CHARS_MAX: usize = 500;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpressionErrorKind {
    /// It cannot be read.
    Syntax,
    /// It can be read but not accepted.
    Refused,
    /// What it is evaluated against is no JSON.
    Root,
    /// It failed on this event.
    Failed,
    /// It would have taken more time or memory than it may.
    Limit,
}

/// A place in the text; lines and columns count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

/// Shown to the owner of a route, at load with a place, at run time with the reference's own error code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ExpressionError {
    pub kind: ExpressionErrorKind,
    pub message: String,
    pub place: Option<Place>,
    pub hint: Option<String>,
}

impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Place { line, column }) = self.place {
            write!(f, "line {line}, column {column}: ")?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl ExpressionError {
    /// For machines.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self.kind {
            ExpressionErrorKind::Syntax => "expression_syntax",
            ExpressionErrorKind::Refused => "expression_refused",
            ExpressionErrorKind::Root => "expression_root",
            ExpressionErrorKind::Failed => "expression_failed",
            ExpressionErrorKind::Limit => "expression_limit",
        }
    }

    pub(super) fn of(kind: ExpressionErrorKind, message: String, hint: Option<String>) -> Self {
        Self { kind, message: message.chars().take(MESSAGE_CHARS_MAX).collect(), place: None, hint }
    }

    pub(super) fn too_long(bytes: usize) -> Self {
        let message = format!("expressions have at most {TEXT_BYTES_MAX} bytes, this one has {bytes}");
        Self::of(ExpressionErrorKind::Refused, message, None)
    }

    pub(super) fn root(error: serde_json::Error) -> Self {
        let message = format!("the event cannot be read as JSON: {error}");
        Self::of(ExpressionErrorKind::Root, message, Some("route it without `when` and `map`".to_owned()))
    }

    pub(super) fn broken() -> Self {
        let message = "the expression engine broke off, which is a mistake of ours".to_owned();
        Self::of(ExpressionErrorKind::Failed, message, Some("please report it with the expression".to_owned()))
    }

    pub(super) fn syntax(text: &str, error: &ParserError) -> Self {
        let place = locate(text, error);
        let hint = hint_for(text, place);
        let message = in_words(error);
        Self { place: Some(place_of(text, place)), ..Self::of(ExpressionErrorKind::Syntax, message, hint) }
    }

    pub(super) fn refused(text: &str, refusal: Refusal) -> Self {
        let at = refusal.near.and_then(|near| text.find(&format!("${near}")).or_else(|| text.find(&near)));
        let place = at.map(|at| place_of(text, at));
        Self { place, ..Self::of(ExpressionErrorKind::Refused, refusal.message, refusal.hint) }
    }

    pub(super) fn failed(error: EvaluatorError) -> Self {
        let message = error.message();
        if let Some(words) = message.strip_prefix(LIMIT_MARK) {
            return Self::of(ExpressionErrorKind::Limit, format!("it would need {words}"), None);
        }
        let kind = match message.get(..5) {
            // The library's own limits: depth, time, sequence length, stack.
            Some("D1011" | "D1012" | "D2015" | "U1001" | "U1002") => ExpressionErrorKind::Limit,
            _ => ExpressionErrorKind::Failed,
        };
        Self::of(kind, message.to_owned(), None)
    }
}

/// The library's own time limit.
pub(super) fn is_out_of_time(error: &EvaluatorError) -> bool {
    error.message().starts_with("D1012")
}

/// The byte at which reading stopped making sense. The parser does not tell, so it is found by halving: the shortest
/// beginning of the text that fails in the same way ends with the culprit.
fn locate(text: &str, error: &ParserError) -> usize {
    if ends_early(error) {
        return text.len();
    }
    let complaint = error.to_string();
    let fails_alike = |end: usize| {
        let parsed = unbroken(|| parser::parse(&text[..end]));
        parsed.is_ok_and(|parsed| parsed.is_err_and(|other| other.to_string() == complaint))
    };
    let (mut good, mut bad) = (0, text.len());
    while bad - good > 1 {
        let middle = text.floor_char_boundary(good + (bad - good) / 2);
        if middle == good {
            break;
        }
        if fails_alike(middle) { bad = middle } else { good = middle }
    }
    // The culprit is the last word or sign.
    let head = text[..bad].trim_end();
    let word = |char: char| char.is_alphanumeric() || matches!(char, '_' | '$');
    match head.char_indices().next_back() {
        Some((_, last)) if word(last) => {
            head.rfind(|char| !word(char)).map_or(0, |at| at + head[at..].chars().next().map_or(1, char::len_utf8))
        }
        Some((at, _)) => at,
        None => 0,
    }
}

fn place_of(text: &str, at: usize) -> Place {
    let head = &text[..at];
    let line_start = head.rfind('\n').map_or(0, |newline| newline + 1);
    Place { line: head.matches('\n').count() + 1, column: head[line_start..].chars().count() + 1 }
}

/// The parser's complaint without its internal names.
fn in_words(error: &ParserError) -> String {
    if ends_early(error) { "the expression ends too early".to_owned() } else { error.to_string() }
}

fn ends_early(error: &ParserError) -> bool {
    match error {
        ParserError::UnexpectedEnd => true,
        ParserError::UnexpectedToken(token) => token == "Eof",
        ParserError::Expected { found, .. } => found == "Eof",
        _ => false,
    }
}

/// Habits of other languages.
fn hint_for(text: &str, at: usize) -> Option<String> {
    const HABITS: &[(&str, &str)] = &[
        ("==", "equality is written with one ="),
        ("&&", "write `and`"),
        ("||", "write `or`"),
        ("!", "write `$not(…)`"),
    ];
    let around = &text[text.floor_char_boundary(at.saturating_sub(1))..];
    let near: String = around.chars().take(3).collect();
    HABITS.iter().find(|(habit, _)| near.contains(habit)).map(|(_, hint)| (*hint).to_owned())
}
