//! Lists whose filter and place stand in the address: a page can be bookmarked, sent on and gone back to.

use maud::{Markup, html};
use store::read::Position;

use crate::session::percent;

/// Rows of a page.
pub(crate) const ROWS: u32 = 50;

/// An address with the parameters that are set.
pub(crate) fn address(path: &str, parameters: &[(&str, Option<&str>)]) -> String {
    let set = parameters.iter().filter_map(|(name, value)| Some((name, (*value)?)));
    let pairs: Vec<String> =
        set.filter(|(_, value)| !value.is_empty()).map(|(name, value)| format!("{name}={}", percent(value))).collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

/// The way on, and what is said when a search ran out of its time.
pub(crate) fn pager(
    path: &str,
    parameters: &[(&str, Option<&str>)],
    next: Option<&Position>,
    unfinished: bool,
) -> Markup {
    html! {
        @if let Some(Position(after)) = next {
            @let all = [parameters, &[("after", Some(after.as_str()))]].concat();
            p.pager {
                a.button href=(address(path, &all)) rel="next" { @if unfinished { "Search on" } @else { "Older" } }
                @if unfinished { span.dim { "The search ran out of its time here; what is newer was looked through." } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_set_stands_in_the_address() {
        assert_eq!(address("/events", &[("q", None), ("type", Some(""))]), "/events");
        assert_eq!(
            address("/events", &[("q", Some("a b&c")), ("type", Some("push"))]),
            "/events?q=a%20b%26c&type=push"
        );
    }
}
