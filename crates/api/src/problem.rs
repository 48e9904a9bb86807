//! Every error that the API answers, as RFC 9457 `application/problem+json` with a stable code.
//!
//! One table names them all; each has a page under docs/errors, which the gateway serves itself, so that the `type`
//! of a problem is a link that works. A problem never carries a secret, a path on disk or another tenant's name.

use std::borrow::Cow;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use engine::EngineError;
use engine::definition::Finding;
use engine::topology::SpecError;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Method, StatusCode, header};
use serde::Serialize;
use store::StoreError;
use utoipa::ToSchema;

/// Under this path lie the pages of all codes.
pub const PAGES: &str = "/docs/errors/";

pub const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident $text:literal $status:literal $title:literal;)*) => {
        /// A stable name of one kind of problem. Names never change their meaning; new ones may come.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            const fn number(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// The page about it, as Markdown.
            #[must_use]
            pub const fn page(self) -> &'static str {
                match self {
                    $(Self::$name => include_str!(concat!(
                        env!("CARGO_MANIFEST_DIR"), "/../../docs/errors/", $text, ".md"
                    )),)*
                }
            }
        }
    };
}

codes! {
    InvalidJson "invalid_json" 400 "The body is not JSON";
    InvalidHost "invalid_host" 400 "The Host header is missing or doubled";
    JsonTooDeep "json_too_deep" 400 "The JSON is nested too deeply";
    InvalidFraming "invalid_framing" 400 "The end of the body is told in two ways";
    InvalidParameter "invalid_parameter" 400 "A parameter is not valid";
    InvalidCursor "invalid_cursor" 400 "The cursor does not belong to this list";
    BodyIncomplete "body_incomplete" 400 "The body ended early";
    Unauthorized "unauthorized" 401 "A valid API key is needed";
    IngestRejected "ingest_rejected" 401 "The request was not accepted";
    Forbidden "forbidden" 403 "The key may not do this";
    NotFound "not_found" 404 "There is no such thing";
    NoSuchRoute "no_such_route" 404 "There is no such route";
    IngestNotFound "ingest_not_found" 404 "Nothing listens here";
    MethodNotAllowed "method_not_allowed" 405 "The route does not take this method";
    BodyTimeout "body_timeout" 408 "The body took too long to arrive";
    Conflict "conflict" 409 "It is there already, or was changed meanwhile";
    ManagedByFile "managed_by_file" 409 "The configuration file owns this";
    StateRefused "state_refused" 409 "Its state does not allow this";
    ListenerTaken "listener_taken" 409 "Another one listens";
    TooManyListeners "too_many_listeners" 409 "There are too many listeners";
    StreamBusy "stream_busy" 409 "The stream is being read";
    IdempotencyInProgress "idempotency_in_progress" 409 "The same request is being worked on";
    BodyTooLarge "body_too_large" 413 "The body is too large";
    UnsupportedMediaType "unsupported_media_type" 415 "The body must be JSON";
    HostNotAllowed "host_not_allowed" 421 "This host name is not served here";
    InvalidBody "invalid_body" 422 "The body does not say what is needed";
    DefinitionInvalid "definition_invalid" 422 "The definition is not valid";
    IdempotencyKeyReused "idempotency_key_reused" 422 "The Idempotency-Key was used for another body";
    SourceNotPublished "source_not_published" 422 "The source takes no published events";
    PairingNotOffered "pairing_not_offered" 422 "The sender hands no secret over";
    NoConnector "no_connector" 422 "The source has no connector";
 PollBlind "poll_blind" 422 "Changes of the stream can never be told";
    StreamUnusable "stream_unusable" 422 "The manifest's stream cannot be read";
    SourceFailed "source_failed" 502 "The source could not be asked";
    ChannelFailed "channel_failed" 502 "The channel did not take the message";
    ReplayInvalid "replay_invalid" 422 "The replay does not say what to repeat";
    TooManyStreams "too_many_streams" 429 "Too many live tails are open";
    /// Only for a panic that was caught: it is counted, logged and a defect.
    Internal "internal" 500 "Trireme made a mistake";
    Overloaded "overloaded" 503 "Too much to do just now";
    StoreDiskFull "store_disk_full" 503 "The disk is full";
    StoreUnavailable "store_unavailable" 503 "The store cannot be used just now";
    ShuttingDown "shutting_down" 503 "The gateway is stopping";
}

