//! Compiled extracts and how each is read from a request. Reads what it is told to and nothing else.

mod listed;
mod transform;

use std::borrow::Cow;
use std::cell::OnceCell;

pub(crate) use self::listed::Listed;
use self::transform::transform;
use super::incoming::Incoming;
use super::json::{self, Found, Pointers};
use super::refusal::{Code, Refusal};
use super::spec::{Transform, UrlForm};
use super::{form, multipart, url, xml};

/// Where a value is taken from, with names settled and pointers turned into slots.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Header(Box<str>),
    Query(Box<str>),
    Form(Box<str>),
    Multipart(Box<str>),
    Json(usize),
    Xml(Box<str>),
    Method,
    Url(UrlForm),
    Path,
    Body,
    Const(Box<[u8]>),
    Sig(Box<str>),
    SortedForm,
    ListedHeaders(Box<Field>, Listed),
    /// Relative to the body; a pointer to an object and the keys that do not count.
    FirstKey(usize, Vec<Box<str>>),
    Join(Box<str>, Vec<Field>),
    Segment(Vec<Field>),
    /// A slot of the keys: only what answers with a digest reads it.
    Secret(usize),
    /// From the whole body where the view is one item of it.
    Whole(Box<Field>),
    /// From what the view's body is an item of.
    Parent(Box<Field>),
    Position,
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

/// The body that an item is part of.
trait Whole {
    fn read_whole<'v>(
        &'v self,
        field: &'v Field,
        signature: Option<&'v dyn SignatureFields>,
    ) -> Result<Option<Cow<'v, [u8]>>, Refusal>;
}

impl Whole for View<'_> {
    fn read_whole<'v>(
        &'v self,
        field: &'v Field,
        signature: Option<&'v dyn SignatureFields>,
    ) -> Result<Option<Cow<'v, [u8]>>, Refusal> {
        self.read(field, signature)
    }
}

/// What fields are read from: a request, with the bytes that count as its body and the pointers into them.
pub(crate) struct View<'a> {
    pub incoming: &'a Incoming<'a>,
    /// The request's own body, its inflated form, or one child of it.
    pub body: &'a [u8],
    pub pointers: &'a Pointers,
    /// Of an item: the body that it was split out of.
    whole: Option<&'a (dyn Whole + 'a)>,
    /// Of an item of an item: the outer one.
    parent: Option<&'a (dyn Whole + 'a)>,
    /// Of an item: its number in the request.
    position: usize,
    json: OnceCell<Found<'a>>,
}

impl<'a> View<'a> {
    pub fn new(incoming: &'a Incoming<'a>, body: &'a [u8], pointers: &'a Pointers) -> Self {
        Self { incoming, body, pointers, whole: None, parent: None, position: 0, json: OnceCell::new() }
    }

