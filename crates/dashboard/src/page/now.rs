//! Now: what needs attention first, then how much comes in, goes out and waits.

use std::collections::BTreeMap;

use axum::extract::State;
use domain::{DeliveryState, Timestamp};
use engine::access::Scope;
use maud::{Markup, html};
use store::watch::{Series, Step};

use crate::desk::Desk;
use crate::reply::{Page as Answer, Trouble};
use crate::session::Visitor;
use crate::view::{Ago, number, page};

/// Alerts on this page; all of them have a page of their own.
const ALERTS_MAX: u32 = 5;
/// An hour by the minute.
const BARS: usize = 60;

/// One series over the last hour.
struct Hour {
    /// Count and failed, by minute, the oldest first.
    minutes: [(u64, u64); BARS],
}

impl Hour {
    fn total(&self) -> u64 {
        self.minutes.iter().map(|(count, _)| count).sum()
    }

    fn failed(&self) -> u64 {
        self.minutes.iter().map(|(_, failed)| failed).sum()
    }
}

pub(crate) async fn show(State(desk): State<Desk>, visitor: Visitor) -> Answer {
    visitor.needs(Scope::Read)?;
    let (now, tenant) = (desk.now(), visitor.0.tenant.clone());
    let alerts = desk.store().alerts(tenant.clone(), true, ALERTS_MAX).await?;
    let events = hour(&desk, &visitor, Series::Events, now).await?;
    let attempts = hour(&desk, &visitor, Series::Attempts, now).await?;
    let rejected = hour(&desk, &visitor, Series::Rejected, now).await?;
    let backlog = desk.store().backlog().await?;
    let mut waiting: BTreeMap<_, (u64, u64, Option<Timestamp>)> = BTreeMap::new();
    for group in backlog.into_iter().filter(|group| group.tenant == tenant) {
        let (open, dead, oldest) = waiting.entry(group.destination).or_default();
        if group.state == DeliveryState::Dead {
            *dead += group.count;
        } else {
            *open += group.count;
            *oldest = (*oldest).into_iter().chain(group.oldest).min();
        }
    }
    let content = html! {
        h1 { "Now" }
        @for alert in &alerts {
            p.note { strong { (alert.object) } ": " (alert.detail) " (" (Ago { at: alert.opened_at, now }) ")" }
        }
        div.tiles {
            (tile("Events in an hour", &events, false))
            (tile("Tries of deliveries", &attempts, true))
            (tile("Rejected requests", &rejected, false))
        }
        h2 { "What waits" }
        @if waiting.is_empty() { p.dim { "Nothing: all that was accepted is where it belongs." } }
        @else {
            div.scroll { table {
                thead { tr { th scope="col" { "Destination" } th scope="col" { "Waiting" } th scope="col" { "Oldest" } th scope="col" { "Dead letters" } } }
                tbody { @for (destination, (open, dead, oldest)) in &waiting { tr {
                    td { (destination) }
                    td { (number(*open)) }
                    td { @if let Some(at) = oldest { (Ago { at: *at, now }) } }
                    td { @if *dead > 0 { span.tag.bad { (number(*dead)) } } @else { "0" } }
                } } }
            } }
        }
    };
    Ok(page(&visitor, "/", "Now", &content))
}

async fn hour(desk: &Desk, visitor: &Visitor, series: Series, now: Timestamp) -> Result<Hour, Trouble> {
    let minute = Step::Minute.length();
    let first = Step::Minute.floor(now) - minute * (BARS as u32 - 1);
    let figures = desk.store().figures(visitor.0.tenant.clone(), series, Step::Minute, first).await?;
    let mut minutes = [(0, 0); BARS];
    for (at, figure) in figures {
        let index = usize::try_from(at.since(first).as_secs() / minute.as_secs()).unwrap_or(BARS);
        if let Some((count, failed)) = minutes.get_mut(index) {
            *count += figure.count;
            *failed += figure.failed;
        }
    }
    Ok(Hour { minutes })
}

fn tile(title: &str, hour: &Hour, with_failures: bool) -> Markup {
    html! {
        div.tile {
            span.dim { (title) }
            b { (number(hour.total())) }
            @if with_failures && hour.total() > 0 {
                span.dim { (format!("{:.1} % failed", hour.failed() as f64 * 100.0 / hour.total() as f64)) }
            }
            (chart(title, hour))
        }
    }
}

/// Bars of an hour, the failed part in its own colour.
fn chart(title: &str, hour: &Hour) -> Markup {
    const HEIGHT: f64 = 40.0;
    let most = hour.minutes.iter().map(|(count, _)| *count).max().unwrap_or(0).max(1) as f64;
    let bar = |count: u64| if count == 0 { 0.0 } else { (count as f64 / most * HEIGHT).max(1.0) };
    html! {
        svg.chart viewBox={ "0 0 " (BARS * 4) " " (HEIGHT) } preserveAspectRatio="none" role="img" {
            title { (title) ", by the minute of the last hour; the most was " (most) " a minute" }
            @for (index, (count, failed)) in hour.minutes.iter().enumerate() {
                @if *count > 0 {
                    rect x=(index * 4) y=(HEIGHT - bar(*count)) width="3" height=(bar(*count)) {}
                    rect.bad x=(index * 4) y=(HEIGHT - bar(*failed)) width="3" height=(bar(*failed)) {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_chart_tells_how_much_and_how_much_of_it_failed() {
        let mut minutes = [(0, 0); BARS];
        minutes[3] = (8, 2);
        let hour = Hour { minutes };
        assert_eq!((hour.total(), hour.failed()), (8, 2));
        let svg = chart("Tries", &hour).into_string();
        assert!(svg.contains("the most was 8 a minute"), "{svg}");
        assert_eq!(svg.matches("<rect").count(), 2, "{svg}");
        assert_eq!(Duration::from_secs(60), Step::Minute.length());
    }
}
