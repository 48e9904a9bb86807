//! What commands print: tables for people, tab-separated lines for pipes, JSON for programs.
//!
//! Texts that come from outside are cleaned of control characters first: they could steer the reader's terminal.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use serde_json::Value;

use crate::exit::{Failure, Outcome};

/// How stdout is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Json,
    /// A person reads: aligned, and coloured where colours help.
    Terminal,
    /// A pipe or a file: tabs and nothing else.
    Plain,
}

#[derive(Clone, Copy, Debug)]
pub struct Output {
    form: Form,
}

impl Output {
    /// The form that fits whoever reads stdout.
    #[must_use]
    pub fn for_stdout(json: bool) -> Self {
        let form = match (json, io::stdout().is_terminal()) {
            (true, _) => Form::Json,
            (false, true) => Form::Terminal,
            (false, false) => Form::Plain,
        };
        Self { form }
    }

    #[must_use]
    pub fn is_json(self) -> bool {
        self.form == Form::Json
    }

    /// Whether a person watches.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        self.form == Form::Terminal
    }

    /// One line for people; nothing where programs read JSON.
    pub fn line(self, text: impl AsRef<str>) -> Outcome {
        if self.is_json() {
            return Ok(());
        }
        write_line(text.as_ref().as_bytes())
    }

    /// One JSON value on a line of its own; nothing where people read.
    pub fn json(self, value: &Value) -> Outcome {
        if !self.is_json() {
            return Ok(());
        }
        write_line(value.to_string().as_bytes())
    }

    /// Rows under their headings.
    pub fn table(self, headings: &[&str], rows: Vec<Vec<String>>) -> Outcome {
        match self.form {
            Form::Json => Ok(()),
            Form::Plain => {
                let heading = headings.join("\t");
                let lines = rows.iter().map(|row| row.iter().map(|cell| clean(cell)).collect::<Vec<_>>().join("\t"));
                [heading].into_iter().chain(lines).try_for_each(|line| write_line(line.as_bytes()))
            }
            Form::Terminal => {
                let mut table = Table::new();
                table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_header(headings);
                for row in &rows {
                    table.add_row(row.iter().map(|cell| clean(cell)));
                }
                write_line(table.trim_fmt().as_bytes())
            }
        }
    }

    /// Bytes exactly as they are.
    pub fn bytes(self, bytes: &[u8]) -> Outcome {
        let mut out = io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| Failure::output(&error))
    }
}

/// Flushed line by line, so that whoever follows a pipe sees each at once.
fn write_line(line: &[u8]) -> Outcome {
    let mut out = io::stdout().lock();
    let written = out.write_all(line).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush());
    written.map_err(|error| Failure::output(&error))
}

/// A line for people beside the output: progress and questions, on stderr. If nobody can read it, so be it.
pub fn aside(text: impl AsRef<str>) {
    let _ = writeln!(io::stderr().lock(), "{}", text.as_ref());
}

/// The text without control characters, line breaks and tabs included.
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    if text.chars().any(steers) {
        Cow::Owned(
            text.chars().map(|letter| if steers(letter) { char::REPLACEMENT_CHARACTER } else { letter }).collect(),
        )
    } else {
        Cow::Borrowed(text)
    }
}

/// Control characters, and those that reverse the direction of what follows.
fn steers(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A field of a JSON object as a cell: texts bare, what is missing as nothing.
#[must_use]
pub fn cell(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_from_outside_cannot_steer_a_terminal() {
        assert_eq!(clean("push\u{1b}[2J\r\n\u{9b}x\u{202e}"), "push\u{fffd}[2J\u{fffd}\u{fffd}\u{fffd}x\u{fffd}");
        assert!(matches!(clean("order.created Ä"), Cow::Borrowed(_)));
    }

    #[test]
    fn cells_show_what_is_there() {
        let value = json!({ "a": { "b": "text" }, "n": 3, "gone": null });
        assert_eq!(["/a/b", "/n", "/gone", "/none"].map(|at| cell(&value, at)), ["text", "3", "", ""]);
    }
}
