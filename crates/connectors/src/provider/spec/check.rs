//! `verify` and the tests of `when`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Extract;
use crate::provider::fetched::KeyFormat;
use crate::provider::secret::Role;
use crate::provider::settings::Param;
use crate::provider::span::Span;
use crate::provider::yaml::At;

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum CheckSpec {
    /// Takes anything.
    None,
    Hmac(Box<HmacSpec>),
    Signature(Box<AsymmetricSpec>),
    Token(TokenSpec),
    Basic(BasicSpec),
    Digest(DigestSpec),
    Bind(BindSpec),
    Jws(Box<JwsSpec>),
    Ip(IpSpec),
    ClientCert(TokenSpec),
    AnyOf(Vec<At<CheckSpec>>),
    AllOf(Vec<At<CheckSpec>>),
    OnlyIf(Box<OnlyIfSpec>),
    BySetting(Box<BySettingSpec>),
}

impl CheckSpec {
    /// Where the token stands whose claims other parts of the recipe read.
    pub fn first_token(&self) -> Option<&Extract> {
        match self {
            Self::Jws(spec) => Some(&spec.from),
            Self::AnyOf(checks) | Self::AllOf(checks) => checks.iter().find_map(|check| check.value.first_token()),
            Self::OnlyIf(spec) => spec.check.value.first_token(),
            Self::BySetting(spec) => spec.given.value.first_token().or_else(|| spec.absent.value.first_token()),
            Self::None
            | Self::Hmac(_)
            | Self::Signature(_)
            | Self::Token(_)
            | Self::Basic(_)
            | Self::Digest(_)
            | Self::Bind(_)
            | Self::Ip(_)
            | Self::ClientCert(_) => None,
        }
    }
}

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct HmacSpec {
    pub hash: Param<Hash>,
    pub key: Role,
    /// A value that names one of the source's own secrets: only it, and those without a name, are tried.
    #[serde(default)]
    pub select_by: Option<Extract>,
    pub message: Vec<At<Extract>>,
    pub signature: At<SignatureSpec>,
    #[serde(default)]
    pub time: Option<At<TimeSpec>>,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct AsymmetricSpec {
    pub algorithm: Algorithm,
    /// The role of a configured key; none if keys are fetched.
    #[serde(default)]
    pub key: Option<Role>,
    #[serde(default)]
    pub fetched: Option<At<FetchedSpec>>,
    #[serde(default)]
    pub select_by: Option<Extract>,
    pub message: Vec<At<Extract>>,
    pub signature: At<SignatureSpec>,
    #[serde(default)]
    pub time: Option<At<TimeSpec>>,
}

/// A shared text sent along in clear.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenSpec {
    pub key: Role,
    pub from: Extract,
    #[serde(default)]
    pub select_by: Option<Extract>,
    /// A pointer to an array: every item of it carries a token, and `from` is relative to an item.
    #[serde(default)]
    pub each: Option<String>,
}

/// HTTP Basic; the secret is `user:password`.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct BasicSpec {
    pub key: Role,
}

/// A plain hash of the secret followed by the message: not an HMAC.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct BindSpec {
    pub value: Extract,
    pub hash: Hash,
    pub encoding: Encoding,
    pub of: Vec<At<Extract>>,
}

/// A JSON Web Signature: compact in a header, a field or the whole body, or detached from its payload.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct JwsSpec {
    /// All that the sender uses, of one family; what the token says is only held against them.
    pub algorithms: Vec<JwsAlgorithm>,
    /// The role of a configured key; none if keys are fetched.
    #[serde(default)]
    pub key: Option<Role>,
    #[serde(default)]
    pub fetched: Option<At<FetchedSpec>>,
    pub from: Extract,
    /// The payload, where the token has none.
    #[serde(default)]
    pub detached: Vec<At<Extract>>,
    /// Any of them.
    #[serde(default)]
    pub issuer: Vec<Param<String>>,
    /// Any of them.
    #[serde(default)]
    pub audience: Vec<At<Extract>>,
    #[serde(default)]
    pub claims: Vec<At<ClaimSpec>>,
    /// Why the sender's tokens have no expiry.
    #[serde(default)]
    pub no_expiry: Option<String>,
    /// How old `iat` may be.
    #[serde(default)]
    pub issued: Option<IssuedSpec>,
    /// A claim that is the digest of the body.
    #[serde(default)]
    pub bind: Option<ClaimBindSpec>,
}

