//! Where a value is taken from, and the fixed list of what may be done to it.

use serde::Deserialize;

use super::Encoding;
use crate::provider::secret::Role;
use crate::provider::settings::Param;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum Extract {
    Header(Param<String>),
    Query(Param<String>),
    /// A field of a form body.
    Form(Param<String>),
    /// A text field of a multipart/form-data body.
    Multipart(Param<String>),
    /// The text of the first element of an XML body at a path of local names such as `/Envelope/Body/id`.
    Xml(String),
    /// An RFC 6901 pointer into a JSON body.
    Json(Param<String>),
    Method,
    Url(UrlForm),
    Path,
    /// The bytes as received.
    Body,
    Const(Param<String>),
    /// A field of the signature's own header, such as Stripe's `t`.
    Sig(String),
    /// All fields of a form body as `name` `value` without separators, sorted.
    SortedForm,
    /// Headers that another value lists, one after another.
    ListedHeaders(Box<ListedHeadersSpec>),
    /// A claim of the token of `verify.jws`: a pointer into its payload.
    Claim(String),
    /// The name of the first member of a JSON object that is not excepted.
    FirstKey(FirstKeySpec),
    /// The values with the separator between them; an absent one is empty, yet its separator stays.
    Join(JoinSpec),
    /// The values one after another, or nothing at all where one of them is absent.
    Segment(Vec<Extract>),
    /// The first secret of a role. Only inside a digest that a handshake answers with.
    Secret(Role),
    /// Of a split request: from the whole body rather than from the item.
    Whole(Box<Extract>),
    /// Of an item that `then_split` found: from what it is an item of.
    Parent(Box<Extract>),
    /// Of a split request: the item's number in it, from 0.
    Position,
    Transform(Box<Transformed>),
    /// Nothing, not even a separator, where the value is absent.
    Maybe(Box<Extract>),
}

impl Extract {
    /// Whether a value that this one is made of is the other.
    pub fn covers(&self, other: &Self) -> bool {
        self == other
            || match self {
                Self::Segment(of) => of.iter().any(|part| part.covers(other)),
                Self::Join(spec) => spec.of.iter().any(|part| part.covers(other)),
                _ => false,
            }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Transformed {
    pub of: Extract,
    pub by: Vec<Transform>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct ListedHeadersSpec {
    /// Where the list of names stands.
    pub names: Extract,
    /// Between two names of the list.
    pub separator: String,
    /// Between two headers in the message.
    pub join: String,
    /// Between a name and its value; without it only the values count.
    #[serde(default)]
    pub pair: Option<String>,
    /// Names without which a list is refused: the sender chooses the others.
    #[serde(default)]
    pub required: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct FirstKeySpec {
    /// A pointer to the object; the whole body if it is empty.
    #[serde(default)]
    pub at: String,
    #[serde(default)]
    pub except: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct JoinSpec {
    pub separator: String,
    pub of: Vec<Extract>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum UrlForm {
    /// As it was given to the sender: `public_url` and what follows.
    Configured,
    /// As it arrived, by the Host header.
    Received,
    /// The configured one with its port spelt out.
    WithPort,
    WithoutPort,
    /// From the path on, with the query.
    PathAndQuery,
    /// Without the query.
    WithoutQuery,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum Transform {
    Lower,
    /// Absent unless it is this text.
    Only(String),
    Upper,
    /// Absent if the prefix is.
    TrimPrefix(String),
    /// As it is if the prefix is absent.
    MaybePrefix(String),
    /// Absent if the suffix is.
    TrimSuffix(String),
    /// What stands before the first such text; all of it if there is none.
    Before(String),
    After(String),
    /// Only these characters are percent-decoded.
    PercentDecode(String),
    Sha256(Encoding),
    /// CRC-32 as a decimal number.
    Crc32,
    Base64Decode,
    Base64urlDecode,
    HexDecode,
    /// The value is JSON: what stands at a pointer in it.
    Json(String),
    /// The value is XML: the text at a path in it.
    Xml(String),
    /// The value is a compact JWS: its payload, whoever signed it.
    JwsPayload,
}
