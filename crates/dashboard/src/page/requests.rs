//! Requests as received: above all those that were rejected, why, and judging them again.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use axum::extract::State;
use axum::response::{Redirect, Response};
use domain::request::{Verdict, masked_url};
use domain::{RequestId, Timestamp};
use engine::EngineError;
use engine::access::Scope;
use maud::{Markup, html};
use serde::Deserialize;
use store::intake::KeptRequest;
use store::read::{PAGE_MAX, Page, RequestFilter};

use crate::desk::Desk;
use crate::extract::{Form, Query};
use crate::list::{address, page_after, pager, said};
use crate::part::form::{Weight, button, choice, field};
use crate::part::tag::{self, number};
use crate::part::time::Ago;
use crate::part::{self, table};
use crate::reply::{Page as Answer, Trouble};
use crate::session::Visitor;
use crate::view::page;
use crate::written::told;

/// Requests that are looked at to say which reasons there are.
const GROUPED_MAX: u32 = 500;
/// Requests that one wish gets accepted. Those that stay rejected do not count, so that what is behind them has its turn.
const ACCEPTED_MAX: u64 = 200;
/// Requests that one wish judges again, the oldest of them; as many ids are in memory.
const JUDGED_MAX: usize = 10_000;
/// How long one wish goes on: each request may need a key fetched.
const JUDGED_FOR: Duration = Duration::from_secs(20);

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Which {
    /// Empty: rejected ones; `all`: whatever the verdict.
    #[serde(default)]
    verdict: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    reason: String,
    after: Option<String>,
    done: Option<String>,
    count: Option<u64>,
}

impl Which {
    fn verdict(&self) -> Result<Option<Verdict>, Trouble> {
        match said(&self.verdict) {
            None => Ok(Some(Verdict::Rejected)),
            Some("all") => Ok(None),
            Some(text) => match Verdict::parse(text) {
                Some(verdict) => Ok(Some(verdict)),
                None => Err(Trouble::wrong("A verdict is accepted, rejected or pending.")),
            },
        }
    }

    fn filter(&self) -> Result<RequestFilter, Trouble> {
        let source = said(&self.source).map(str::parse).transpose();
        Ok(RequestFilter {
            verdict: self.verdict()?,
            source: source.map_err(|error| Trouble::wrong(format!("source: {error}")))?,
            reason: said(&self.reason).map(str::to_owned),
        })
    }

