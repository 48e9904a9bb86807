//! `alerts`: channels, rules, quiet hours and the digest.

mod channel;
mod rules;

use std::time::Duration;

use domain::ChannelName;
use domain::alert::calendar::{TimeZone, Weekday, zone};
use domain::alert::tell::CALM;
use domain::alert::{DigestTime, Every, QuietHours, TimeOfDay};

use super::Context;
use super::reader::{At, Fields};
use crate::spec::{AlertingSpec, ChannelSpec, DigestSpec, Way};

/// Channels of one tenant: each cause is one message to each of them.
const CHANNELS_MAX: usize = 50;
/// Longer, and a cause of last week would swallow that of today.
const CALM_MAX: Duration = Duration::from_secs(24 * 60 * 60);

const DAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];

/// Reads what a tenant says about its alerts.
#[must_use]
pub fn alerting(at: &At<'_>, context: &Context) -> Option<AlertingSpec> {
    let mut fields = at.fields()?;
    let channels = fields.take("channels").map(|at| channels(&at, context)).unwrap_or_default();
    let rules = fields.take("rules").map(|at| rules::rules(&at)).unwrap_or_default();
    let zone = fields.take("zone").and_then(|at| zone_of(&at)).unwrap_or(TimeZone::UTC);
    let quiet = fields.take("quiet").and_then(|at| quiet(&at, &zone));
    let calm = fields.take("calm").and_then(|at| at.duration(Duration::ZERO..=CALM_MAX)).unwrap_or(CALM);
    let digest = fields.take("digest").and_then(|at| digest(&at, &zone, &channels));
    fields.finish();
    Some(AlertingSpec { tenant: context.tenant.clone(), channels, rules, quiet, calm, digest })
}

fn channels(at: &At<'_>, context: &Context) -> Vec<ChannelSpec> {
    let named = at.named_entries::<ChannelName>();
    if named.len() > CHANNELS_MAX {
        let message = format!("{} channels, at most {CHANNELS_MAX} are allowed", named.len());
        at.error("too_many", message, "remove those that nobody reads");
    }
    named.into_iter().filter_map(|(name, at)| channel::channel(&at, name, context)).collect()
}

fn zone_of(at: &At<'_>) -> Option<TimeZone> {
    let text = at.text()?;
    let found = zone(text.as_str());
    if found.is_none() {
        let message = format!("'{}' is not the name of a time zone", at.shown(text));
        at.error("invalid_value", message, "write it as Europe/Berlin, or UTC");
    }
    found
}

fn time_of_day(fields: &mut Fields<'_>, key: &'static str, example: &str) -> Option<TimeOfDay> {
    fields.require(key, example)?.parsed("a time of day", "\"08:30\", in quotes")
}

fn quiet(at: &At<'_>, zone: &TimeZone) -> Option<QuietHours> {
    let mut fields = at.fields()?;
    let from = time_of_day(&mut fields, "from", "from: \"22:00\"");
    let to = time_of_day(&mut fields, "to", "to: \"07:00\"");
    let days = fields.take("days").map(|at| at.one_or_many()).unwrap_or_default();
    let days = days.iter().filter_map(|at| at.choice(&DAYS)).collect();
    fields.finish();
    Some(QuietHours { from: from?, to: to?, zone: zone.clone(), days })
}

fn digest(at: &At<'_>, zone: &TimeZone, channels: &[ChannelSpec]) -> Option<DigestSpec> {
    let mut fields = at.fields()?;
    let mut words = vec![("day", Every::Day)];
    words.extend(DAYS.map(|(word, day)| (word, Every::Week(day))));
    let every = fields.require("every", "every: day, or every: monday").and_then(|at| at.choice(&words));
    let time = time_of_day(&mut fields, "at", "at: \"08:00\"");
    let to = fields.take("to").map(|at| at.one_or_many()).unwrap_or_default();
    fields.finish();
    let known = |at: &At<'_>| {
        let name: ChannelName = at.named()?;
        match channels.iter().find(|channel| channel.name == name).map(|channel| &channel.way) {
            None => {
                at.error("unknown_name", format!("there is no channel '{name}'"), "write it below 'channels' first")
            }
            Some(Way::PagerDuty(_)) => {
                at.error("conflict", format!("'{name}' is a pager, and a digest wakes nobody"), "name another channel");
            }
            Some(_) => {}
        }
        Some(name)
    };
    let channels = to.iter().filter_map(known).collect();
    Some(DigestSpec { time: DigestTime { every: every?, at: time?, zone: zone.clone() }, channels })
}
