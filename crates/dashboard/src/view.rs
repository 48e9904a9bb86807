//! The frame around every page.

use maud::{DOCTYPE, Markup, html};

use crate::asset::{SCRIPT, STYLE};
use crate::session::Visitor;

/// Every page that the navigation leads to: address and name.
const PAGES: [(&str, &str); 11] = [
    ("/", "Now"),
    ("/events", "Events"),
    ("/sources", "Sources"),
    ("/routes", "Routes"),
    ("/destinations", "Destinations"),
    ("/dead-letters", "Dead letters"),
    ("/requests", "Requests"),
    ("/schemas", "Schemas"),
    ("/alerts", "Alerts"),
    ("/keys", "Keys"),
    ("/audit", "Audit"),
];

/// A page for someone who is known.
pub(crate) fn page(visitor: &Visitor, at: &str, title: &str, content: &Markup) -> Markup {
    let navigation = html! {
        nav aria-label="Pages" {
            @for (path, name) in PAGES {
                a href=(path) aria-current=[(path == at).then_some("page")] { (name) }
            }
        }
        form.leave method="post" action="/logout" {
            span.dim.mono title="The key you came in with" { (visitor.0.key) }
            button.quiet type="submit" { "Leave" }
        }
    };
    frame(title, Some(&navigation), content)
}

/// A page for anyone.
pub(crate) fn bare(title: &str, content: &Markup) -> Markup {
    frame(title, None, content)
}

/// The way back up, for pages that the navigation does not lead to.
pub(crate) fn crumbs(path: &str, name: &str) -> Markup {
    html! { p.crumbs { a href=(path) { "← " (name) } } }
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
