//! `verify` and the tests of `when`.

use serde::Deserialize;

use super::Extract;
use crate::provider::secret::Role;
use crate::provider::settings::Param;
use crate::provider::span::Span;
use crate::provider::yaml::At;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CheckSpec {
    /// Takes anything.
    None,
    Hmac(HmacSpec),
    Signature(AsymmetricSpec),
    Token(TokenSpec),
    Basic(BasicSpec),
    Digest(DigestSpec),
    Bind(BindSpec),
    AnyOf(Vec<At<CheckSpec>>),
    AllOf(Vec<At<CheckSpec>>),
    OnlyIf(Box<OnlyIfSpec>),
    BySetting(Box<BySettingSpec>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HmacSpec {
    pub hash: Param<Hash>,
    pub key: Role,
    pub message: Vec<At<Extract>>,
    pub signature: At<SignatureSpec>,
    #[serde(default)]
    pub time: Option<At<TimeSpec>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AsymmetricSpec {
    pub algorithm: Algorithm,
    pub key: Role,
    pub message: Vec<At<Extract>>,
    pub signature: At<SignatureSpec>,
    #[serde(default)]
    pub time: Option<At<TimeSpec>>,
}

/// A shared text sent along in clear.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenSpec {
    pub key: Role,
    pub from: Extract,
}

/// HTTP Basic; the secret is `user:password`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BasicSpec {
    pub key: Role,
}

/// A plain hash of the secret followed by the message: not an HMAC.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DigestSpec {
    pub hash: Hash,
    pub key: Role,
    pub message: Vec<At<Extract>>,
    pub signature: At<SignatureSpec>,
    /// Why it should not be chosen, shown to whoever does.
    pub weak: String,
}

/// A value that must be the hash of another; proves something only beside a check that covers that value.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BindSpec {
    pub value: Extract,
    pub hash: Hash,
    pub encoding: Encoding,
    pub of: Vec<At<Extract>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OnlyIfSpec {
    pub when: Vec<At<TestSpec>>,
    pub check: At<CheckSpec>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BySettingSpec {
    pub setting: String,
    pub given: At<CheckSpec>,
    pub absent: At<CheckSpec>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Hash {
    Sha1,
    Sha256,
    Sha512,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Algorithm {
    Ed25519,
    EcdsaP256Sha256Der,
    EcdsaP256Sha256Raw,
    RsaPkcs1Sha1,
    RsaPkcs1Sha256,
}

/// How bytes are spelt. Each has one spelling per value, so that a changed character is a changed signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Encoding {
    /// Lower case.
    Hex,
    HexUpper,
    Base64,
    /// Without padding; padding is tolerated.
    Base64url,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignatureSpec {
    pub from: Extract,
    #[serde(default)]
    pub parse: ParseSpec,
    pub encoding: Param<Encoding>,
}

/// How signatures stand in their header; always a set, any of which may match.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum ParseSpec {
    /// One, after a fixed text.
    Plain { prefix: Param<String> },
    /// `t=1,v1=ab,v1=cd`: those called `field`.
    Kv { separator: String, field: String },
    /// `v1,ab v1a,cd`: those marked with `tag`.
    Tagged { separator: String, mark: String, tag: String },
    /// `ab,cd`.
    List { separator: String },
}

impl Default for ParseSpec {
    fn default() -> Self {
        Self::Plain { prefix: Param::Fixed(String::new()) }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TimeSpec {
    pub from: Extract,
    pub unit: Param<TimeUnit>,
    pub past: Param<Span>,
    pub future: Param<Span>,
    /// Not part of what is signed: read, never refused.
    #[serde(default)]
    pub advisory: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TimeUnit {
    S,
    Ms,
    Iso,
    /// Whole seconds, milliseconds, RFC 3339 or an HTTP date, told apart by their look.
    Auto,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum TestSpec {
    Method(String),
    Present(Extract),
    Absent(Extract),
    Equals {
        value: Extract,
        to: String,
    },
    /// Compared in constant time.
    EqualsSecret {
        value: Extract,
        key: Role,
    },
}
