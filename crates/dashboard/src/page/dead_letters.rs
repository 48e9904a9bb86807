//! Dead letters, grouped by what they died of; and trying a group again, after a look at what that would do.

use axum::extract::State;
use axum::response::{Redirect, Response};
use domain::{DeliveryState, Timestamp};
use engine::access::Scope;
use engine::dead_letters::{DeadGroup, DeadGroups};
use maud::{Markup, html};
use serde::Deserialize;
use store::read::DeliveryFilter;

use super::destination::deliveries;
use super::destinations::{state, status_of};
use super::in_charge::{self, Live};
use crate::desk::Desk;
use crate::extract::{Form, Query};
use crate::list::{address, page_after, pager, said};
use crate::part::form::field;
use crate::part::tag::{self, Tone, number};
use crate::part::time::Ago;
use crate::part::{self, table};
use crate::reply::{Page as Answer, Trouble};
use crate::session::Visitor;
use crate::view::{crumbs, page};
use crate::written::told;

/// Groups of one page; beyond so many causes a filter helps more.
const GROUPS_MAX: usize = 60;
/// Of what the newest of a group died of.
const DETAIL_CHARS_MAX: usize = 300;

/// Which dead letters: the same words in the address and in the forms.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Which {
    #[serde(default)]
    destination: String,
    #[serde(default)]
    route: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    cause: String,
    /// Made before; a plan counts what there was when it was made.
    #[serde(default)]
    until: String,
    after: Option<String>,
    done: Option<String>,
    count: Option<u64>,
}

impl Which {
    /// Which ones, for the log.
    fn told(&self) -> String {
        let by = [
            ("destination", &self.destination),
            ("route", &self.route),
            ("source", &self.source),
            ("cause", &self.cause),
        ];
        let chosen: Vec<String> =
            by.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| format!("{name}/{value}")).collect();
        if chosen.is_empty() { String::new() } else { format!(" of {}", chosen.join(" ")) }
    }

    fn filter(&self) -> Result<DeliveryFilter, Trouble> {
        fn read<T: std::str::FromStr<Err: std::fmt::Display>>(what: &str, text: &str) -> Result<Option<T>, Trouble> {
            let read = said(text).map(str::parse).transpose();
            read.map_err(|error| Trouble::wrong(format!("{what}: {error}")))
        }
        Ok(DeliveryFilter {
            state: Some(DeliveryState::Dead),
            destination: read("destination", &self.destination)?,
            route: read("route", &self.route)?,
            source: read("source", &self.source)?,
            cause: said(&self.cause).map(str::to_owned),
            until: read("until", &self.until)?,
            ..DeliveryFilter::default()
        })
    }

    fn parameters(&self) -> [(&'static str, Option<&str>); 4] {
        [
            ("destination", Some(&self.destination)),
            ("route", Some(&self.route)),
            ("source", Some(&self.source)),
            ("cause", Some(&self.cause)),
        ]
    }

    fn is_narrowed(&self) -> bool {
        self.parameters().iter().any(|(_, value)| value.is_some_and(|value| said(value).is_some()))
    }
}

pub(crate) async fn show(State(desk): State<Desk>, visitor: Visitor, Query(which): Query<Which>) -> Answer {
    visitor.needs(Scope::Read)?;
    let (tenant, now) = (visitor.tenant(), desk.now());
    let filter = which.filter()?;
    let dead = desk.engine.dead_groups(tenant.clone(), filter.clone()).await?;
    // Single ones are shown once somebody looks for something.
    let one_by_one = which.is_narrowed() || which.after.is_some();
    let list = match one_by_one {
        true => Some(desk.store().deliveries(tenant.clone(), filter, page_after(which.after.as_deref())).await?),
        false => None,
    };
    let content = html! {
        h1 { "Dead letters" }
        (part::done(which.done.as_deref(), which.count))
        @if which.is_narrowed() || dead.count > 0 { (filters(&which)) }
        @if dead.count == 0 { (none(&which)) }
        @else {
            p { strong { (number(dead.count)) } @if !dead.exact { " or more" } " deliveries used up their tries. "
                @if visitor.may(Scope::Operate) { a.button href=(address("/dead-letters/plan", &which.parameters())) { "Try all of these again…" } }
            }
            (grouped(&visitor, &dead, now))
        }
        @if let Some(list) = &list {
            @if !list.rows.is_empty() { h2 { "One by one" } (deliveries(&list.rows, now)) }
            (pager("/dead-letters", &which.parameters(), list.next.as_ref(), list.searched_until.is_some()))
        }
    };
    Ok(page(&visitor, "/dead-letters", "Dead letters", &content))
}

fn none(which: &Which) -> Markup {
    if which.is_narrowed() {
        return part::empty("None of these", &html! { p { a href="/dead-letters" { "See all dead letters" } } });
    }
    part::empty(
        "No dead letters",
        &html! { p { "A delivery whose tries are used up comes here, with all that is known of why." } },
    )
}

