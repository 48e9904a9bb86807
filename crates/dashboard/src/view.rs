//! The frame around every page, and the small pieces that all of them use.

use std::time::Duration;

use domain::{Assurance, DeliveryState, Timestamp};
use maud::{DOCTYPE, Markup, Render, html};

use crate::asset::{SCRIPT, STYLE};
use crate::session::Visitor;

/// Every page that the navigation leads to: address and name.
const PAGES: [(&str, &str); 3] = [("/", "Now"), ("/events", "Events"), ("/alerts", "Alerts")];

/// A page for someone who is known.
pub(crate) fn page(visitor: &Visitor, at: &str, title: &str, content: &Markup) -> Markup {
    let navigation = html! {
        nav aria-label="Pages" {
            @for (path, name) in PAGES {
                a href=(path) aria-current=[(path == at).then_some("page")] { (name) }
            }
        }
        form.leave method="post" action="/logout" {
            span.dim title="The key you came in with" { (visitor.0.key) }
            button.quiet type="submit" { "Leave" }
        }
    };
    frame(title, Some(&navigation), content)
}

/// A page for anyone.
pub(crate) fn bare(title: &str, content: &Markup) -> Markup {
    frame(title, None, content)
}

fn frame(title: &str, navigation: Option<&Markup>, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Trireme" }
                link rel="icon" href="/assets/mark.svg" type="image/svg+xml";
                link rel="stylesheet" href=(STYLE.path());
                script src=(SCRIPT.path()) defer {}
            }
            body {
                a.skip href="#content" { "Skip to the content" }
                header.top {
                    a.brand href="/" { img src="/assets/mark.svg" alt="" width="28" height="28"; "Trireme" }
                    @if let Some(navigation) = navigation { (navigation) }
                }
                main id="content" tabindex="-1" { (content) }
            }
        }
    }
}

/// A time as people say it, the exact one on hover.
pub(crate) struct Ago {
    pub(crate) at: Timestamp,
    pub(crate) now: Timestamp,
}

impl Render for Ago {
    fn render(&self) -> Markup {
        let text = if self.at > self.now {
            format!("in {}", rough(self.at.since(self.now)))
        } else {
            format!("{} ago", rough(self.now.since(self.at)))
        };
        let exact = self.at.to_string();
        html! { time datetime=(exact) title=(exact) { (text) } }
    }
}

/// A duration by its largest unit.
pub(crate) fn rough(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => "under a second".to_owned(),
        1..=89 => format!("{seconds} s"),
        90..=5_399 => format!("{} min", seconds.div_ceil(60).max(2)),
        5_400..=129_599 => format!("{} h", (seconds + 1_800) / 3_600),
        _ => format!("{} d", (seconds + 43_200) / 86_400),
    }
}

/// A delivery's state, told by its word and by its colour.
pub(crate) fn state(state: DeliveryState) -> Markup {
    let tone = match state {
        DeliveryState::Delivered => "good",
        DeliveryState::Dead => "bad",
        DeliveryState::Retrying | DeliveryState::Held => "warn",
        DeliveryState::Pending | DeliveryState::InFlight => "busy",
        DeliveryState::Filtered | DeliveryState::Cancelled => "dim",
    };
    html! { span.tag.(tone) { (state.as_str().replace('_', " ")) } }
}

/// What the verification of an event proves, with the sentence that says so.
pub(crate) fn assurance(assurance: Assurance) -> Markup {
    let (tone, proves) = match assurance {
        Assurance::Body => ("good", "A signature covers the whole body."),
        Assurance::Partial => ("good", "A signature covers some fields of the body, not all of it."),
        Assurance::Origin => ("busy", "A token or certificate proves the sender, not the bytes."),
        Assurance::Shared => ("warn", "The sender knows a shared token or password; the bytes are not covered."),
        Assurance::None => ("bad", "Nothing: anyone who knows the address could have sent it."),
    };
    html! { span.tag.(tone) title=(proves) { (assurance.as_str()) } }
}

/// A number with its thousands apart.
pub(crate) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

pub(crate) fn bytes(count: u64) -> String {
    match count {
        0..1_024 => format!("{count} B"),
        1_024..1_048_576 => format!("{:.1} KiB", count as f64 / 1_024.0),
        _ => format!("{:.1} MiB", count as f64 / 1_048_576.0),
    }
}

/// What stands where a list would be.
pub(crate) fn empty(title: &str, help: &Markup) -> Markup {
    html! { div.empty { h2 { (title) } (help) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_by_their_largest_unit() {
        for (seconds, text) in [
            (0, "under a second"),
            (1, "1 s"),
            (89, "89 s"),
            (90, "2 min"),
            (5_399, "90 min"),
            (5_400, "2 h"),
            (86_400 * 3, "3 d"),
        ] {
            assert_eq!(rough(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn numbers_and_sizes_are_readable() {
        assert_eq!(number(1), "1");
        assert_eq!(number(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(
            (bytes(12), bytes(1_536), bytes(3 << 20)),
            ("12 B".to_owned(), "1.5 KiB".to_owned(), "3.0 MiB".to_owned())
        );
    }

    #[test]
    fn the_future_and_the_past_are_told_apart() {
        let (at, now) = (Timestamp::from_secs(100), Timestamp::from_secs(130));
        assert!(Ago { at, now }.render().into_string().contains("30 s ago"));
        assert!(Ago { at: now, now: at }.render().into_string().contains("in 30 s"));
    }
}
