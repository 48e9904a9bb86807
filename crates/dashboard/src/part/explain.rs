//! Why something failed, in the words of our rules, and apart from them what a model guesses.

use domain::explain::{Certainty, Diagnosis};
use maud::{Markup, html};

use super::form::{Weight, button};
use super::tag::{Tone, tag};
use super::words;

/// What the rules say, the surest first. `ask`: where a model is asked, if there is one and the visitor may.
pub(crate) fn why(diagnoses: &[Diagnosis], ask: Option<&str>) -> Markup {
    html! {
        @if let Some((first, others)) = diagnoses.split_first() {
            div data-explain {
                (one(first))
                @if !others.is_empty() {
                    details { summary { (others.len()) " more that it may be" } @for other in others { (one(other)) } }
                }
            }
        }
        @if let Some(path) = ask {
            (button(path, "Ask the model", &[], Weight::Plain))
        }
    }
}

fn one(diagnosis: &Diagnosis) -> Markup {
    let tone = match diagnosis.certainty {
        Certainty::Certain => Tone::Bad,
        Certainty::Likely => Tone::Warn,
        Certainty::Possible => Tone::Dim,
    };
    html! {
        p data-rule=(diagnosis.rule) { (tag(tone, diagnosis.certainty.as_str())) " " (words(&diagnosis.cause)) }
        p { strong { "Next: " } (words(&diagnosis.next)) }
    }
}

/// A text of a model: marked as what it is, and never as anything but text.
pub(crate) fn guess(model: &str, answer: &str) -> Markup {
    html! {
        section.card data-model {
            h2 { "What the model " (model) " guesses" }
            p.dim { "It was told figures and codes alone: no payload, no header's value, no secret. It may be wrong." }
            @for line in answer.lines().filter(|line| !line.trim().is_empty()) { p { (line) } }
        }
    }
}
