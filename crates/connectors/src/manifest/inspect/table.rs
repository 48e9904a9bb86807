//! An inspection for people: a line for each stream.

use std::fmt::{self, Write as _};

use super::{Deletes, Inspection, StreamReport, Verdict};

const HEADS: [&str; 5] = ["stream", "verdict", "cursor", "deletes", "requests per poll"];
/// Between two columns.
const GAP: &str = "  ";

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.manifest, self.headline())?;
        for problem in &self.problems {
            writeln!(f, "error: {}:{}: {}: {}", problem.line, problem.column, problem.path, problem.message)?;
        }
        if !self.streams.is_empty() {
            let rows: Vec<[String; 5]> = self.streams.iter().map(row).collect();
            write!(f, "\n{}\n", lines(&rows))?;
        }
        for stream in &self.streams {
            for line in details(stream) {
                writeln!(f, "{}: {line}", stream.name)?;
            }
        }
        for warning in &self.warnings {
            writeln!(f, "warning: {}:{}: {}", warning.line, warning.column, warning.message)?;
        }
        for class in &self.unused_overrides {
            writeln!(f, "warning: the override of '{class}' is used by no component")?;
        }
        Ok(())
    }
}

impl Inspection {
    fn headline(&self) -> String {
        let mut parts = Vec::new();
        let summary = &self.summary;
        for (count, words) in [
            (summary.runs, "run"),
            (summary.needs_override, "need an override"),
            (summary.unsupported, "are not supported"),
            (summary.wrong, "are wrong"),
        ] {
            if count > 0 {
                parts.push(format!("{count} {words}"));
            }
        }
        let streams =
            if parts.is_empty() { "no streams".to_owned() } else { format!("of its streams {}", parts.join(", ")) };
        let version = self.version.as_deref().unwrap_or("unknown");
        let license = self.license.as_deref().unwrap_or("unknown");
        format!("{streams}; format version {version}; licence {license}")
    }
}

fn row(stream: &StreamReport) -> [String; 5] {
    let verdict = match &stream.verdict {
        Verdict::Runs => "runs",
        Verdict::NeedsOverride { .. } => "needs an override",
        Verdict::Unsupported { .. } => "not supported",
        Verdict::Wrong { .. } => "wrong",
    };
    let cursor = stream.cursor.as_ref().map_or_else(|| "none".to_owned(), |cursor| cursor.field.clone());
    let deletes = match stream.deletes {
        Deletes::FullScan => "full scan",
        Deletes::None => "none",
    };
    let name = if stream.template { format!("{} (template)", stream.name) } else { stream.name.clone() };
    [name, verdict.to_owned(), cursor, deletes.to_owned(), stream.requests.clone()]
}

fn details(stream: &StreamReport) -> Vec<String> {
    let mut lines = match &stream.verdict {
        Verdict::Runs => Vec::new(),
        Verdict::NeedsOverride { classes } => {
            classes.iter().map(|custom| format!("{} {} at {}", custom.component, custom.class, custom.path)).collect()
        }
        Verdict::Unsupported { problem, .. } | Verdict::Wrong { problem } => {
            vec![format!("{}:{}: {}: {}", problem.line, problem.column, problem.path, problem.message)]
        }
    };
    lines.extend(stream.notes.iter().cloned());
    lines
}

fn lines(rows: &[[String; 5]]) -> String {
    let mut widths = HEADS.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    let heads = HEADS.map(str::to_owned);
    for row in std::iter::once(&heads).chain(rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(line, "{cell:width$}{GAP}");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
