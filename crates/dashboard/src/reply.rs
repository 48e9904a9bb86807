//! What lies around every page: what it may load, and what a person sees when something went wrong.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use engine::EngineError;
use engine::access::IssueError;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY};
use maud::html;
use store::StoreError;

use crate::view::bare;

/// Our own style, script and connections, and nothing inline: a payload that slipped through as markup could do nothing.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

pub(crate) async fn secure(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let fixed = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (HeaderName::from_static("x-content-type-options"), "nosniff"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (REFERRER_POLICY, "same-origin"),
        (CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in fixed {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Why there is no page.
#[derive(Debug)]
pub(crate) struct Trouble {
    status: StatusCode,
    title: String,
    detail: String,
}

pub(crate) type Page = Result<maud::Markup, Trouble>;

impl Trouble {
    pub(crate) fn not_found(noun: &str) -> Self {
        let detail = "It may be older than what is kept, or of another tenant.".to_owned();
        Self { status: StatusCode::NOT_FOUND, title: format!("There is no such {noun}"), detail }
    }

    pub(crate) fn refused(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::FORBIDDEN, title: "This is not allowed".to_owned(), detail: detail.into() }
    }

    /// What was asked for was tried, and did not work.
    pub(crate) fn failed(title: &str, detail: String) -> Self {
        Self { status: StatusCode::BAD_GATEWAY, title: title.to_owned(), detail }
    }

    /// A defect of ours, which was counted and logged where it was caught.
    pub(crate) fn mistake() -> Self {
        let detail = "The gateway made a mistake, which it has counted and logged.".to_owned();
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, title: "This went wrong".to_owned(), detail }
    }

    pub(crate) fn wrong(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, title: "This cannot be done so".to_owned(), detail: detail.into() }
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(detail) => Self::wrong(detail),
            error => Self {
                status: StatusCode::SERVICE_UNAVAILABLE,
                title: "The store does not answer".to_owned(),
                detail: format!("{error}. Try again in a moment; /readyz says when it is well."),
            },
        }
    }
}

impl From<IssueError> for Trouble {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::Store(error) => error.into(),
            error @ IssueError::Invalid(_) => Self::wrong(format!("The key cannot be made so: {error}.")),
        }
    }
}

impl From<EngineError> for Trouble {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Store(error) => error.into(),
            EngineError::NotFound(detail) => {
                Self { status: StatusCode::NOT_FOUND, title: "It is not there".to_owned(), detail }
            }
            EngineError::Definition(report) => {
                let all: Vec<String> = report.errors().map(|finding| finding.message.clone()).collect();
                Self::wrong(all.join("; "))
            }
            EngineError::Specs(errors) => {
                let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
                Self::wrong(all.join("; "))
            }
            error => Self {
                status: StatusCode::CONFLICT,
                title: "This cannot be done".to_owned(),
                detail: error.to_string(),
            },
        }
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let body = bare(
            &self.title,
            &html! {
                section.card.narrow {
                    h1 { (self.title) }
                    p { (self.detail) }
                    p { a href="/" { "Back to the start" } }
                }
            },
        );
        (self.status, body).into_response()
    }
}
