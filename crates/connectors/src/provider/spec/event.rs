//! What events a verified request holds, and where each says what it is.

use serde::Deserialize;

use super::{Extract, TimeUnit};
use crate::provider::yaml::At;

/// Alternatives, the first complete one counts; its parts are joined.
pub(crate) type TemplatesSpec = Vec<Vec<At<Extract>>>;

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct EventSpec {
    /// A pointer to the array whose items are the events; pointers below are then relative to an item.
    #[serde(default)]
    pub split: Option<At<String>>,
    /// Arrays of such an item whose own items are the events; an item that has none of them is one event.
    #[serde(default)]
    pub then_split: Vec<At<String>>,
    /// The same for XML: a path whose elements are the events; paths below then begin with such an element's name.
    #[serde(default)]
    pub split_xml: Option<At<String>>,
    /// The text that counts as the body for everything below, such as a form's field that holds JSON.
    #[serde(default)]
    pub within: Option<At<Extract>>,
    /// Joined by `.`.
    #[serde(rename = "type")]
    pub event_type: TemplatesSpec,
    /// The type of what says none, or cannot be read.
    pub type_otherwise: String,
    /// What stays equal over the retries of one event, joined by `:`.
    #[serde(default)]
    pub id: TemplatesSpec,
    /// What differs from try to try.
    #[serde(default)]
    pub attempt_id: TemplatesSpec,
    #[serde(default)]
    pub occurred_at: Vec<MomentSpec>,
    #[serde(default)]
    pub subject: Vec<SubjectSpec>,
    /// The account at the sender, by which a connection is found.
    #[serde(default)]
    pub connection: TemplatesSpec,
    /// The body only says that something changed; the record has to be fetched.
    #[serde(default)]
    pub thin: bool,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct MomentSpec {
    pub from: At<Extract>,
    pub unit: TimeUnit,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct SubjectSpec {
    pub object: At<Extract>,
    pub id: At<Extract>,
    #[serde(default)]
    pub version: Option<VersionSpec>,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum VersionSpec {
    Time(MomentSpec),
    Number(At<Extract>),
}
