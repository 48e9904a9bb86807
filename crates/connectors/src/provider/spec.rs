//! A recipe file as written: the serde shape of the language, nothing decided yet.
//!
//! Every list of choices is an enum that further senders extend by variants; no existing part changes shape.

mod check;
mod effect;
mod event;
mod extract;
mod ranges;

use std::collections::BTreeMap;

use serde::Deserialize;

pub(crate) use check::{
    Algorithm, AskedSpec, CheckSpec, ClaimBindSpec, ClaimSpec, Encoding, FetchedSpec, Hash, JwsAlgorithm, JwsSpec,
    KeyApiSpec, ParseSpec, SignatureSpec, TestSpec, TimeSpec, TimeUnit, TokenSpec,
};
pub(crate) use effect::EffectSpec;
pub(crate) use event::{EventSpec, MomentSpec, SubjectSpec, VersionSpec};
pub(crate) use extract::{Extract, ListedHeadersSpec, Transform, UrlForm};
pub(crate) use ranges::{ListFormat, ListSpec, RangesSpec};

use super::secret::Role;
use super::settings::Param;
use super::span::Span;
use super::yaml::At;

/// The first document of a file.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct RecipeSpec {
    pub provider: At<String>,
    pub title: String,
    pub docs: String,
    /// Whether the sender's own documentation was read for it.
    #[serde(default)]
    pub status: Status,
    /// What a newcomer does at the sender, step by step; `{url}` stands for the source's address.
    #[serde(default)]
    pub setup: Vec<String>,
    /// The first one is what a source's plain `secret` means.
    #[serde(default)]
    pub secrets: Vec<At<SecretSpec>>,
    #[serde(default)]
    pub settings: Vec<At<SettingSpec>>,
    /// Methods that carry events; POST if none is named. Handshakes name their own.
    #[serde(default)]
    pub methods: Vec<At<String>>,
    pub verify: At<CheckSpec>,
    #[serde(default)]
    pub handshakes: Vec<At<HandshakeSpec>>,
    pub event: At<EventSpec>,
    #[serde(default)]
    pub reply: ReplySpec,
    #[serde(default)]
    pub dedupe: DedupeSpec,
    #[serde(default)]
    pub ip_ranges: Option<At<RangesSpec>>,
    pub facts: FactsSpec,
}

/// How far a recipe can be trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    /// By the sender's documentation, its SDK, or two sources that agree.
    #[default]
    Confirmed,
    /// By one secondary source; shipped with a warning.
    Unconfirmed,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct SecretSpec {
    pub role: Role,
    /// What to look for in the sender's settings, shown where a secret is missing.
    pub about: String,
    /// A text in front of the key that is not part of it.
    #[serde(default)]
    pub strip_prefix: Option<String>,
    #[serde(default = "as_text")]
    pub encoding: Param<KeyEncoding>,
    #[serde(default)]
    pub form: KeyForm,
    /// A plain `secret` that begins so has this role although it is not the first.
    #[serde(default)]
    pub recognised_by: Option<String>,
}

fn as_text() -> Param<KeyEncoding> {
    Param::Fixed(KeyEncoding::Text)
}

/// How a secret's text becomes bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum KeyEncoding {
    /// Its UTF-8 bytes as shown.
    Text,
    Hex,
    Base64,
    Base64url,
    /// The base64 between the BEGIN and END lines.
    Pem,
}

/// What those bytes are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum KeyForm {
    /// The key itself: an HMAC key, 32 bytes of Ed25519, a point of P-256, an RSAPublicKey.
    #[default]
    Raw,
    /// An X.509 SubjectPublicKeyInfo around it.
    Spki,
    /// A JSON Web Key; its `kid` is the secret's name.
    Jwk,
    /// An X.509 certificate around it.
    Certificate,
    /// The key is the SHA-1 of the text.
    Sha1,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct SettingSpec {
    pub name: String,
    pub about: String,
    #[serde(default)]
    pub default: Option<String>,
    #[serde(default)]
    pub required: bool,
    /// Not required, but what a newcomer should set: a value that shows how.
    #[serde(default)]
    pub example: Option<String>,
    /// All that it may be; empty: any text.
    #[serde(default)]
    pub one_of: Vec<String>,
    /// It names a header.
    #[serde(default)]
    pub header: bool,
    /// It is a JSON pointer.
    #[serde(default)]
    pub pointer: bool,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct HandshakeSpec {
    pub when: Vec<At<TestSpec>>,
    /// Answered only to requests that pass `verify`. Without it anyone who knows the address is answered.
    #[serde(default)]
    pub verified: bool,
    /// What it does beside being answered.
    #[serde(default)]
    pub effect: Option<At<EffectSpec>>,
    pub respond: RespondSpec,
}

#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct RespondSpec {
    pub status: u16,
    #[serde(default)]
    pub headers: BTreeMap<String, PieceSpec>,
    #[serde(default)]
    pub body: BodySpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum BodySpec {
    #[default]
    Empty,
    /// The pieces one after another, as text/plain unless the headers say otherwise.
    Text(Vec<PieceSpec>),
    /// An object of strings, each made of its pieces and escaped.
    Json(BTreeMap<String, Vec<PieceSpec>>),
}

#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum PieceSpec {
    Const(String),
    /// What the sender sent, bounded in length and characters.
    Echo(Extract),
    Hmac {
        hash: Hash,
        key: Role,
        of: Vec<Extract>,
        encoding: Encoding,
    },
    Sha256 {
        of: Vec<Extract>,
        encoding: Encoding,
    },
}

/// What the sender wants to hear in each case; unsaid cases get the gateway's own answer.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplySpec {
    /// The first whose tests hold.
    #[serde(default)]
    pub ok: Vec<OkReplySpec>,
    #[serde(default)]
    pub rejected: Option<RespondSpec>,
    #[serde(default)]
    pub stale: Option<RespondSpec>,
    #[serde(default)]
    pub duplicate: Option<RespondSpec>,
    #[serde(default)]
    pub overload: Option<RespondSpec>,
    /// By when the sender gives up waiting.
    #[serde(default)]
    pub deadline: Option<Span>,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct OkReplySpec {
    #[serde(default)]
    pub when: Vec<At<TestSpec>>,
    pub respond: RespondSpec,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct DedupeSpec {
    /// How long the sender retries: equal bytes within it are one event where there is no id.
    #[serde(default)]
    pub within: Span,
}

/// Advisory and dated: nothing may depend on them.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct FactsSpec {
    pub as_of: String,
    pub source: String,
    #[serde(default)]
    pub retries: Option<String>,
    #[serde(default)]
    pub notes: Vec<String>,
}
