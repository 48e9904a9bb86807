//! What handlers take out of a request. Whatever does not fit becomes a problem that says where and why.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::problem::{Code, Fault, Problem};

/// The query string, every parameter known and valid.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        axum::extract::Query::try_from_uri(&parts.uri).map(|query| Self(query.0)).map_err(|rejection| {
            let detail = std::error::Error::source(&rejection).map_or_else(|| rejection.to_string(), detail_of);
            Code::InvalidParameter.because(format!("The query string is not valid: {detail}."))
        })
    }
}

fn detail_of(error: &(dyn std::error::Error + 'static)) -> String {
    error.to_string()
}

/// The one parameter of a path, parsed as an id or name.
pub struct Named<T>(pub T);

impl<T: FromStr<Err: Display> + Send> FromRequestParts<App> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let params = path_params(parts, app).await?;
        Ok(Self(parsed(&params, 0)?))
    }
}

/// The two parameters of a path, in its order.
pub struct NamedPair<A, B>(pub A, pub B);

impl<A, B> FromRequestParts<App> for NamedPair<A, B>
where
    A: FromStr<Err: Display> + Send,
    B: FromStr<Err: Display> + Send,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let params = path_params(parts, app).await?;
        Ok(Self(parsed(&params, 0)?, parsed(&params, 1)?))
    }
}

/// The three parameters of a path, in its order.
pub struct NamedThree<A, B, C>(pub A, pub B, pub C);

impl<A, B, C> FromRequestParts<App> for NamedThree<A, B, C>
where
    A: FromStr<Err: Display> + Send,
    B: FromStr<Err: Display> + Send,
    C: FromStr<Err: Display> + Send,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let params = path_params(parts, app).await?;
        Ok(Self(parsed(&params, 0)?, parsed(&params, 1)?, parsed(&params, 2)?))
    }
}

async fn path_params(parts: &mut Parts, app: &App) -> Result<RawPathParams, Problem> {
    let params = RawPathParams::from_request_parts(parts, app).await;
    params.map_err(|_| Code::InvalidParameter.because("The path holds bytes that are not UTF-8."))
}

/// The parameter at this place of the path, or what is wrong with it, by the name that the documentation gives it.
fn parsed<T: FromStr<Err: Display>>(params: &RawPathParams, place: usize) -> Result<T, Problem> {
    let (name, text) = params.iter().nth(place).unwrap_or(("path", ""));
    text.parse().map_err(|error: T::Err| Problem::parameter(name, error.to_string()))
}

/// A JSON body, every field known and valid.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        if !is_json(&parts.headers) {
            return Err(Code::UnsupportedMediaType.because("Send the body as JSON with content-type application/json."));
        }
        let bytes = read_body(Request::from_parts(parts, body), app).await?;
        parse_json(&bytes).map(Self)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    if headers.get(http::header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return false;
    }
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
        || essence.rsplit_once('+').is_some_and(|(_, suffix)| suffix.eq_ignore_ascii_case("json"))
}

/// The whole body, within the limit of its route.
pub async fn read_body(request: Request, app: &App) -> Result<Bytes, Problem> {
    Bytes::from_request(request, app).await.map_err(|rejection| body_problem(&rejection))
}

fn body_problem(rejection: &BytesRejection) -> Problem {
    if let BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) = rejection {
        return Code::BodyTooLarge.because("The body is larger than this route takes.");
    }
    let mut cause = std::error::Error::source(rejection);
    while let Some(error) = cause {
        if error.is::<crate::guard::BodyTooSlow>() {
            return Code::BodyTimeout.because("The body did not arrive in time; send it again.");
        }
        cause = error.source();
    }
    Code::BodyIncomplete.because("The connection ended before the whole body had arrived.")
}

/// JSON of this form, or where it stops being so.
pub fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    use serde_json::error::Category;
    serde_json::from_slice(bytes).map_err(|error| {
        let text = error.to_string();
        match error.classify() {
            Category::Data => {
                let field = field_at_fault::<T>(bytes, &text);
                Code::InvalidBody.because(format!("{text}.")).with(vec![Fault { field, detail: text }])
            }
            _ if text.starts_with("recursion limit") => {
                Code::JsonTooDeep.because(format!("Nested too deeply at line {}.", error.line()))
            }
            Category::Eof => Code::InvalidJson.because(format!("The JSON ends too early: {text}.")),
            Category::Syntax | Category::Io => Code::InvalidJson.because(format!("This is not JSON: {text}.")),
        }
    })
}

