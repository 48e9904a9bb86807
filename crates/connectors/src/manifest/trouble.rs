//! Why a request cannot be built, a token not be had, or paging not go on. Every message says what happened and what to
//! do; none quotes a secret, a query or a body.

use super::expression::Failure;
use super::failure::FailureType;

/// What went wrong while requests were built or replies to them were read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    #[error(transparent)]
    Template(#[from] Failure),
    #[error(
        "'{url}' is not an HTTP URL: check 'url' (or 'url_base' and 'path') of the requester and the config that it uses"
    )]
    Url { url: String },
    #[error("the {what} of a request would be {bytes} bytes long, {limit} are allowed: send less at once")]
    TooLarge { what: &'static str, bytes: usize, limit: usize },
    #[error("'{name}' is not a valid name of a header")]
    HeaderName { name: String },
    #[error("the value of the header '{name}' has characters that no header may have, such as a line break")]
    HeaderValue { name: String },
    #[error(
        "the request's {place} would have '{name}' twice: keep it in one of requester, paginator, slicer and authenticator"
    )]
    Collision { place: &'static str, name: String },
    #[error("the request's {place} must be a mapping, but the template gives something else")]
    NotAMapping { place: &'static str },
    #[error("the request parameter '{name}' is an object; a parameter is a text, a number or a list of those")]
    ObjectParameter { name: String },
    #[error("the request would have a JSON body and a form body at once; keep one")]
    TwoBodies,
    #[error("the request sends properties, but its slice has none: 'query_properties' is read by a retriever only")]
    NoProperties,
    #[error(
        "the source's next page is at the host '{host}', not at '{expected}': it was not followed, because the \
         credentials would go there too; list the host among the connector's allowed hosts if it is right"
    )]
    AnotherHost { host: String, expected: String },
    #[error(
        "paging goes in circles: the source gave a page again that it had given {pages} pages before, and points \
         to the same next page; check 'stop_condition' and 'cursor_value' of the paginator"
    )]
    Circle { pages: usize },
    #[error(
        "paging stands still: {pages} pages in a row are the same to the byte; the source seems to ignore what the \
         paginator sends, check 'page_token_option'"
    )]
    Standstill { pages: usize },
    #[error("'page_size' must be a whole number, but its template gives {found}")]
    PageSize { found: &'static str },
    #[error("the page token of {strategy} must be a whole number, but it is {found}")]
    PageNumber { strategy: &'static str, found: &'static str },
    #[error("'{field}' must be {expects}, but its template gives {found}")]
    Field { field: &'static str, expects: &'static str, found: &'static str },
    #[error("the formula in place of the {component} {detail}")]
    Formula { component: &'static str, detail: String },
    #[error("the config has nothing at '{path}', which says how to authenticate")]
    NoChoice { path: String },
    #[error("the config chooses an authenticator that the manifest does not have (at '{path}')")]
    UnknownChoice { path: String },
    #[error("the authenticator that the config chooses cannot be used: {problem}")]
    Unsupported { problem: String },
    #[error("the config lacks what authentication needs: {what}")]
    Credentials { what: &'static str },
    #[error(
        "the source's token endpoint refused the refresh token (it is invalid, expired or was used already): connect \
         the account again{detail}"
    )]
    RefreshRefused { detail: String },
    #[error("the reply to the {what} request has no '{name}'")]
    NoToken { what: &'static str, name: String },
    #[error("the reply to the {what} request says '{name}' in a form that is no time and no number of seconds")]
    Expiry { what: &'static str, name: String },
    #[error("the {what} request was answered with status {status}")]
    TokenStatus { what: &'static str, status: u16 },
    #[error("a JWT cannot be signed with {algorithm}: {reason}")]
    Signing { algorithm: &'static str, reason: String },
    #[error("'{name}' is set by the format itself and cannot be one of '{field}'")]
    ReservedClaim { field: &'static str, name: String },
    #[error("the quota status has no '{path}' for the quota '{quota}'")]
    QuotaPath { quota: String, path: String },
    #[error(
        "the rate limit of every token is used up (quota '{quota}') and the next reset is {seconds} s away, which is longer than 'max_wait_time'"
    )]
    QuotaSpent { quota: String, seconds: u64 },
    #[error("a request costs {weight} calls, but its policy allows {limit} at most: it could never be sent")]
    Weight { weight: u64, limit: u64 },
    #[error("the page size of {size} can be reduced no further ({reason}){message}")]
    SmallestPage { size: u64, reason: &'static str, message: String, is_config: bool },
    #[error("the page size is to be reduced, but the paginator sends none: set 'page_size' and 'page_size_option'")]
    NoPageSize,
    #[error("the request's window can be split no further{message}")]
    SmallestWindow { message: String },
    #[error("paging was reset, but the slice to read stayed the same for the {attempts}. time")]
    SameSlice { attempts: u32 },
}

impl Trouble {
    /// Stable, for machines.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Template(failure) => failure.code(),
            Self::Formula { .. } => "request_formula",
            Self::Url { .. } => "request_url",
            Self::TooLarge { .. } => "request_too_large",
            Self::HeaderName { .. } => "request_header_name",
            Self::HeaderValue { .. } => "request_header_value",
            Self::Collision { .. } => "request_collision",
            Self::NotAMapping { .. } => "request_not_a_mapping",
            Self::ObjectParameter { .. } => "request_object_parameter",
            Self::TwoBodies => "request_two_bodies",
            Self::NoProperties => "request_no_properties",
            Self::AnotherHost { .. } => "page_another_host",
            Self::Circle { .. } => "page_circle",
            Self::Standstill { .. } => "page_standstill",
            Self::PageSize { .. } => "page_size",
            Self::PageNumber { .. } => "page_number",
            Self::Field { .. } => "template_kind",
            Self::NoChoice { .. } => "auth_no_choice",
            Self::UnknownChoice { .. } => "auth_unknown_choice",
            Self::Unsupported { .. } => "auth_unsupported",
            Self::Credentials { .. } => "auth_credentials",
            Self::RefreshRefused { .. } => "auth_refresh_refused",
            Self::NoToken { .. } => "auth_no_token",
            Self::Expiry { .. } => "auth_expiry",
            Self::TokenStatus { .. } => "auth_status",
            Self::Signing { .. } => "auth_signing",
            Self::ReservedClaim { .. } => "auth_reserved_claim",
            Self::QuotaPath { .. } => "quota_path",
            Self::QuotaSpent { .. } => "quota_spent",
            Self::Weight { .. } => "budget_weight",
            Self::SmallestPage { .. } => "page_size_smallest",
            Self::NoPageSize => "page_size_missing",
            Self::SmallestWindow { .. } => "window_smallest",
            Self::SameSlice { .. } => "page_reset_same_slice",
        }
    }

    /// Whose fault it is: the config's (a person can mend it), the manifest's, or the moment's.
    #[must_use]
    pub const fn failure_type(&self) -> FailureType {
        match self {
            Self::NoChoice { .. }
            | Self::UnknownChoice { .. }
            | Self::Credentials { .. }
            | Self::RefreshRefused { .. }
            | Self::Signing { .. }
            | Self::SmallestPage { is_config: true, .. }
            | Self::NoPageSize => FailureType::Config,
            Self::QuotaSpent { .. } | Self::SmallestPage { .. } | Self::SmallestWindow { .. } => FailureType::Transient,
            Self::TokenStatus { status, .. } if *status == 429 || *status >= 500 => FailureType::Transient,
            Self::TokenStatus { status: 400 | 401 | 403, .. } => FailureType::Config,
            _ => FailureType::System,
        }
    }
}

/// What a value is, in words: for messages, which must not show the value itself.
#[must_use]
pub fn kind_of(value: &serde_json::Value) -> &'static str {
    use serde_json::Value as Json;
    match value {
        Json::Null => "nothing",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}
