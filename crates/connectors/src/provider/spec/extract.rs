//! Where a value is taken from, and the fixed list of what may be done to it.

use serde::Deserialize;

use super::Encoding;
use crate::provider::settings::Param;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Extract {
    Header(Param<String>),
    Query(Param<String>),
    /// A field of a form body.
    Form(Param<String>),
    /// An RFC 6901 pointer into a JSON body.
    Json(Param<String>),
    /// The last step of a pointer, where the body holds anything there: for events told by which member they have.
    NameOf(String),
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
    Transform(Box<Transformed>),
    /// Nothing, not even a separator, where the value is absent.
    Maybe(Box<Extract>),
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Transformed {
    pub of: Extract,
    pub by: Vec<Transform>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UrlForm {
    /// As it was given to the sender: `public_url` and what follows.
    Configured,
    /// As it arrived, by the Host header.
    Received,
    /// The configured one with its port spelt out.
    WithPort,
    WithoutPort,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Transform {
    Lower,
    /// Absent unless it is this text.
    Only(String),
    /// Absent if the prefix is.
    TrimPrefix(String),
    /// What stands before the first such text; all of it if there is none.
    Before(String),
    After(String),
    /// Only these characters are percent-decoded.
    PercentDecode(String),
    Sha256(Encoding),
}
