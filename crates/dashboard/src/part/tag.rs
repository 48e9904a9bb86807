//! Words with a colour, and numbers that can be read. The colour never says anything that the word does not.

use domain::breaker::BreakerState;
use domain::request::Verdict;
use domain::run::RunState;
use domain::{Assurance, DeliveryState};
use maud::{Markup, html};
use store::people::DestinationState;

/// What a colour stands for; the style sheet has one class for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Busy,
    Warn,
    Bad,
    Dim,
}

impl Tone {
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Busy => "busy",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Dim => "dim",
        }
    }
}

pub(crate) fn tag(tone: Tone, text: &str) -> Markup {
    html! { span.tag.(tone.class()) { (text) } }
}

/// The same with a sentence on hover.
pub(crate) fn told(tone: Tone, text: &str, sentence: &str) -> Markup {
    html! { span.tag.(tone.class()) title=(sentence) { (text) } }
}

pub(crate) fn state(state: DeliveryState) -> Markup {
    let tone = match state {
        DeliveryState::Delivered => Tone::Good,
        DeliveryState::Dead => Tone::Bad,
        DeliveryState::Retrying | DeliveryState::Held => Tone::Warn,
        DeliveryState::Pending | DeliveryState::InFlight => Tone::Busy,
        DeliveryState::Filtered | DeliveryState::Cancelled => Tone::Dim,
    };
    tag(tone, &state.as_str().replace('_', " "))
}

pub(crate) fn verdict(verdict: Verdict) -> Markup {
    let tone = match verdict {
        Verdict::Accepted => Tone::Good,
        Verdict::Rejected => Tone::Bad,
        Verdict::Pending => Tone::Busy,
    };
    tag(tone, verdict.as_str())
}

pub(crate) fn destination(state: DestinationState) -> Markup {
    let (tone, sentence) = match state {
        DestinationState::Active => (Tone::Good, "It takes deliveries."),
        DestinationState::Paused => (Tone::Warn, "A person paused it: what it is owed waits."),
        DestinationState::Disabled => (Tone::Bad, "It answered 410 or a person disabled it: what it is owed waits."),
        DestinationState::Retired => (Tone::Dim, "It was removed: what it was owed waits."),
    };
    told(tone, state.as_str(), sentence)
}

pub(crate) fn breaker(state: BreakerState) -> Markup {
    let (tone, sentence) = match state {
        BreakerState::Closed => (Tone::Good, "Tries go out."),
        BreakerState::HalfOpen => (Tone::Warn, "One probe is out: if it succeeds, all go."),
        BreakerState::Open => (Tone::Bad, "It failed too often: its deliveries wait, and no try is used up."),
    };
    told(tone, &state.as_str().replace('_', " "), sentence)
}

pub(crate) fn run(state: RunState) -> Markup {
    let tone = match state {
        RunState::Running => Tone::Busy,
        RunState::Done => Tone::Good,
        RunState::Failed => Tone::Bad,
        RunState::Interrupted | RunState::Waiting => Tone::Warn,
    };
    tag(tone, state.as_str())
}

/// What the verification of an event proves, with the sentence that says so.
pub(crate) fn assurance(assurance: Assurance) -> Markup {
    told(tone(assurance), assurance.as_str(), proves(assurance))
}

pub(crate) const fn tone(assurance: Assurance) -> Tone {
    match assurance {
        Assurance::Body | Assurance::Partial => Tone::Good,
        Assurance::Origin => Tone::Busy,
        Assurance::Shared => Tone::Warn,
        Assurance::None => Tone::Bad,
    }
}

pub(crate) const fn proves(assurance: Assurance) -> &'static str {
    match assurance {
        Assurance::Body => "A signature covers the whole body.",
        Assurance::Partial => "A signature covers some fields of the body, not all of it.",
        Assurance::Origin => "A token or certificate proves the sender, not the bytes.",
        Assurance::Shared => "The sender knows a shared token or password; the bytes are not covered.",
        Assurance::None => "Nothing: anyone who knows the address could have sent it.",
    }
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

/// So many of something, which is named in the plural unless it is one.
pub(crate) fn of(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}

pub(crate) fn bytes(count: u64) -> String {
    match count {
        0..1_024 => format!("{count} B"),
        1_024..1_048_576 => format!("{:.1} KiB", count as f64 / 1_024.0),
        _ => format!("{:.1} MiB", count as f64 / 1_048_576.0),
    }
}

/// A share of 1 as percents; of nothing there is none.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    let share = part as f64 * 100.0 / whole as f64;
    // What is not all must not read as if it were.
    match share {
        share if part > 0 && share < 0.1 => "< 0.1 %".to_owned(),
        share if part < whole && share > 99.9 => "> 99.9 %".to_owned(),
        share if share.fract() == 0.0 => format!("{share:.0} %"),
        share => format!("{share:.1} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_sizes_are_readable() {
        assert_eq!(number(1), "1");
        assert_eq!((of(1, "poll", "polls"), of(0, "poll", "polls")), ("1 poll".to_owned(), "0 polls".to_owned()));
        assert_eq!(number(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(
            (bytes(12), bytes(1_536), bytes(3 << 20)),
            ("12 B".to_owned(), "1.5 KiB".to_owned(), "3.0 MiB".to_owned())
        );
    }

    #[test]
    fn a_share_that_is_not_all_does_not_read_as_all() {
        for (part, whole, text) in [
            (0, 0, "–"),
            (0, 10, "0 %"),
            (10, 10, "100 %"),
            (1, 3, "33.3 %"),
            (999_999, 1_000_000, "> 99.9 %"),
            (1, 1_000_000, "< 0.1 %"),
        ] {
            assert_eq!(percent(part, whole), text);
        }
    }
}
