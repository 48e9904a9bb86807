//! The options that choose events, shared by `events`, `tail` and `replay`.

use std::time::Duration;

use domain::Timestamp;
use serde_json::{Map, Value};

use crate::exit::{Failure, Outcome};

#[derive(clap::Args, Clone, Debug, Default)]
pub struct FilterArgs {
    /// Only events of this source
    #[arg(long, help_heading = "Filter")]
    pub source: Option<String>,
    /// Only events of this connection
    #[arg(long, help_heading = "Filter")]
    pub connection: Option<String>,
    /// Only events of this type; `order.*` takes all that begin so
    #[arg(long = "type", value_name = "TYPE", help_heading = "Filter")]
    pub event_type: Option<String>,
    /// Only events about this subject, as `orders/42`
    #[arg(long, help_heading = "Filter")]
    pub subject: Option<String>,
    /// Only events learned this way: native, virtual, reconciled, backfill, published
    #[arg(long, help_heading = "Filter")]
    pub origin: Option<String>,
}

impl FilterArgs {
    /// As parameters of a query.
    pub fn parameters(&self) -> impl Iterator<Item = (&'static str, Option<String>)> {
        [
            ("source", self.source.clone()),
            ("connection", self.connection.clone()),
            ("type", self.event_type.clone()),
            ("subject", self.subject.clone()),
            ("origin", self.origin.clone()),
        ]
        .into_iter()
    }
}

#[derive(clap::Args, Clone, Debug, Default)]
pub struct TimeArgs {
    /// Received at or after: a time (2026-01-31T09:30:00Z) or so long ago (15m, 2h, 3d)
    #[arg(long, help_heading = "Filter")]
    pub since: Option<String>,
    /// Received before, in the same forms
    #[arg(long, help_heading = "Filter")]
    pub until: Option<String>,
    /// Whose payload, subject or type contains these characters
    #[arg(short, long = "search", value_name = "TEXT", help_heading = "Filter")]
    pub q: Option<String>,
}

impl TimeArgs {
    pub fn parameters(&self, now: Timestamp) -> Outcome<[(&'static str, Option<String>); 3]> {
        let time = |text: &Option<String>| text.as_deref().map(|text| moment(text, now)).transpose();
        Ok([("since", time(&self.since)?), ("until", time(&self.until)?), ("q", self.q.clone())])
    }
}

/// Which part of a list to show.
#[derive(clap::Args, Clone, Debug)]
pub struct PageArgs {
    /// How many at most
    #[arg(long, default_value_t = 50)]
    pub limit: u32,
    /// Where the list before ended (its `next`)
    #[arg(long)]
    pub cursor: Option<String>,
}

impl PageArgs {
    pub fn parameters(&self) -> [(&'static str, Option<String>); 2] {
        [("limit", Some(self.limit.to_string())), ("cursor", self.cursor.clone())]
    }
}

/// Parameters that have a value, as the JSON object of a filter.
pub fn object(parameters: impl IntoIterator<Item = (&'static str, Option<String>)>) -> Map<String, Value> {
    parameters.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?)))).collect()
}

/// A time as the API wants it.
pub fn moment(text: &str, now: Timestamp) -> Outcome<String> {
    if let Some(ago) = duration(text) {
        return Ok((now - ago).to_string());
    }
    let time: Result<Timestamp, _> = text.parse();
    time.map(|time| time.to_string()).map_err(|_| {
        Failure::usage(format!("'{text}' is no time: write 2026-01-31T09:30:00Z, or 15m, 2h, 3d for so long ago"))
    })
}

/// `90s`, `15m`, `2h`, `3d`.
pub fn duration(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_points_or_so_long_ago() {
        let now: Timestamp = "2026-01-31T12:00:00Z".parse().expect("a time");
        let cases = [
            ("90s", "2026-01-31T11:58:30"),
            ("15m", "2026-01-31T11:45:00"),
            ("2h", "2026-01-31T10:00:00"),
            ("3d", "2026-01-28T12:00:00"),
            ("2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00"),
        ];
        for (text, expected) in cases {
            assert!(moment(text, now).is_ok_and(|time| time.starts_with(expected)), "{text}");
        }
        for text in ["", "h", "2w", "yesterday", "-1h", "99999999999999999999d", "ä"] {
            assert!(moment(text, now).is_err(), "{text}");
        }
    }

    #[test]
    fn only_what_was_given_filters() {
        let filter = FilterArgs { source: Some("github".into()), ..FilterArgs::default() };
        assert_eq!(Value::from(object(filter.parameters())), serde_json::json!({ "source": "github" }));
    }
}
