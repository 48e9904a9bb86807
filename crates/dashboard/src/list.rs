//! Lists whose filter and place stand in the address: a page can be bookmarked, sent on and gone back to.

use std::time::Duration;

use maud::{Markup, html};
use store::read::{Page, Position};

use crate::session::percent;

/// Rows of a page.
pub(crate) const ROWS: u32 = 50;

/// Time that a page may scan for what has no index; `Search on` continues.
const SCAN: Duration = Duration::from_millis(500);

/// An address with the parameters that are set.
pub(crate) fn address(path: &str, parameters: &[(&str, Option<&str>)]) -> String {
    let set = parameters.iter().filter_map(|(name, value)| Some((name, (*value)?)));
    let pairs: Vec<String> =
        set.filter(|(_, value)| !value.is_empty()).map(|(name, value)| format!("{name}={}", percent(value))).collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

/// What one page of a list reads.
pub(crate) fn page_after(after: Option<&str>) -> Page {
    Page { limit: ROWS, after: after.map(|after| Position(after.to_owned())), scan: SCAN }
}

/// Named things in the order of their names: those of one page, and the name that the next begins after.
pub(crate) fn by_name<T>(mut all: Vec<(String, T)>, after: Option<&str>) -> (Vec<(String, T)>, Option<Position>) {
    all.sort_by(|(one, _), (other, _)| one.cmp(other));
    let after = after.unwrap_or_default();
    let mut rest = all.into_iter().filter(|(name, _)| name.as_str() > after);
    let page: Vec<_> = rest.by_ref().take(ROWS as usize).collect();
    let more = rest.next().is_some();
    let next = page.last().filter(|_| more).map(|(name, _)| Position(name.clone()));
    (page, next)
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
                a.button href=(address(path, &all)) rel="next" data-search-on[unfinished] {
                    @if unfinished { "Search on" } @else { "More" }
                }
                @if unfinished { span.dim { "The search ran out of its time here; what is newer was looked through." } }
            }
        }
    }
}

/// An empty field of a form is one that says nothing.
pub(crate) fn said(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
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

    #[test]
    fn named_things_are_gone_through_once_each() {
        let all = || (0..120).map(|index| (format!("n{index:03}"), index)).rev().collect::<Vec<_>>();
        let (mut after, mut seen) = (None::<String>, Vec::new());
        loop {
            let (page, next) = by_name(all(), after.as_deref());
            assert!(page.len() <= ROWS as usize);
            seen.extend(page.into_iter().map(|(_, index)| index));
            let Some(Position(next)) = next else { break };
            after = Some(next);
        }
        assert_eq!(seen, (0..120).collect::<Vec<_>>());
    }
}