    /// A view of one item of this body.
    pub fn item<'i>(&'i self, body: &'i [u8], pointers: &'i Pointers, position: usize) -> View<'i>
    where
        'a: 'i,
    {
        View { whole: Some(self), position, ..View::new(self.incoming, body, pointers) }
    }

    /// A view of one item of this item.
    pub fn inner_item<'i>(&'i self, body: &'i [u8], pointers: &'i Pointers, position: usize) -> View<'i>
    where
        'a: 'i,
    {
        View { whole: self.whole, parent: Some(self), position, ..View::new(self.incoming, body, pointers) }
    }

    fn json(&self) -> &Found<'a> {
        self.json.get_or_init(|| self.pointers.find(self.body))
    }

    /// Whether its body turned out to be JSON, if its bytes are UTF-8, when something was looked up in it.
    pub fn is_known_json(&self) -> bool {
        self.json.get().is_some_and(|found| found.is_json)
    }

    pub fn is_form(&self) -> bool {
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

    fn multipart_field(&self, name: &str) -> Result<Option<Cow<'a, [u8]>>, Refusal> {
        let content_type = self.incoming.first_header("content-type").unwrap_or_default();
        let Some(boundary) = multipart::boundary(content_type) else { return Ok(None) };
        let field = multipart::field(self.body, boundary, name).map_err(|_| repeated("form field", name))?;
        Ok(field.map(Cow::Borrowed))
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
            UrlForm::PathAndQuery => Cow::Borrowed(url::path_and_query(configured)),
            UrlForm::WithoutQuery => Cow::Borrowed(url::without_query(configured)),
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
            Field::Multipart(name) => self.multipart_field(name)?,
            Field::Json(slot) => self.json().scalar(*slot),
            Field::Xml(path) => xml::text(self.body, path),
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
            Field::ListedHeaders(names, listed) => match self.read(names, signature)? {
                Some(list) => listed.read(&list, incoming)?.map(Cow::Owned),
                None => None,
            },
            Field::FirstKey(slot, except) => self.first_key(*slot, except),
            Field::Join(separator, of) => Some(Cow::Owned(self.join(separator, of, signature)?)),
            Field::Segment(of) => self.segment(of, signature)?.map(Cow::Owned),
            Field::Secret(_) => None,
            Field::Whole(inner) => match self.whole {
                Some(whole) => whole.read_whole(inner, signature)?,
                None => self.read(inner, signature)?,
            },
            Field::Parent(inner) => match self.parent {
                Some(parent) => parent.read_whole(inner, signature)?,
                None => self.read(inner, signature)?,
            },
            Field::Position => Some(Cow::Owned(self.position.to_string().into_bytes())),
            Field::Transformed(inner, steps) => match self.read(inner, signature)? {
                Some(value) => steps.iter().try_fold(value, transform),
                None => None,
            },
            Field::Maybe(inner) => self.read(inner, signature)?,
            Field::Unset => None,
        })
    }

    fn first_key(&self, slot: usize, except: &[Box<str>]) -> Option<Cow<'a, [u8]>> {
        let key = json::first_key(self.json().raw(slot)?, except)?;
        Some(Cow::Owned(key.into_bytes()))
    }

    fn join(&self, separator: &str, of: &[Field], signature: Option<&dyn SignatureFields>) -> Result<Vec<u8>, Refusal> {
        let mut out = Vec::new();
        for (index, field) in of.iter().enumerate() {
            if index > 0 {
                out.extend_from_slice(separator.as_bytes());
            }
            out.extend_from_slice(&self.read(field, signature)?.unwrap_or_default());
        }
        Ok(out)
    }

    fn segment(&self, of: &[Field], signature: Option<&dyn SignatureFields>) -> Result<Option<Vec<u8>>, Refusal> {
        let mut out = Vec::new();
        for field in of {
            let Some(value) = self.read(field, signature)? else { return Ok(None) };
            out.extend_from_slice(&value);
        }
        Ok(Some(out))
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::provider::incoming::{Peer, Urls};

    fn header(name: &str, value: &'static str) -> (Arc<str>, Bytes) {
        (name.into(), Bytes::from_static(value.as_bytes()))
    }

    fn read(headers: &[(Arc<str>, Bytes)], body: &str, field: &Field) -> Result<Option<String>, Code> {
        let mut pointers = Pointers::default();
        pointers.add("/a/b");
        pointers.add("");
        let urls = Urls { configured: "https://a.example/in/x?q=1", received: "http://10.0.0.1/in/x?q=1" };
        let incoming = Incoming { method: "POST", urls, headers, body: body.as_bytes(), peer: Peer::default() };
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
            (Field::Method, "", Some("POST")),
            (Field::Url(UrlForm::WithPort), "", Some("https://a.example:443/in/x?q=1")),
            (Field::Url(UrlForm::Received), "", Some("http://10.0.0.1/in/x?q=1")),
            (Field::Path, "", Some("/in/x")),
            (Field::Body, "b", Some("b")),
            (Field::SortedForm, "b=2&a=1", Some("a1b2")),
            (transformed(Field::Header("x-a".into()), vec![Transform::Lower]), "", Some("one")),
            (Field::Xml("/a/b".into()), "<a><b>7</b></a>", Some("7")),
            (Field::FirstKey(1, vec!["x".into()]), r#"{"x":1,"y":2}"#, Some("y")),
            (Field::Join(":".into(), vec![Field::Method, Field::Json(0), Field::Path]), "", Some("POST::/in/x")),
            (Field::Segment(vec![Field::Method, Field::Path]), "", Some("POST/in/x")),
            (Field::Segment(vec![Field::Method, Field::Json(0)]), "", None),
            (Field::Url(UrlForm::PathAndQuery), "", Some("/in/x?q=1")),
            (Field::Url(UrlForm::WithoutQuery), "", Some("https://a.example/in/x")),
            (Field::Secret(0), "", None),
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