impl Code {
    #[must_use]
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.number()).expect("the table holds statuses from 400 to 503")
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }

    /// The problem of this code, with a sentence about this occurrence.
    #[must_use]
    pub fn because(self, detail: impl Into<Cow<'static, str>>) -> Problem {
        Problem { code: self, detail: detail.into(), errors: Vec::new(), retry_after: None }
    }
}

/// One fault of a body, a parameter or a definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Fault {
    /// Where: the name of the parameter, or the path of the field, such as `http.url`.
    pub field: String,
    /// What is wrong and what to write instead.
    pub detail: String,
}

impl Fault {
    /// What is wrong with a text that people write for people: it is shown in one line, in tables and logs too.
    #[must_use]
    pub fn of_line(field: &str, text: &str, bytes_max: usize) -> Option<Self> {
        let wrong = text.len() > bytes_max || text.chars().any(char::is_control);
        let detail = || format!("use at most {bytes_max} bytes without control characters");
        wrong.then(|| Self { field: field.to_owned(), detail: detail() })
    }
}

/// One occurrence of a problem.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", code.as_str())]
pub struct Problem {
    pub code: Code,
    pub detail: Cow<'static, str>,
    pub errors: Vec<Fault>,
    pub retry_after: Option<Duration>,
}

/// A problem as it is sent.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody<'a> {
    /// Link to the page about this code.
    #[serde(rename = "type")]
    #[schema(example = "/docs/errors/not_found")]
    kind: String,
    #[schema(example = "There is no such thing")]
    title: &'a str,
    #[schema(example = 404)]
    status: u16,
    /// What happened this time.
    detail: &'a str,
    /// Stable name for programs.
    #[schema(example = "not_found")]
    code: &'a str,
    /// Every fault that was found, where there may be several.
    #[serde(skip_serializing_if = "<[Fault]>::is_empty")]
    errors: &'a [Fault],
}

impl Problem {
    #[must_use]
    pub fn not_found(kind: &str, name: impl std::fmt::Display) -> Self {
        Code::NotFound.because(format!("There is no {kind} '{name}'."))
    }

    #[must_use]
    pub fn parameter(name: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let problem = Code::InvalidParameter.because(format!("'{name}': {detail}"));
        problem.with(vec![Fault { field: name.to_owned(), detail }])
    }

    #[must_use]
    pub fn with(mut self, errors: Vec<Fault>) -> Self {
        self.errors = errors;
        self
    }

    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    #[must_use]
    pub fn no_such_route(method: &Method, path: &str) -> Self {
        let path: String = path.chars().take(200).collect();
        Code::NoSuchRoute.because(format!("{method} {path} is not a route; /openapi.json lists them all."))
    }

    /// The JSON of this problem.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let body = ProblemBody {
            kind: format!("{PAGES}{}", self.code.as_str()),
            title: self.code.title(),
            status: self.code.number(),
            detail: &self.detail,
            code: self.code.as_str(),
            errors: &self.errors,
        };
        serde_json::to_vec(&body).expect("strings and numbers always make JSON")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.code.status(), [(CONTENT_TYPE, PROBLEM_JSON)], self.body()).into_response();
        let headers = response.headers_mut();
        if self.code == Code::Unauthorized {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"trireme\""));
        }
        if self.code.status() == StatusCode::SERVICE_UNAVAILABLE || self.retry_after.is_some() {
            headers.insert(RETRY_AFTER, seconds(self.retry_after.unwrap_or(RETRY_SOON)));
        }
        if self.code == Code::BodyTimeout {
            // What is left of the body may still come: the connection cannot be used for another request.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response.extensions_mut().insert(self.code);
        response
    }
}

/// How soon to come back where nothing better is known.
pub const RETRY_SOON: Duration = Duration::from_secs(1);

/// A `Retry-After` value: whole seconds, rounded up, at least one.
#[must_use]
pub fn seconds(wait: Duration) -> HeaderValue {
    HeaderValue::from(wait.as_millis().div_ceil(1_000).clamp(1, 86_400) as u64)
}