/// Keys that the sender publishes, fetched when a request needs them.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct FetchedSpec {
    /// Where they are; what a request says of it counts only within `hosts`.
    pub url: Extract,
    /// Whole host names, in which `{label}` stands for one label and `{region}` for one like `eu-central-1`.
    pub hosts: Vec<String>,
    /// The whole path, in which `{word}` stands for letters, digits, `-` and `_`; then there is no query either.
    #[serde(default)]
    pub path: Option<String>,
    pub format: KeyFormat,
    /// The name of the key among several. Of a token it is the token's own `kid`.
    #[serde(default)]
    pub kid: Option<Extract>,
    /// Names of which the certificate must bear one, written as `hosts` are.
    #[serde(default)]
    pub certified: Vec<String>,
    /// Where the sender publishes no keys, but gives them out to who has credentials.
    #[serde(default)]
    pub key_api: Option<KeyApiSpec>,
}

/// How a key is asked of the sender's API by its name. The credentials go to the fixed hosts of the address only.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyApiSpec {
    /// The role of the credentials, which are written `NAME:SECRET` as of HTTP Basic.
    pub credentials: Role,
    /// The members of the JSON object that is posted; without any the address is got.
    #[serde(default)]
    pub post: BTreeMap<String, AskedSpec>,
    /// Where the API wants an access token.
    #[serde(default)]
    pub token: Option<AccessTokenSpec>,
    /// A pointer to the key in the JSON that is answered.
    pub at: String,
    /// A pointer to the second, since 1970, after which the key counts no more; null or absent: it still does.
    #[serde(default)]
    pub expires: Option<String>,
    pub absent: AbsentSpec,
}

/// What is posted to an API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum AskedSpec {
    /// The first half of the credentials.
    Name,
    /// The second one.
    Secret,
    /// The name of the key.
    Kid,
}

/// An access token by OAuth's client credentials, given at the same host.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct AccessTokenSpec {
    pub path: String,
    pub scope: String,
}

/// How the API says that there is no key of this name: the request is refused then. Any other failure may be ours and
/// may pass, so that the request waits.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct AbsentSpec {
    pub status: u16,
    /// A pointer to the text that tells this failure from others of the status.
    #[serde(default)]
    pub at: Option<String>,
    #[serde(default)]
    pub equals: Option<String>,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct ClaimSpec {
    /// A pointer into the payload.
    pub claim: String,
    pub equals: Extract,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct IssuedSpec {
    pub past: Span,
    pub future: Span,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct ClaimBindSpec {
    /// A pointer into the payload.
    pub claim: String,
    pub hash: Hash,
    pub encoding: Encoding,
    pub of: Vec<At<Extract>>,
}

/// By their names in a token's `alg`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum JwsAlgorithm {
    HS256,
    HS384,
    HS512,
    RS256,
    RS384,
    RS512,
    ES256,
    EdDSA,
}

/// The client's address is one of these.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct IpSpec {
    /// CIDRs and addresses, between commas or spaces.
    pub allow: Param<String>,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct OnlyIfSpec {
    pub when: Vec<At<TestSpec>>,
    pub check: At<CheckSpec>,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct BySettingSpec {
    pub setting: String,
    pub given: At<CheckSpec>,
    pub absent: At<CheckSpec>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum Hash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum Algorithm {
    Ed25519,
    EcdsaP256Sha256Der,
    EcdsaP256Sha256Raw,
    EcdsaP256Sha1Der,
    EcdsaP256Sha1Raw,
    RsaPkcs1Sha1,
    RsaPkcs1Sha256,
    RsaPkcs1Sha384,
    RsaPkcs1Sha512,
}

/// How bytes are spelt. Each has one spelling per value, so that a changed character is a changed signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct SignatureSpec {
    pub from: Extract,
    #[serde(default)]
    pub parse: ParseSpec,
    pub encoding: Param<Encoding>,
}

/// How signatures stand in their header; always a set, any of which may match.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum ParseSpec {
    /// One, after a fixed text.
    Plain { prefix: Param<String> },
    /// `t=1,v1=ab,v1=cd`: those called `field`.
    Kv { separator: String, field: String },
    /// `v1,ab v1a,cd`: those marked with `tag`.
    Tagged { separator: String, mark: String, tag: Param<String> },
    /// `ab,cd`.
    List { separator: String },
    /// `1700000000,ab,cd`: first the named fields, one each, then signatures.
    Positional { separator: String, fields: Vec<String> },
    /// `key|ab&other|cd`: what stands behind the mark.
    Pairs { separator: String, mark: String },
    /// Headers `NAME1`, `NAME2` and so on, up to `max`; `from` names the header without its number.
    Numbered { max: u8 },
    /// Base64 of a JSON object; the signature is its member `field`.
    B64json { field: String },
}

impl Default for ParseSpec {
    fn default() -> Self {
        Self::Plain { prefix: Param::Fixed(String::new()) }
    }
}

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum TimeUnit {
    S,
    Ms,
    Iso,
    /// Whole seconds, milliseconds, RFC 3339 or an HTTP date, told apart by their look.
    Auto,
}

#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
