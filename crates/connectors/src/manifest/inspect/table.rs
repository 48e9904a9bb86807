//! An inspection for people: a line for each stream.

use std::fmt::{self, Write as _};

use super::{Beyond, Deletes, EventReport, Inspection, Means, SecretFrom, StreamReport, Verdict, WebhooksReport};

const HEADS: [&str; 5] = ["stream", "verdict", "cursor", "deletes", "requests per poll"];
/// Beside them where the manifest says something beyond the format.
const HEADS_BEYOND: [&str; 2] = ["by id", "webhooks"];
/// Before the last of them, which is as long as it likes.
const BEYOND_AT: usize = HEADS.len() - 1;
/// Between two columns.
const GAP: &str = "  ";

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.manifest, self.headline())?;
        for problem in &self.problems {
            writeln!(f, "error: {}:{}: {}: {}", problem.line, problem.column, problem.path, problem.message)?;
        }
        if let Some(beyond) = &self.beyond {
            write!(f, "{}", source_lines(beyond))?;
        }
        if !self.streams.is_empty() {
            write!(f, "\n{}\n", lines(&self.rows()))?;
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
    /// The heads, and a row for each stream.
    fn rows(&self) -> Vec<Vec<String>> {
        let mut rows = vec![HEADS.map(str::to_owned).to_vec()];
        rows.extend(self.streams.iter().map(|stream| row(stream).to_vec()));
        if self.beyond.is_some() {
            rows[0].splice(BEYOND_AT..BEYOND_AT, HEADS_BEYOND.map(str::to_owned));
            for (row, stream) in rows[1..].iter_mut().zip(&self.streams) {
                row.splice(BEYOND_AT..BEYOND_AT, beyond(stream));
            }
        }
        rows
    }

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
    let by = stream.deletes_by.as_deref().unwrap_or_default();
    let deletes = match stream.deletes {
        Deletes::FullScan => "full scan".to_owned(),
        Deletes::Tombstone => format!("field {by}"),
        Deletes::Feed => format!("stream {by}"),
        Deletes::None => "none".to_owned(),
    };
    let name = if stream.template { format!("{} (template)", stream.name) } else { stream.name.clone() };
    [name, verdict.to_owned(), cursor, deletes, stream.requests.clone()]
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
    if !stream.beyond.events.is_empty() {
        let told: Vec<String> = stream.beyond.events.iter().map(event).collect();
        lines.push(format!("told by {}", told.join(", ")));
    }
    lines
}

/// What is described that goes by a record's id, and how many topics tell of the stream.
fn beyond(stream: &StreamReport) -> [String; 2] {
    let mut verbs = if stream.beyond.get { vec!["get"] } else { Vec::new() };
    verbs.extend(&stream.beyond.write);
    let topics = match stream.beyond.events.len() {
        0 => "none".to_owned(),
        1 => "1 topic".to_owned(),
        many => format!("{many} topics"),
    };
    [if verbs.is_empty() { "none".to_owned() } else { verbs.join(" ") }, topics]
}

fn event(event: &EventReport) -> String {
    let means = match event.means {
        Means::Created => "created",
        Means::Updated => "updated",
        Means::Deleted => "deleted",
        Means::Fact => "a fact of its own",
        Means::Hint => "a hint",
    };
    format!("{} ({means})", event.event_type)
}

/// Whence it is known, and how its webhooks are subscribed to.
fn source_lines(beyond: &Beyond) -> String {
    let mut text = String::new();
    if let Some(documentation) = &beyond.documentation {
        let _ = writeln!(text, "known from {documentation}");
    }
    if let Some(provider) = &beyond.provider {
        let how = beyond.webhooks.as_ref().map_or_else(|| "subscribed to by hand".to_owned(), subscription);
        let _ = writeln!(text, "webhooks of the provider {provider}: {how}");
    }
    if let Some(writes) = beyond.writes {
        let _ = writeln!(text, "create, update and delete are {writes}");
    }
    text
}

fn subscription(webhooks: &WebhooksReport) -> String {
    let topics = match webhooks.topics.len() {
        0 => "everything".to_owned(),
        1 => "1 topic".to_owned(),
        many => format!("{many} topics"),
    };
    let several = if webhooks.several { ", by several subscriptions" } else { "" };
    let verbs = [("unsubscribe", webhooks.unsubscribe), ("list", webhooks.list)];
    let verbs: String = verbs.iter().filter(|(_, can)| *can).map(|(verb, _)| format!(", {verb}")).collect();
    let renewal = webhooks.renew_every_seconds.map_or_else(String::new, |every| format!(", renew every {every} s"));
    let secret = match webhooks.secret {
        SecretFrom::Ours => "the secret is ours",
        SecretFrom::Answer => "the secret comes with the answer",
        SecretFrom::Asked => "the secret is asked for afterwards",
        SecretFrom::App => "the secret is the app's",
    };
    format!("subscribe to {topics}{several}{verbs}{renewal}; {secret}")
}

/// Columns as wide as their widest cell.
fn lines(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:width$}{GAP}");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
