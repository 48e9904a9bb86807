//! The pages, one file each: what it shows is asked of the store, what it does is asked of the engine.

pub(crate) mod alerts;
pub(crate) mod ask;
pub(crate) mod audit;
pub(crate) mod dead_letters;
pub(crate) mod deliveries;
pub(crate) mod destination;
pub(crate) mod destinations;
pub(crate) mod endpoint;
pub(crate) mod event;
pub(crate) mod events;
mod in_charge;
pub(crate) mod keys;
pub(crate) mod login;
pub(crate) mod now;
pub(crate) mod request;
pub(crate) mod requests;
pub(crate) mod route;
pub(crate) mod routes;
pub(crate) mod runs;
pub(crate) mod schemas;
pub(crate) mod source;
pub(crate) mod sources;
pub(crate) mod tryout;

use maud::{Markup, html};

use crate::figures::Span;

/// Which span the charts of a page are of.
pub(crate) fn spans(path: &str, chosen: Span) -> Markup {
    html! {
        nav.spans aria-label="Span of the charts" {
            @for span in Span::ALL {
                a href={ (path) "?span=" (span.as_str()) } aria-current=[(span == chosen).then_some("true")] { (span.as_str()) }
            }
        }
    }
}
