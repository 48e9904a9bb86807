//! The pieces that all pages are built of. Each turns whatever it is given into text: no piece takes markup of others
//! but what another piece made.

pub(crate) mod chart;
pub(crate) mod explain;
pub(crate) mod form;
pub(crate) mod json;
pub(crate) mod table;
pub(crate) mod tag;
pub(crate) mod time;

use maud::{Markup, html};

/// What stands where a list would be.
pub(crate) fn empty(title: &str, help: &Markup) -> Markup {
    html! { div.empty { h2 { (title) } (help) } }
}

/// Names and what they stand for, side by side; those that stand for nothing are left out.
pub(crate) fn facts(pairs: Vec<(&str, Option<Markup>)>) -> Markup {
    html! {
        dl.facts {
            @for (name, value) in pairs {
                @if let Some(value) = value { dt { (name) } dd { (value) } }
            }
        }
    }
}

/// A number that stands out, with what it counts and what to make of it.
pub(crate) fn tile(title: &str, figure: &str, more: &Markup) -> Markup {
    html! { div.tile { span.dim { (title) } b { (figure) } (more) } }
}

/// A text as it is, for reading and copying.
pub(crate) fn text_block(id: &str, label: &str, text: &str) -> Markup {
    html! {
        div.block {
            button.copy type="button" data-copy=(id) hidden { "Copy" }
            pre id=(id) tabindex="0" role="region" aria-label=(label) { (text) }
        }
    }
}

/// How long a text is once it is markup: some letters take six.
pub(crate) fn length_of(text: &str) -> usize {
    text.chars().map(length_as_markup).sum()
}

const fn length_as_markup(letter: char) -> usize {
    match letter {
        '&' => 5,
        '<' | '>' => 4,
        '"' => 6,
        letter => letter.len_utf8(),
    }
}

/// As much of a text as makes so many bytes of markup.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    let mut length = 0;
    let over = text.char_indices().find(|(_, letter)| {
        length += length_as_markup(*letter);
        length > most
    });
    over.map_or(text, |(at, _)| &text[..at])
}

/// A sentence of ours, with what stands between backticks as what is typed.
pub(crate) fn words(text: &str) -> Markup {
    // An odd one stands for itself.
    let typed = |index: usize| index % 2 == 1 && text.matches('`').count() > index;
    html! {
        @for (index, part) in text.split('`').enumerate() {
            @if typed(index) { code { (part) } } @else { @if index > 0 && !typed(index - 1) { "`" } (part) }
        }
    }
}

/// What was just done. The words are ours: the address only says which of them.
pub(crate) fn done(code: Option<&str>, count: Option<u64>) -> Markup {
    let said = code.and_then(|code| DONE.iter().find(|(known, _)| *known == code)).map(|(_, said)| *said);
    html! {
        @if let Some(said) = said {
            p.said role="status" { @if let Some(count) = count { strong { (tag::number(count)) } " " } (said) }
        }
    }
}

const DONE: [(&str, &str); 16] = [
    ("paused", "Paused: what it is owed waits here until it is resumed."),
    ("resumed", "Resumed: what was held goes first."),
    ("disabled", "Disabled: what it is owed waits here until it is resumed."),
    ("retried", "dead letters are on their way again."),
    ("retried_some", "dead letters are on their way again. There are more: try those again too."),
    ("reverified", "requests were accepted by the secrets of now."),
    ("saved", "Saved, and in force at once."),
    ("revoked", "Revoked: it opens nothing any more, from now on."),
    ("forgotten", "Forgotten: it is learned anew from what comes now."),
    ("removed", "Removed. Its events stay."),
    ("made", "Made. It takes requests from now on."),
    ("verified", "Its sender is chosen: from now on only what that sender signed is accepted."),
    ("works", "The source accepts the credentials of this connection."),
    ("replayed", "The event is delivered again along the routes of now."),
    ("again", "The delivery is tried again from the start."),
    ("cancelled", "Cancelled: it is not tried any more."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_by_what_it_takes_on_a_page() {
        for (text, most, left) in
            [("abc", 3, "abc"), ("abcd", 3, "abc"), ("a\"b", 6, "a"), ("<<", 4, "<"), ("é&é", 7, "é&")]
        {
            assert_eq!(cut(text, most), left, "{text}");
            assert!(length_of(left) <= most && html! { (left) }.into_string().len() == length_of(left));
        }
    }

    #[test]
    fn what_is_typed_is_told_from_words_and_nothing_is_markup() {
        for (text, markup) in [
            ("no code", "no code"),
            ("see `a <b>` and `c`.", "see <code>a &lt;b&gt;</code> and <code>c</code>."),
            ("`a`", "<code>a</code>"),
            ("an odd ` one <b>", "an odd ` one &lt;b&gt;"),
            ("`a` and ` one", "<code>a</code> and ` one"),
        ] {
            assert_eq!(words(text).into_string(), markup);
        }
    }
}