    fn parameters(&self) -> [(&'static str, Option<&str>); 3] {
        [("verdict", Some(&self.verdict)), ("source", Some(&self.source)), ("reason", Some(&self.reason))]
    }
}

pub(crate) async fn show(State(desk): State<Desk>, visitor: Visitor, Query(which): Query<Which>) -> Answer {
    visitor.needs(Scope::Read)?;
    let (tenant, now, filter) = (visitor.tenant(), desk.now(), which.filter()?);
    let list = desk.store().requests(tenant.clone(), filter.clone(), page_after(which.after.as_deref())).await?;
    let reasons = match filter.verdict {
        Some(Verdict::Rejected) => reasons(&desk, &visitor, RequestFilter { reason: None, ..filter }).await?,
        _ => BTreeMap::new(),
    };
    let content = html! {
        h1 { "Requests" }
        (part::done(which.done.as_deref(), which.count))
        (filters(&which)?)
        @if !reasons.is_empty() { (grouped(&visitor, &reasons, now)) }
        @if list.rows.is_empty() { (none(&which)?) }
        @else {
            h2 { "One by one" }
            (table::table("Requests", &["Received", "Source", "Verdict", "Asked", "From"], list.rows.iter().map(|kept| row(&desk.engine.shown(kept.clone()), now))))
        }
        (pager("/requests", &which.parameters(), list.next.as_ref(), list.searched_until.is_some()))
    };
    Ok(page(&visitor, "/requests", "Requests", &content))
}

fn none(which: &Which) -> Result<Markup, Trouble> {
    Ok(match which.verdict()? {
        Some(Verdict::Rejected) => part::empty(
            "Nothing was rejected",
            &html! { p { "A request that its source's recipe does not verify is kept here, with the reason, and can be judged again once that is put right." } },
        ),
        _ => part::empty("No such requests", &html! { p { a href="/requests" { "See those that were rejected" } } }),
    })
}

fn filters(which: &Which) -> Result<Markup, Trouble> {
    let option = |value: &str, shown: &str| (value.to_owned(), shown.to_owned());
    let verdicts = [
        option("rejected", "rejected"),
        option("pending", "pending"),
        option("accepted", "accepted"),
        option("all", "all"),
    ];
    let chosen = which.verdict()?.map_or("all", Verdict::as_str);
    Ok(html! {
        form.filters method="get" action="/requests" role="search" {
            (choice("Verdict", "verdict", &verdicts, chosen))
            (field("Source", "source", &which.source, "github"))
            (field("Reason", "reason", &which.reason, "signature_mismatch"))
            button type="submit" { "Filter" }
        }
        p.dim { "An accepted request is its event, unless it held several: see " a href="/events" { "Events" } "." }
    })
}

/// Requests of one source that were rejected for one reason.
struct Group {
    count: u64,
    last_at: Timestamp,
    detail: String,
}

type Groups = BTreeMap<(String, String), Group>;

async fn reasons(desk: &Desk, visitor: &Visitor, filter: RequestFilter) -> Result<Groups, Trouble> {
    let mut groups = Groups::new();
    let listed = desk.store().requests(visitor.tenant().clone(), filter, Page::first(GROUPED_MAX)).await?;
    for kept in listed.rows {
        let Some(reason) = kept.reason else { continue };
        let key = (kept.request.source.to_string(), reason.code.to_string());
        let last_at = kept.request.received_at;
        let group = groups.entry(key).or_insert(Group { count: 0, last_at, detail: reason.detail });
        group.count += 1;
    }
    Ok(groups)
}

fn grouped(visitor: &Visitor, groups: &Groups, now: Timestamp) -> Markup {
    let row = |((source, reason), group): (&(String, String), &Group)| {
        let same = [("source", Some(source.as_str())), ("reason", Some(reason.as_str()))];
        vec![
            html! { a href=(address("/requests", &same)) { strong { (reason.replace('_', " ")) } } div.dim { (group.detail) } },
            html! { a href={ "/sources/" (source) } { (source) } },
            html! { (number(group.count)) },
            html! { (Ago { at: group.last_at, now }) },
            html! {
                @if visitor.may(Scope::Operate) {
                    (button("/requests/reverify", "Judge again", &[("source", source), ("reason", reason)], Weight::Plain))
                }
            },
        ]
    };
    html! {
        h2 { "Why" }
        (table::table("Reasons", &["Reason", "Source", "Requests", "Last", ""], groups.iter().map(row)))
        p.dim { "Of the newest " (GROUPED_MAX) "." }
    }
}

fn row(kept: &KeptRequest, now: Timestamp) -> Vec<Markup> {
    let request = &kept.request;
    vec![
        html! { a href={ "/requests/" (request.id) } { (Ago { at: request.received_at, now }) } },
        html! { (request.source) @if !request.connection.is_empty() { div.dim { (request.connection) } } },
        html! { (tag::verdict(kept.verdict)) @if let Some(reason) = &kept.reason { div.dim { (reason.code.replace('_', " ")) } } },
        html! { span.mono.small { (request.method) " " (path_of(&masked_url(&request.url))) } },
        html! { span.mono.small { (request.remote) } },
    ]
}

/// What comes after the host: all requests of a list came to the same.
fn path_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').map_or("/", |at| &rest[at..])
}

#[derive(Deserialize)]
pub(crate) struct Chosen {
    source: String,
    reason: String,
}

/// Judges the requests of a group again, the oldest first: what is accepted leaves at once, in the order in which it came in.
pub(crate) async fn reverify(
    State(desk): State<Desk>,
    visitor: Visitor,
    Form(Chosen { source, reason }): Form<Chosen>,
) -> Result<Response, Trouble> {
    visitor.needs(Scope::Operate)?;
    let which = Which { source, reason, ..Which::default() };
    let (tenant, filter) = (visitor.tenant(), which.filter()?);
    let (mut count, until) = (0, desk.now() + JUDGED_FOR);
    for id in oldest(&desk, &visitor, filter).await? {
        if count == ACCEPTED_MAX || desk.now() > until {
            break;
        }
        match desk.engine.reverify(tenant.clone(), id).await {
            Ok(judged) => count += u64::from(judged.verdict == Verdict::Accepted),
            // It was accepted meanwhile, or kept without its body: the others can still be judged.
            Err(EngineError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let count = count.to_string();
    let done = [("source", Some(which.source.as_str())), ("done", Some("reverified")), ("count", Some(count.as_str()))];
    let detail = format!("{count} of source/{} reason/{}", which.source, which.reason);
    Ok(told(None, detail, Redirect::to(&address("/requests", &done))))
}

/// The ids of the oldest that match, oldest first. The list comes newest first, so that it is read to its end.
async fn oldest(desk: &Desk, visitor: &Visitor, filter: RequestFilter) -> Result<VecDeque<RequestId>, Trouble> {
    let (mut oldest, mut page) = (VecDeque::new(), Page::first(PAGE_MAX));
    loop {
        let listed = desk.store().requests(visitor.tenant().clone(), filter.clone(), page.clone()).await?;
        for kept in listed.rows {
            oldest.push_front(kept.request.id);
            oldest.truncate(JUDGED_MAX);
        }
        page.after = listed.next;
        if page.after.is_none() {
            return Ok(oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_from_its_path_on() {
        for (url, path) in [("https://h.example/in/x?a=b", "/in/x?a=b"), ("https://h.example", "/"), ("/in/x", "/in/x")]
        {
            assert_eq!(path_of(url), path);
        }
    }
}
