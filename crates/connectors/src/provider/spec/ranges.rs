//! Where a sender publishes the addresses it sends from. The addresses themselves are never written down here.

use serde::Deserialize;

/// A list that a program can read, or a page for people.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum RangesSpec {
    /// A document of CIDRs and addresses, fetched while running.
    List(ListSpec),
    /// A page that says them in prose or behind a login, and changes by hand.
    Page(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct ListSpec {
    pub url: String,
    pub format: ListFormat,
    /// JSON only: where the texts stand, as pointers in which `*` is each item of an array.
    #[serde(default)]
    pub at: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum ListFormat {
    /// One CIDR or address a line.
    Lines,
    Json,
}
