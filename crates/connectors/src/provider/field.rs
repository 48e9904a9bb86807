//! Compiled extracts and how each is read from a request. Reads what it is told to and nothing else.

use std::borrow::Cow;
use std::cell::OnceCell;

use super::digest::{Hash, encode};
use super::incoming::Incoming;
use super::json::{Found, Pointers};
use super::refusal::{Code, Refusal};
use super::spec::{Encoding, Transform, UrlForm};
use super::{form, url};

/// Where a value is taken from, with names settled and pointers turned into slots.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Header(Box<str>),
    Query(Box<str>),
    Form(Box<str>),
    Json(usize),
    /// The name, where there is anything at the place.
    NameOf(usize, Box<[u8]>),
    Method,
    Url(UrlForm),
    Path,
    Body,
    Const(Box<[u8]>),
    Sig(Box<str>),
    SortedForm,
    Transformed(Box<Field>, Vec<Transform>),
    Maybe(Box<Field>),
    /// Its setting is not set.
    Unset,
}

/// Fields of a signature's header besides the signature, such as Stripe's `t`.
pub(crate) trait SignatureFields {
    /// `Err` if the field comes more than once.
    fn get(&self, name: &str) -> Result<Option<&[u8]>, Refusal>;
}

/// What fields are read from: a request, with the bytes that count as its body and the pointers into them.
pub(crate) struct View<'a> {
    pub incoming: &'a Incoming<'a>,
    /// The request's own body, its inflated form, or one child of it.
    pub body: &'a [u8],
    pub pointers: &'a Pointers,
    json: OnceCell<Found<'a>>,
}

impl<'a> View<'a> {
    pub fn new(incoming: &'a Incoming<'a>, body: &'a [u8], pointers: &'a Pointers) -> Self {
        Self { incoming, body, pointers, json: OnceCell::new() }
    }

    fn json(&self) -> &Found<'a> {
        self.json.get_or_init(|| self.pointers.find(self.body))
    }

    fn is_form(&self) -> bool {
        let content_type = self.incoming.first_header("content-type").unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
    }

    fn form_field(&self, name: &str) -> Result<Option<Cow<'a, [u8]>>, Refusal> {
        if !self.is_form() {
            return Ok(None);
        }
        form::field(self.body, name).map_err(|_| repeated("form field", name))
    }

    fn sorted_form(&self) -> Result<Option<Cow<'a, [u8]>>, Refusal> {
        if !self.is_form() {
            return Ok(None);
        }
        match form::sorted(self.body) {
            Some(sorted) => Ok(Some(Cow::Owned(sorted))),
            None => Err(Refusal::new(Code::BodyUnreadable, "the form has more fields than a webhook can have")),
        }
    }

    fn url(&self, form: UrlForm) -> Cow<'a, [u8]> {
        let configured = self.incoming.urls.configured;
        let text = match form {
            UrlForm::Configured => Cow::Borrowed(configured),
            UrlForm::Received => Cow::Borrowed(self.incoming.urls.received),
            UrlForm::WithPort => url::with_port(configured),
            UrlForm::WithoutPort => url::without_port(configured),
        };
        into_bytes(text)
    }

    /// The value, or `None` where it is absent. `Err` only where the request contradicts itself.
    pub fn read<'v>(
        &'v self,
        field: &'v Field,
        signature: Option<&'v dyn SignatureFields>,
    ) -> Result<Option<Cow<'v, [u8]>>, Refusal> {
        let incoming = self.incoming;
        Ok(match field {
            Field::Header(name) => incoming.header(name)?.map(Cow::Borrowed),
            Field::Query(name) => {
                url::query(incoming.urls.configured, name).map_err(|_| repeated("query field", name))?
            }
            Field::Form(name) => self.form_field(name)?,
            Field::Json(slot) => self.json().scalar(*slot),
            Field::NameOf(slot, name) => self.json().raw(*slot).map(|_| Cow::Borrowed(&**name)),
            Field::Method => Some(Cow::Borrowed(incoming.method.as_bytes())),
            Field::Url(form) => Some(self.url(*form)),
            Field::Path => Some(Cow::Borrowed(url::path(incoming.urls.configured).as_bytes())),
            Field::Body => Some(Cow::Borrowed(self.body)),
            Field::Const(bytes) => Some(Cow::Borrowed(bytes)),
            Field::Sig(name) => match signature {
                Some(fields) => fields.get(name)?.map(Cow::Borrowed),
                None => None,
            },
            Field::SortedForm => self.sorted_form()?,
            Field::Transformed(inner, steps) => match self.read(inner, signature)? {
                Some(value) => steps.iter().try_fold(value, transform),
                None => None,
            },
            Field::Maybe(inner) => self.read(inner, signature)?,
            Field::Unset => None,
        })
    }

    /// Whether there is anything at the place: an object counts too, an empty text does not.
    pub fn is_present(&self, field: &Field) -> Result<bool, Refusal> {
        if let Field::Json(slot) = field {
            return Ok(self.json().raw(*slot).is_some_and(|raw| raw != "\"\""));
        }
        Ok(self.read(field, None)?.is_some_and(|value| !value.is_empty()))
    }

    /// A value as text, for what is named and not signed; empty counts as absent.
    pub fn text<'v>(&'v self, field: &'v Field) -> Result<Option<Cow<'v, str>>, Refusal> {
        let value = self.read(field, None)?;
        Ok(value.filter(|value| !value.is_empty()).map(lossy))
    }
}

fn repeated(kind: &str, name: &str) -> Refusal {
    Refusal::new(Code::BodyUnreadable, format!("the {kind} '{name}' comes more than once"))
}

