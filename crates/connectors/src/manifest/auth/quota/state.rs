//! What is left of one quota of one token, as far as is known.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value as Json;

use super::super::super::trouble::Trouble;
use super::super::super::wire::Reply;
use super::super::{config, moment};
use super::Quota;

/// How far a reply's reset may lie behind ours and still mean the same window: status page and headers differ a bit.
const SKEW_MAX: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub remaining: u64,
    pub reset_at: Timestamp,
    pub limit: u64,
    /// Whether the source counts at all.
    pub is_tracked: bool,
}

impl State {
    pub const fn untracked(now: Timestamp) -> Self {
        Self { remaining: 0, reset_at: now, limit: 0, is_tracked: false }
    }

    /// From the source's status page.
    pub fn read(quota: &Quota, reply: &Reply) -> Result<Self, Trouble> {
        let at = |path: &[String]| {
            let found = reply.json().and_then(|json| config::find(json, path));
            found.ok_or_else(|| Trouble::QuotaPath { quota: quota.name.clone(), path: path.join(".") })
        };
        let whole = |path: &[String]| {
            let value = at(path)?;
            let number = value.as_i64().or_else(|| value.as_str()?.trim().parse().ok());
            let number = number.map(|number| u64::try_from(number).unwrap_or(0));
            number.ok_or_else(|| Trouble::QuotaPath { quota: quota.name.clone(), path: path.join(".") })
        };
        let remaining = whole(&quota.remaining_path)?;
        let reset = moment::read(at(&quota.reset_path)?);
        let path = || quota.reset_path.join(".");
        Ok(Self {
            remaining,
            reset_at: reset.ok_or_else(|| Trouble::QuotaPath { quota: quota.name.clone(), path: path() })?,
            limit: quota.limit_path.as_deref().map_or(Ok(remaining), whole)?,
            is_tracked: true,
        })
    }

    /// Within a window only ever downwards, because replies overtake each other; a later reset begins a new window.
    pub fn learn(&mut self, said: &Said) {
        if !self.is_tracked {
            return;
        }
        let is_old = said.reset_at.is_some_and(|reset| reset < self.reset_at);
        if let Some(limit) = said.limit.filter(|limit| *limit > 0 && !is_old) {
            self.limit = limit;
        }
        match (said.reset_at.filter(|reset| *reset > self.reset_at), said.remaining) {
            (Some(reset), remaining) => {
                self.reset_at = reset;
                self.remaining = remaining.unwrap_or(self.limit);
            }
            (None, Some(remaining)) if said.is_of_this_window(self.reset_at) => {
                self.remaining = self.remaining.min(remaining);
            }
            (None, _) => {}
        }
    }
}

/// What the headers of a reply say about a quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub remaining: Option<u64>,
    pub reset_at: Option<Timestamp>,
    pub limit: Option<u64>,
    /// The status says that the quota is spent.
    pub is_refusal: bool,
}

impl Said {
    /// `None` if the reply says nothing.
    pub fn read(quota: &Quota, reply: &Reply) -> Option<Self> {
        let text = |name: &Option<String>| name.as_deref().and_then(|name| reply.header(name)).map(str::trim);
        let number = |name| text(name)?.parse::<i64>().ok().map(|number| u64::try_from(number).unwrap_or(0));
        let is_refusal = quota.exhaustion_statuses.contains(&reply.status);
        let said = Self {
            remaining: number(&quota.remaining_header).or(is_refusal.then_some(0)),
            reset_at: text(&quota.reset_header).and_then(|text| moment::read(&Json::from(text))),
            limit: number(&quota.limit_header),
            is_refusal,
        };
        (said.remaining.is_some() || said.reset_at.is_some() || said.limit.is_some()).then_some(said)
    }

    /// A refusal always counts; else a reply of a window that is over says nothing about this one.
    fn is_of_this_window(&self, reset_at: Timestamp) -> bool {
        let skew = SignedDuration::try_from(SKEW_MAX).unwrap_or_default();
        let earliest = reset_at.saturating_sub(skew).unwrap_or(Timestamp::MIN);
        (self.is_refusal && self.remaining == Some(0)) || self.reset_at.is_none_or(|reset| reset >= earliest)
    }
}
