//! The report for a terminal: aligned columns, plain text.

use std::fmt::Write as _;

use super::{Figure, Goal, Report, number};

impl Report {
    /// Lines for people, ending in a newline.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text =
            format!("{} ({}), {}\n{}\n", self.about.commit, self.about.mode, self.about.date, self.machine_line());
        let parts = self.parts().into_iter().map(|(name, us)| [name.replace("**", ""), number(us)].to_vec());
        section(&mut text, ["calibration", "µs"].map(str::to_owned).to_vec(), parts.collect());
        let head = ["figure", "", "median", "least", "most", "runs", "goal", ""].map(str::to_owned);
        section(&mut text, head.to_vec(), self.figures.iter().map(cells).collect());
        for failure in &self.failures {
            push(
                &mut text,
                format_args!("\n{} has no result ({}): {}\n", failure.scenario, failure.code, failure.message),
            );
        }
        text
    }
}

fn cells(figure: &Figure) -> Vec<String> {
    let spread = figure.spread;
    let mut cells = vec![figure.name.clone(), figure.unit.to_owned()];
    cells.extend([spread.median, spread.least, spread.most].map(number));
    cells.extend([spread.runs.to_string(), goal(figure.goal), verdict(figure.met).to_owned()]);
    cells
}

pub(super) fn goal(goal: Option<Goal>) -> String {
    match goal {
        Some(Goal::AtLeast(bound)) => format!("≥ {}", number(bound)),
        Some(Goal::AtMost(bound)) => format!("≤ {}", number(bound)),
        None => String::new(),
    }
}

pub(super) fn verdict(met: Option<bool>) -> &'static str {
    match met {
        Some(true) => "met",
        Some(false) => "MISSED",
        None => "",
    }
}

/// A table with its columns aligned: words to the left, numbers to the right.
fn section(text: &mut String, head: Vec<String>, rows: Vec<Vec<String>>) {
    let all: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    let columns = all.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| all.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    text.push('\n');
    for row in &all {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let is_number = cell.starts_with(|first: char| first.is_ascii_digit());
            let padding = " ".repeat(width - cell.chars().count());
            let (before, after) = if is_number { (padding.as_str(), "") } else { ("", padding.as_str()) };
            push(&mut line, format_args!("{before}{cell}{after}  "));
        }
        push(text, format_args!("{}\n", line.trim_end()));
    }
}

pub(super) fn push(text: &mut String, part: std::fmt::Arguments<'_>) {
    text.write_fmt(part).expect("writing into a String cannot fail");
}