fn lossy(bytes: Cow<'_, [u8]>) -> Cow<'_, str> {
    match bytes {
        Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

fn into_bytes(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

fn transform<'v>(value: Cow<'v, [u8]>, step: &Transform) -> Option<Cow<'v, [u8]>> {
    match step {
        Transform::Lower => Some(Cow::Owned(value.to_ascii_lowercase())),
        Transform::Only(text) => (*value == *text.as_bytes()).then_some(value),
        Transform::TrimPrefix(prefix) => {
            value.strip_prefix(prefix.as_bytes())?;
            Some(cut(value, prefix.len(), usize::MAX))
        }
        Transform::Before(mark) => {
            let end = find(&value, mark.as_bytes()).unwrap_or(value.len());
            Some(cut(value, 0, end))
        }
        Transform::After(mark) => {
            let start = find(&value, mark.as_bytes())? + mark.len();
            Some(cut(value, start, usize::MAX))
        }
        Transform::PercentDecode(characters) => Some(Cow::Owned(form::decode_only(&value, characters))),
        Transform::Sha256(encoding) => Some(Cow::Owned(sha256(&value, *encoding).into_bytes())),
    }
}

fn sha256(value: &[u8], encoding: Encoding) -> String {
    encode(Hash::Sha256.of(&[value]).as_ref(), encoding)
}

fn find(value: &[u8], mark: &[u8]) -> Option<usize> {
    value.windows(mark.len().max(1)).position(|window| window == mark)
}

fn cut(value: Cow<'_, [u8]>, start: usize, end: usize) -> Cow<'_, [u8]> {
    let end = end.min(value.len());
    match value {
        Cow::Borrowed(bytes) => Cow::Borrowed(&bytes[start..end]),
        Cow::Owned(bytes) => Cow::Owned(bytes[start..end].to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::provider::incoming::Urls;

    fn header(name: &str, value: &'static str) -> (Arc<str>, Bytes) {
        (name.into(), Bytes::from_static(value.as_bytes()))
    }

    fn read(headers: &[(Arc<str>, Bytes)], body: &str, field: &Field) -> Result<Option<String>, Code> {
        let mut pointers = Pointers::default();
        pointers.add("/a/b");
        let urls = Urls { configured: "https://a.example/in/x?q=1", received: "http://10.0.0.1/in/x?q=1" };
        let incoming = Incoming { method: "POST", urls, headers, body: body.as_bytes() };
        let view = View::new(&incoming, incoming.body, &pointers);
        match view.read(field, None) {
            Ok(value) => Ok(value.map(|value| String::from_utf8_lossy(&value).into_owned())),
            Err(refusal) => Err(refusal.code),
        }
    }

    #[test]
    fn every_place_is_read() {
        let headers = [header("x-a", "One"), header("content-type", "application/x-www-form-urlencoded; charset=x")];
        let transformed = |field, steps| Field::Transformed(Box::new(field), steps);
        for (field, body, expected) in [
            (Field::Header("x-a".into()), "", Some("One")),
            (Field::Header("x-b".into()), "", None),
            (Field::Query("q".into()), "", Some("1")),
            (Field::Form("f".into()), "f=%41", Some("A")),
            (Field::Json(0), r#"{"a":{"b":7}}"#, Some("7")),
            (Field::NameOf(0, (*b"b").into()), r#"{"a":{"b":{"c":1}}}"#, Some("b")),
            (Field::NameOf(0, (*b"b").into()), r#"{"a":{"b":null}}"#, None),
            (Field::Method, "", Some("POST")),
            (Field::Url(UrlForm::WithPort), "", Some("https://a.example:443/in/x?q=1")),
            (Field::Url(UrlForm::Received), "", Some("http://10.0.0.1/in/x?q=1")),
            (Field::Path, "", Some("/in/x")),
            (Field::Body, "b", Some("b")),
            (Field::SortedForm, "b=2&a=1", Some("a1b2")),
            (transformed(Field::Header("x-a".into()), vec![Transform::Lower]), "", Some("one")),
            (transformed(Field::Const((*b"a/b/c").into()), vec![Transform::Before("/".into())]), "", Some("a")),
            (transformed(Field::Const((*b"a/b/c").into()), vec![Transform::After("/".into())]), "", Some("b/c")),
            (transformed(Field::Const((*b"pre-x").into()), vec![Transform::TrimPrefix("pre-".into())]), "", Some("x")),
            (transformed(Field::Const((*b"x").into()), vec![Transform::Only("x".into())]), "", Some("x")),
            (transformed(Field::Const((*b"xy").into()), vec![Transform::Only("x".into())]), "", None),
            (transformed(Field::Const((*b"x").into()), vec![Transform::TrimPrefix("pre-".into())]), "", None),
            (
                transformed(Field::Body, vec![Transform::Sha256(Encoding::Hex)]),
                "",
                Some("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ),
            (Field::Unset, "", None),
        ] {
            assert_eq!(read(&headers, body, &field), Ok(expected.map(str::to_owned)), "{field:?}");
        }
    }

    #[test]
    fn a_form_is_read_only_where_the_body_is_one() {
        let json = [header("content-type", "application/json")];
        for field in [Field::Form("f".into()), Field::SortedForm] {
            assert_eq!(read(&json, "f=1", &field), Ok(None));
        }
    }

    #[test]
    fn a_header_that_comes_twice_has_no_value() {
        let twice = [header("x-a", "1"), header("x-a", "1")];
        assert_eq!(read(&twice, "", &Field::Header("x-a".into())), Err(Code::DuplicateHeader));
        assert_eq!(read(&[header("x-a", "")], "", &Field::Header("x-a".into())), Ok(None));
    }
}