fn filters(which: &Which) -> Markup {
    html! {
        form.filters method="get" action="/dead-letters" role="search" {
            (field("Destination", "destination", &which.destination, "app"))
            (field("Route", "route", &which.route, "github-app"))
            (field("Source", "source", &which.source, "github"))
            (field("Cause", "cause", &which.cause, "refused"))
            button type="submit" { "Filter" }
            @if which.is_narrowed() { a.button href="/dead-letters" { "Clear" } }
        }
    }
}

fn grouped(visitor: &Visitor, dead: &DeadGroups, now: Timestamp) -> Markup {
    let row = |group: &DeadGroup| {
        let same = [
            ("destination", Some(group.destination.as_str())),
            ("route", Some(group.route.as_str())),
            ("cause", Some(&*group.cause)),
        ];
        let detail: String = group.detail.chars().take(DETAIL_CHARS_MAX).collect();
        vec![
            html! {
                a href=(address("/dead-letters", &same)) { strong { @if group.cause.is_empty() { "unknown" } @else { (group.cause) } } }
                div.dim { (detail) }
            },
            html! { (tag::tag(Tone::Bad, &number(group.count))) },
            html! { a href={ "/routes/" (group.route) } { (group.route) } div { "to " a href={ "/destinations/" (group.destination) } { (group.destination) } } },
            html! {
                "last " (Ago { at: group.last_at, now })
                @if group.count > 1 { div.dim { "first " (Ago { at: group.first_at, now }) } }
                div { a href={ "/events/" (group.event) } { "Newest" } }
            },
            html! { @if visitor.may(Scope::Operate) { a.button href=(address("/dead-letters/plan", &same)) { "Try again…" } } },
        ]
    };
    html! {
        (table::table("Causes", &["Cause", "Dead letters", "Way", "When", ""], dead.groups.iter().take(GROUPS_MAX).map(row)))
        @if dead.groups.len() > GROUPS_MAX { p.dim { (dead.groups.len() - GROUPS_MAX) " more causes are not shown; a filter finds them." } }
    }
}

/// What trying again would do, before it is done.
pub(crate) async fn plan(State(desk): State<Desk>, visitor: Visitor, Query(which): Query<Which>) -> Answer {
    visitor.needs(Scope::Operate)?;
    let (tenant, now) = (visitor.tenant(), desk.now());
    let filter = DeliveryFilter { until: Some(now), ..which.filter()? };
    let dead = desk.engine.dead_groups(tenant.clone(), filter).await?;
    let statuses = desk.store().destination_statuses().await?;
    let mut names: Vec<_> = dead.groups.iter().map(|group| group.destination.clone()).collect();
    names.sort();
    names.dedup();
    let mut live = in_charge::live(&desk, tenant, names.iter()).await?;
    let mut rows = Vec::new();
    for name in names {
        let status = status_of(&statuses, tenant, &name);
        let live = live.remove(&name).unwrap_or(Live::Unused);
        let count: u64 = dead.groups.iter().filter(|group| group.destination == name).map(|group| group.count).sum();
        rows.push(vec![
            html! { a href={ "/destinations/" (name) } { (name) } },
            html! { (number(count)) },
            state(status),
            live.breaker(),
            html! {
                @if status.is_some() { "They wait until it is resumed." }
                @else { (live.then()) }
            },
        ]);
    }
    let back = address("/dead-letters", &which.parameters());
    let content = html! {
        (crumbs(&back, "Dead letters"))
        h1 { "Try " (number(dead.count)) @if !dead.exact { " or more" } " again" }
        @if dead.count == 0 { (none(&which)) }
        @else {
            p { "Each is prepared anew by its route as it is now, and its tries start over. A receiver that got it before sees the same " code { "webhook-id" } "." }
            (table::table("What it would do", &["Destination", "Deliveries", "State", "Breaker", "Then"], rows))
            form.row method="post" action="/dead-letters/retry" {
                @for (name, value) in which.parameters() { input type="hidden" name=(name) value=[value]; }
                input type="hidden" name="until" value=(now);
                button.main type="submit" { "Try them again" }
                a.button href=(back) { "Leave them" }
            }
        }
    };
    Ok(page(&visitor, "/dead-letters", "Try again", &content))
}

pub(crate) async fn retry(
    State(desk): State<Desk>,
    visitor: Visitor,
    Form(which): Form<Which>,
) -> Result<Response, Trouble> {
    visitor.needs(Scope::Operate)?;
    let retried = desk.engine.retry_dead(visitor.tenant().clone(), which.filter()?).await?;
    let count = retried.count.to_string();
    let code = if retried.more { "retried_some" } else { "retried" };
    let done = [("done", Some(code)), ("count", Some(count.as_str()))];
    Ok(told(None, format!("{count}{}", which.told()), Redirect::to(&address("/dead-letters", &done))))
}