/// Where in the body the mistake is, as `filter.source`; the body as a whole if it is of another kind altogether.
/// Read once more, because keeping track of the place costs every good body.
fn field_at_fault<T: DeserializeOwned>(bytes: &[u8], text: &str) -> String {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let path = serde_path_to_error::deserialize::<_, T>(&mut deserializer).err().map(|error| error.path().to_string());
    let path = path.filter(|path| path != ".").unwrap_or_default();
    match named(text) {
        Some(name) if path != name && !path.ends_with(&format!(".{name}")) => {
            [path.as_str(), name].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".")
        }
        _ if path.is_empty() => "body".to_owned(),
        _ => path,
    }
}

/// The field that a message is about, where it is the field itself that is too much or missing.
fn named(text: &str) -> Option<&str> {
    let is_about = ["unknown field `", "missing field `", "duplicate field `"].into_iter();
    is_about.filter_map(|begin| text.strip_prefix(begin)).find_map(|rest| rest.split('`').next())
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its parsing is tested")]
    struct Form {
        name: String,
        #[serde(default)]
        count: u8,
        #[serde(default)]
        tree: serde_json::Value,
        inner: Option<Box<Self>>,
    }

    #[test]
    fn bodies_that_do_not_fit_are_told_what_and_where() {
        let deep = format!("{{\"name\":\"a\",\"tree\":{}1{}}}", "[".repeat(200), "]".repeat(200));
        let cases: &[(&str, Code, &str)] = &[
            ("", Code::InvalidJson, "line 1 column 0"),
            ("{\"name\":", Code::InvalidJson, "line 1"),
            ("{\n \"name\" 1}", Code::InvalidJson, "line 2 column"),
            ("\u{feff}{}", Code::InvalidJson, "line 1"),
            ("{\"name\":\"a\",}", Code::InvalidJson, "line 1 column 13"),
            ("{}", Code::InvalidBody, "missing field `name`"),
            ("[]", Code::InvalidBody, "line 1"),
            ("{\"name\":\"a\",\"nmae\":1}", Code::InvalidBody, "unknown field `nmae`"),
            ("{\"name\":\"a\",\"count\":300}", Code::InvalidBody, "300"),
            ("{\"name\":\"a\",\"name\":\"b\"}", Code::InvalidBody, "duplicate field `name`"),
            (&deep, Code::JsonTooDeep, "line 1"),
        ];
        for (text, code, says) in cases {
            let problem = parse_json::<Form>(text.as_bytes()).expect_err(text);
            assert_eq!(problem.code, *code, "{text}: {problem}");
            assert!(problem.detail.contains(says), "{text}: {problem}");
        }
        assert!(parse_json::<Form>(b"\xff\xfe").is_err());
    }

    #[test]
    fn the_field_at_fault_is_named_by_its_place() {
        let table = [
            (r#"{"name":"a","x":1}"#, "x"),
            (r#"{"count":1}"#, "name"),
            (r#"{"name":"a","name":"b"}"#, "name"),
            (r#"{"name":1}"#, "name"),
            (r#"{"name":"a","count":-1}"#, "count"),
            (r#"{"name":"a","inner":{"name":"a","count":"1"}}"#, "inner.count"),
            (r#"{"name":"a","inner":{"name":"a","x":"1"}}"#, "inner.x"),
            (r#"{"name":"a","inner":{}}"#, "inner.name"),
            ("5", "body"),
            ("null", "body"),
        ];
        for (text, field) in table {
            let problem = parse_json::<Form>(text.as_bytes()).expect_err(text);
            assert_eq!(problem.errors[0].field, field, "{text}: {problem}");
        }
    }

    #[test]
    fn only_plain_json_is_json() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            pairs.iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect()
        };
        for value in ["application/json", "Application/JSON; charset=utf-8", "application/vnd.x+json"] {
            assert!(is_json(&headers(&[("content-type", value)])), "{value}");
        }
        for pairs in [
            &[][..],
            &[("content-type", "text/plain")],
            &[("content-type", "application/jsonx")],
            &[("content-type", "application/json"), ("content-encoding", "gzip")],
        ] {
            assert!(!is_json(&headers(pairs)), "{pairs:?}");
        }
    }
}
