//! Buttons and fields. What changes something is always a form of its own, so that it works without scripts.

use maud::{Markup, html};

/// How much a button asks for attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    Main,
    Plain,
    /// What cannot be taken back.
    Grave,
}

impl Weight {
    const fn class(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Plain => "plain",
            Self::Grave => "grave",
        }
    }
}

/// A button that does one thing, with what it is to be done to.
pub(crate) fn button(path: &str, label: &str, hidden: &[(&str, &str)], weight: Weight) -> Markup {
    html! {
        form.inline method="post" action=(path) {
            @for (name, value) in hidden { input type="hidden" name=(name) value=(value); }
            button.(weight.class()) type="submit" { (label) }
        }
    }
}

/// A line of text to be filled in.
pub(crate) fn field(label: &str, name: &str, value: &str, hint: &str) -> Markup {
    html! { label { (label) input name=(name) value=(value) placeholder=(hint) autocomplete="off"; } }
}

/// A secret to be filled in; what was is never shown.
pub(crate) fn secret(label: &str, name: &str) -> Markup {
    html! { label { (label) input type="password" name=(name) autocomplete="new-password"; } }
}

/// Lines of text to be filled in.
pub(crate) fn area(label: &str, name: &str, value: &str, hint: &str, rows: u32) -> Markup {
    html! {
        label.grow { (label)
            // A browser swallows the first line break of an area, and only that one.
            textarea.mono name=(name) rows=(rows) placeholder=(hint) spellcheck="false" { "\n" (value) }
        }
    }
}

/// One of several: value and what is shown for it.
pub(crate) fn choice(label: &str, name: &str, options: &[(String, String)], chosen: &str) -> Markup {
    html! {
        label { (label)
            select name=(name) {
                @for (value, shown) in options { option value=(value) selected[value == chosen] { (shown) } }
            }
        }
    }
}
