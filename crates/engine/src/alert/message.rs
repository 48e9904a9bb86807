//! Messages: what people read of a cause, whichever way it reaches them: what happened, where, since when, what to do
//! next, and where to look.

use domain::alert::rule::standard_of;
use domain::alert::tell::Stage;
use domain::alert::{Severity, cause_of};
use domain::{NoticeId, Tenant, Timestamp};
use store::notices::Notice;
use store::registry::Alert;

use super::channel::cut;

/// Other alerts of the same cause that are named.
const OTHERS_MAX: usize = 5;
/// Longest detail: what an answer said may be part of it.
const DETAIL_CHARS_MAX: usize = 1_000;
/// Causes that are named where one message tells of many, and how much is said of each.
const NAMED_MAX: usize = 10;
const WHAT_CHARS_MAX: usize = 200;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The same for every try.
    pub id: String,
    /// The same for all messages of one cause.
    pub key: String,
    /// The same, of letters and digits alone.
    pub thread: String,
    pub stage: Stage,
    pub severity: Severity,
    pub kind: String,
    pub object: String,
    /// Which gateway speaks.
    pub source: String,
    pub title: String,
    /// Names and values, in the order in which they are read.
    pub facts: Vec<(String, String)>,
    pub link: Option<String>,
    /// When that which it tells of happened.
    pub at: Timestamp,
}

impl Message {
    /// The facts as lines, and where to look.
    #[must_use]
    pub fn text(&self) -> String {
        let lines = self.facts.iter().map(|(name, value)| format!("{name}: {value}"));
        let link = self.link.iter().map(|link| format!("Dashboard: {link}"));
        lines.chain(link).collect::<Vec<_>>().join("\n")
    }
}

/// What messages are made with.
pub(super) struct Words<'w> {
    pub tenant: &'w Tenant,
    /// Without a slash at its end.
    pub public_url: Option<&'w str>,
}

