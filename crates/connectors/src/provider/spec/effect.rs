//! What a handshake does beside being answered, as written.

use serde::Deserialize;

use super::Extract;
use crate::provider::secret::Role;

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum EffectSpec {
    /// The request brings the secret that will sign what follows; it is kept only while a person waits for it.
    StoreSecret(StoreSecretSpec),
    /// The request asks for an address to be opened, which a person approves first.
    ProposeUrl(ProposeUrlSpec),
}

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct StoreSecretSpec {
    pub role: Role,
    pub from: Extract,
    /// The sender wants to hear it back from a person, on a page or by its API: it is shown to one, once.
    #[serde(default)]
    pub hand_back: bool,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct ProposeUrlSpec {
    pub from: Extract,
    /// Whole host names, in which `{label}` stands for one label: `sns.{label}.amazonaws.com`.
    pub hosts: Vec<String>,
}
