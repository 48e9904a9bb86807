//! A table that becomes a list of cards where the window is narrow: every cell knows the heading that it stands under.

use maud::{Markup, html};

/// `caption` is heard, not seen: the heading before the table says the same.
pub(crate) fn table(caption: &str, headings: &[&str], rows: impl IntoIterator<Item = Vec<Markup>>) -> Markup {
    html! {
        div.sheet { table {
            caption.out { (caption) }
            thead { tr { @for heading in headings {
                @if heading.is_empty() { td {} } @else { th scope="col" { (heading) } }
            } } }
            tbody { @for row in rows { tr {
                @for (heading, cell) in headings.iter().zip(row) { td data-label=(heading) { (cell) } }
            } } }
        } }
    }
}

/// A name, an id or a piece of a program in a cell.
pub(crate) fn mono(text: impl std::fmt::Display) -> Markup {
    html! { span.mono { (text.to_string()) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_knows_its_heading_and_holds_only_text() {
        let shown = table("Things", &["Name", "Size"], [vec![html! { ("<b>") }, mono(3)]]).into_string();
        assert!(shown.contains(r#"<td data-label="Name">&lt;b&gt;</td>"#), "{shown}");
        assert!(shown.contains(r#"<td data-label="Size"><span class="mono">3</span></td>"#), "{shown}");
    }
}