impl From<StoreError> for Problem {
    /// The store's own words name files and addresses, so they go to the log and not to the caller.
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(detail) => return Code::Conflict.because(detail),
            StoreError::Overloaded => return Code::Overloaded.because("The store has more to write than it can take."),
            StoreError::Closed => return Code::ShuttingDown.because("The store is closed for new work."),
            _ => tracing::warn!(code = error.code(), %error, "the store refused an API request"),
        }
        match error {
            StoreError::DiskFull(_) => Code::StoreDiskFull
                .because("The gateway's disk is full; it recovers by itself when there is room.")
                .retry_after(Duration::from_secs(10)),
            _ => Code::StoreUnavailable.because(format!("The store failed with {}.", error.code())),
        }
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::NotFound(detail) => Code::NotFound.because(detail),
            EngineError::ManagedByFile(_) => Code::ManagedByFile.because(format!("{error}.")),
            EngineError::Conflict(detail) => Code::Conflict.because(detail),
            EngineError::Invalid { code, detail } => Code::parse(code).unwrap_or(Code::InvalidBody).because(detail),
            EngineError::Definition(report) => definition_problem(report.errors().map(fault_of_finding).collect()),
            EngineError::Specs(errors) => definition_problem(errors.into_iter().map(fault_of_spec).collect()),
            EngineError::KeyReused => Code::IdempotencyKeyReused
                .because("The Idempotency-Key was used before with another body; use a new key for a new request."),
            EngineError::Store(error) => error.into(),
        }
    }
}

/// All that is wrong with a definition, field by field.
fn definition_problem(faults: Vec<Fault>) -> Problem {
    let count = faults.len();
    let detail = match count {
        1 => "There is one mistake; 'errors' says where.".to_owned(),
        _ => format!("There are {count} mistakes; 'errors' lists them."),
    };
    Code::DefinitionInvalid.because(detail).with(faults)
}

fn fault_of_finding(finding: &Finding) -> Fault {
    let help = finding.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
    Fault {
        field: finding.pointer.trim_start_matches('/').replace('/', "."),
        detail: format!("{}{help}", finding.message),
    }
}

/// A definition may be well-formed and yet not fit to the others: the object that does not is named.
fn fault_of_spec(error: SpecError) -> Fault {
    Fault { field: format!("{} '{}': {}", error.kind.as_str(), error.name, error.field), detail: error.detail }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_has_its_page_and_every_page_its_code() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors");
        let files: BTreeSet<String> = std::fs::read_dir(folder)
            .expect("docs/errors is a folder")
            .filter_map(|entry| entry.expect("readable").file_name().into_string().ok())
            .filter_map(|name| name.strip_suffix(".md").map(str::to_owned))
            .collect();
        let codes: BTreeSet<String> = Code::ALL.iter().map(|code| code.as_str().to_owned()).collect();
        assert_eq!(files, codes);
        for code in Code::ALL {
            let page = code.page();
            let heading = format!("# `{}`: {}\n", code.as_str(), code.title());
            assert!(page.starts_with(&heading), "{} must start with {heading}", code.as_str());
            for part in [format!("HTTP status {}", code.number()), "## Cause".into(), "## What to do".into()] {
                assert!(page.contains(&part), "{} lacks {part}", code.as_str());
            }
            assert!(page.contains("## Example"), "{} lacks an example", code.as_str());
        }
    }

    #[test]
    fn problems_say_what_where_and_when_to_come_back() {
        let problem = Problem::parameter("limit", "must be a whole number from 1 to 500");
        let body: serde_json::Value = serde_json::from_slice(&problem.body()).expect("JSON");
        assert_eq!(body["type"], "/docs/errors/invalid_parameter");
        assert_eq!(body["status"], 400);
        assert_eq!(body["code"], "invalid_parameter");
        assert_eq!(body["errors"][0]["field"], "limit");

        let response = Problem::from(StoreError::Overloaded).into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[RETRY_AFTER], "1");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        assert_eq!(seconds(Duration::from_millis(1_001)), "2");
        assert_eq!(seconds(Duration::ZERO), "1");
    }

    #[test]
    fn what_the_store_says_of_its_files_stays_in_the_log() {
        let canary = "/var/lib/canary.db";
        for error in [
            StoreError::DiskFull(canary.into()),
            StoreError::Io(canary.into()),
            StoreError::Locked(canary.into()),
            StoreError::Corrupt(canary.into()),
            StoreError::Unreachable(canary.into()),
            StoreError::Refused(canary.into()),
        ] {
            let problem = Problem::from(error);
            assert_eq!(problem.code.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert!(!String::from_utf8_lossy(&problem.body()).contains("canary"));
        }
    }
}
