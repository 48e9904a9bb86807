//! The report for docs/performance.md, written between two marks so that the words around it stay.

use std::path::Path;

use super::text::{goal, push, verdict};
use super::{Figure, Report, number};
use crate::error::BenchError;

const BEGIN: &str = "<!-- bench: begin -->";
const END: &str = "<!-- bench: end -->";

impl Report {
    /// The section with both tables.
    #[must_use]
    pub fn markdown(&self) -> String {
        let about = &self.about;
        let mut text = format!("Commit `{}`, {}, `{}` ({}).\n\n", about.commit, about.date, about.command, about.mode);
        push(&mut text, format_args!("{}.\n\n", self.machine_line()));
        text.push_str(
            "| figure | unit | goal | median | least | most | runs | |\n|---|---|---:|---:|---:|---:|---:|---|\n",
        );
        for figure in &self.figures {
            push(&mut text, format_args!("{}\n", row(figure)));
        }
        for failure in &self.failures {
            let message = failure.message.replace('\n', " ");
            push(&mut text, format_args!("\n**{} has no result** (`{}`): {message}\n", failure.scenario, failure.code));
        }
        text.push_str("\n| calibration | µs |\n|---|---:|\n");
        for (name, us) in self.parts() {
            push(&mut text, format_args!("| {name} | {} |\n", number(us)));
        }
        text
    }

    /// Replaces what stands between the marks of the file at `path`.
    ///
    /// # Errors
    /// When the file cannot be read or written, or has lost a mark.
    pub fn write_markdown(&self, path: &Path) -> Result<(), BenchError> {
        let page = std::fs::read_to_string(path).map_err(BenchError::io(format!("read {}", path.display())))?;
        let missing = |mark| BenchError::MarkMissing { path: path.to_owned(), mark };
        let (before, rest) = page.split_once(BEGIN).ok_or_else(|| missing(BEGIN))?;
        let (_, after) = rest.split_once(END).ok_or_else(|| missing(END))?;
        let page = format!("{before}{BEGIN}\n{}{END}{after}", self.markdown());
        std::fs::write(path, page).map_err(|source| BenchError::Write { path: path.to_owned(), source })
    }
}

fn row(figure: &Figure) -> String {
    let spread = figure.spread;
    let [median, least, most] = [spread.median, spread.least, spread.most].map(number);
    let (goal, verdict) = (goal(figure.goal), verdict(figure.met));
    format!(
        "| {} | {} | {goal} | {median} | {least} | {most} | {} | {verdict} |",
        figure.name, figure.unit, spread.runs
    )
}
