//! Progress of long work on stderr, and questions to whoever waits for it.

use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::exit::{Failure, Outcome};

/// A bar that counts to `total`; silent where nobody watches.
#[must_use]
pub fn bar(total: u64, what: &'static str) -> ProgressBar {
    let target = if io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} {per_sec} {eta}");
    let style = style.expect("the template names only what there is");
    ProgressBar::with_draw_target(Some(total), target).with_style(style).with_message(what)
}

/// Says what goes on where nobody knows how much of it there is; silent where nobody watches.
#[must_use]
pub fn spinner() -> ProgressBar {
    let target = if io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template("{spinner} {msg}").expect("the template names only what there is");
    ProgressBar::with_draw_target(None, target).with_style(style)
}

/// Asks a yes-or-no question. Without a person at the terminal, `option` has to have said it.
pub fn confirm(question: &str, option: &str) -> Outcome<bool> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Failure::usage(format!("{question} Nobody is there to answer"))
            .hint(format!("Add {option} to go on without asking.")));
    }
    let mut err = io::stderr().lock();
    let asked = write!(err, "{question} [y/N] ").and_then(|()| err.flush());
    drop(err);
    let mut answer = String::new();
    asked.and_then(|()| io::stdin().read_line(&mut answer)).map_err(|error| Failure::output(&error))?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