impl Words<'_> {
    /// What is told of a cause. The worst of its alerts that is open speaks for it.
    pub fn of_cause(&self, id: NoticeId, stage: Stage, alerts: &[(Severity, &Alert)]) -> Option<Message> {
        let open = |alert: &Alert| alert.resolved_at.is_none();
        let lead = alerts.iter().max_by_key(|(severity, alert)| {
            (open(alert), *severity, std::cmp::Reverse(alert.opened_at), std::cmp::Reverse(alert.id.uuid()))
        })?;
        let (_, alert) = *lead;
        let severity = alerts.iter().map(|(severity, _)| *severity).max().unwrap_or(Severity::Info);
        let first = alerts.iter().map(|(_, alert)| *alert).min_by_key(|alert| (alert.opened_at, alert.id.uuid()))?;
        let count: u64 = alerts.iter().map(|(_, alert)| alert.count).sum();
        let mut facts = vec![("What".to_owned(), line(&alert.detail))];
        facts.push(("Where".to_owned(), self.whose(&alert.object)));
        facts.push(("Since".to_owned(), shown(first.opened_at)));
        if count > 1 {
            facts.push(("Times".to_owned(), count.to_string()));
        }
        facts.extend(self.others(alert, alerts));
        facts.extend(self.ending(stage, alerts, alert));
        let link = self.public_url.map(|url| format!("{url}/alerts"));
        let key = format!("{}/{}", self.tenant, cause_of(&alert.kind, &alert.object));
        Some(Message {
            id: id.to_string(),
            key,
            thread: first.id.to_string(),
            stage,
            severity,
            kind: alert.kind.to_string(),
            object: alert.object.to_string(),
            source: self.source(),
            title: title(stage, severity, alert),
            facts,
            link,
            at: if stage == Stage::Resolved { alert.resolved_at.unwrap_or(alert.last_at) } else { alert.last_at },
        })
    }

    /// What is told of a cause whose alerts are not kept any more.
    pub fn bare(&self, notice: &Notice) -> Message {
        let (kind, object) = notice.cause.split_once('/').unwrap_or((&notice.cause, ""));
        let what = format!("{} at {object}", kind.replace('_', " "));
        Message {
            id: notice.id.to_string(),
            key: format!("{}/{}", self.tenant, notice.cause),
            thread: notice.alert.map_or_else(|| notice.id.to_string(), |alert| alert.to_string()),
            stage: notice.stage,
            severity: notice.severity,
            kind: kind.to_owned(),
            object: object.to_owned(),
            source: self.source(),
            title: titled(notice.stage, notice.severity, &what),
            facts: vec![("Where".to_owned(), self.whose(object))],
            link: self.public_url.map(|url| format!("{url}/alerts")),
            at: notice.made_at,
        }
    }

    /// What is told of many causes at once: the worst are named.
    pub fn of_many(&self, id: String, stage: Stage, mut causes: Vec<Message>) -> Message {
        causes.sort_by_key(|cause| (std::cmp::Reverse(cause.severity), cause.at));
        let severity = causes.first().map_or(Severity::Info, |worst| worst.severity);
        let count = causes.len();
        let named = causes.iter().take(NAMED_MAX).map(|cause| {
            let what = cause.facts.first().map(|(_, what)| cut(what, WHAT_CHARS_MAX)).unwrap_or_default();
            (capital(cause.severity.as_str()), format!("{} at {}: {what}", cause.kind.replace('_', " "), cause.object))
        });
        let mut facts: Vec<(String, String)> = named.collect();
        if count > NAMED_MAX {
            facts.push(("More".to_owned(), format!("{} others; the dashboard has all of them", count - NAMED_MAX)));
        }
        Message {
            key: format!("{}/{id}", self.tenant),
            thread: id.clone(),
            id,
            stage,
            severity,
            kind: "many".to_owned(),
            object: self.tenant.to_string(),
            source: self.source(),
            title: titled(stage, severity, &format!("{count} troubles at once")),
            facts,
            link: self.public_url.map(|url| format!("{url}/alerts")),
            at: causes.iter().map(|cause| cause.at).max().unwrap_or(Timestamp::EPOCH),
        }
    }

    pub fn source(&self) -> String {
        self.public_url.map_or_else(|| "trireme".to_owned(), str::to_owned)
    }

    fn whose(&self, object: &str) -> String {
        if *self.tenant == Tenant::default_tenant() {
            object.to_owned()
        } else {
            format!("{object} of {}", self.tenant)
        }
    }

    /// What the same trouble raised beside the one that speaks.
    fn others(&self, lead: &Alert, alerts: &[(Severity, &Alert)]) -> Option<(String, String)> {
        let others = alerts.iter().filter(|(_, alert)| alert.id != lead.id && alert.resolved_at.is_none());
        let names: Vec<String> =
            others.map(|(_, alert)| format!("{} ({})", alert.kind.replace('_', " "), alert.object)).collect();
        let more = names.len().saturating_sub(OTHERS_MAX);
        let mut text = names.iter().take(OTHERS_MAX).cloned().collect::<Vec<_>>().join(", ");
        if more > 0 {
            text.push_str(&format!(", and {more} more"));
        }
        (!names.is_empty()).then(|| ("Also".to_owned(), text))
    }

    /// What to do next, or who has done it.
    fn ending(&self, stage: Stage, alerts: &[(Severity, &Alert)], lead: &Alert) -> Option<(String, String)> {
        match stage {
            Stage::Opened | Stage::Worse => {
                standard_of(&lead.kind).map(|rule| ("Next".to_owned(), rule.advice.to_owned()))
            }
            Stage::Acknowledged => {
                let by = alerts.iter().find_map(|(_, alert)| alert.acknowledged_by.as_deref());
                by.map(|by| ("Acknowledged by".to_owned(), by.to_owned()))
            }
            Stage::Resolved => {
                let at = alerts.iter().filter_map(|(_, alert)| alert.resolved_at).max()?;
                let by = alerts.iter().find_map(|(_, alert)| alert.resolved_by.as_deref());
                let by = by.map_or_else(|| "by itself".to_owned(), |by| format!("by {by}"));
                Some(("Resolved".to_owned(), format!("{} {by}", shown(at))))
            }
            Stage::Digest => None,
        }
    }

    /// What `alert test` sends: nothing has happened.
    pub fn test(&self, id: NoticeId, stage: Stage, now: Timestamp) -> Message {
        Message {
            id: id.to_string(),
            key: format!("{}/test/{id}", self.tenant),
            thread: id.to_string(),
            stage,
            severity: Severity::Info,
            kind: "test".to_owned(),
            object: "channel".to_owned(),
            source: self.source(),
            title: "Test of an alert channel".to_owned(),
            facts: vec![
                ("What".to_owned(), "Somebody asked whether this channel works. It does.".to_owned()),
                ("Since".to_owned(), shown(now)),
            ],
            link: self.public_url.map(|url| format!("{url}/alerts")),
            at: now,
        }
    }
}

fn title(stage: Stage, severity: Severity, alert: &Alert) -> String {
    titled(stage, severity, &format!("{} at {}", alert.kind.replace('_', " "), alert.object))
}

fn titled(stage: Stage, severity: Severity, what: &str) -> String {
    match stage {
        Stage::Opened | Stage::Digest => format!("{}: {what}", capital(severity.as_str())),
        Stage::Worse => format!("Worse, {}: {what}", severity.as_str()),
        Stage::Acknowledged => format!("Acknowledged: {what}"),
        Stage::Resolved => format!("Resolved: {what}"),
    }
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// What a sender wrote may be part of it: it stays one line, so that it cannot pass for another fact.
fn line(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    cut(&text, DETAIL_CHARS_MAX)
}

/// A time to the second, as people read it.
pub(super) fn shown(at: Timestamp) -> String {
    Timestamp::from_secs(at.as_secs()).to_string().replace(".000000Z", "Z")
}

#[cfg(test)]
mod tests;
