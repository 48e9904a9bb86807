//! Takes a signature header apart: the candidates it offers and the other fields it carries.

use std::borrow::Cow;

use data_encoding::BASE64;
use memchr::memmem;

use super::field::{Field, SignatureFields, View};
use super::program::{Parse, Signature};
use super::refusal::{Code, Refusal};

/// Most signatures in one header: senders that rotate keys send two; each one costs a comparison.
const CANDIDATES_MAX: usize = 16;
/// Longest signature header that is taken apart.
const HEADER_BYTES_MAX: usize = 8 * 1024;

/// Most signatures in numbered headers: one sender lets its users have a hundred keys at once.
const NUMBERED_MAX: u8 = 100;
/// Between the values of numbered headers: no header's value holds it.
const NUMBERED_JOINT: &str = "\n";

/// Whether so many numbered headers are read.
pub(crate) fn is_numbered_max(max: u8) -> bool {
    (1..=NUMBERED_MAX).contains(&max)
}

/// The text of a signature header with the way to read it.
pub(crate) struct Header<'a> {
    text: &'a [u8],
    parse: &'a Parse,
    /// Of an object inside: its members that are scalars.
    members: Vec<(String, Vec<u8>)>,
}

impl<'a> Header<'a> {
    pub fn new(text: &'a [u8], parse: &'a Parse) -> Result<Self, Refusal> {
        if text.len() > HEADER_BYTES_MAX {
            return Err(Refusal::new(Code::SignatureMalformed, "the signature header is longer than any signature"));
        }
        let members = match parse {
            Parse::B64json { .. } => members(text).ok_or_else(|| {
                Refusal::new(Code::SignatureMalformed, "the signature header is not base64 of a JSON object")
            })?,
            _ => Vec::new(),
        };
        Ok(Self { text, parse, members })
    }

    /// The texts that may each be the signature, undecoded. Never empty.
    pub fn candidates(&self) -> Result<Vec<&[u8]>, Refusal> {
        let mut found = Vec::with_capacity(1);
        let mut most = CANDIDATES_MAX;
        match self.parse {
            Parse::Plain { prefix } => found.extend(self.text.strip_prefix(prefix.as_bytes())),
            Parse::Kv { separator, field } => {
                let pairs = pairs(self.text, separator);
                found.extend(pairs.filter(|(name, _)| *name == field.as_bytes()).map(|(_, value)| value));
            }
            Parse::Tagged { separator, mark, tag } => found.extend(split(self.text, separator).filter_map(|item| {
                item.strip_prefix(tag.as_bytes()).and_then(|rest| rest.strip_prefix(mark.as_bytes()))
            })),
            Parse::List { separator } => found.extend(split(self.text, separator)),
            Parse::Positional { separator, fields } => found.extend(split(self.text, separator).skip(fields.len())),
            Parse::Pairs { separator, mark } => {
                found.extend(split(self.text, separator).filter_map(|item| {
                    let at = memmem::find(item, mark.as_bytes())?;
                    Some(&item[at + mark.len()..])
                }));
            }
            Parse::Numbered { max } => {
                most = usize::from(*max);
                found.extend(items(self.text, NUMBERED_JOINT));
            }
            Parse::B64json { field } => found.extend(self.member(field)),
        }
        found.retain(|candidate| !candidate.is_empty());
        match found.len() {
            0 => Err(Refusal::new(Code::SignatureMalformed, "the signature header holds no signature of this scheme")),
            count if count <= most => Ok(found),
            _ => Err(Refusal::new(Code::SignatureMalformed, "the signature header holds too many signatures")),
        }
    }

    fn member(&self, name: &str) -> Option<&[u8]> {
        self.members.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_slice())
    }
}

impl SignatureFields for Header<'_> {
    fn get(&self, name: &str) -> Result<Option<&[u8]>, Refusal> {
        let mut values: Box<dyn Iterator<Item = &[u8]>> = match self.parse {
            Parse::Kv { separator, .. } => {
                let named = move |(found, value): (&'_ [u8], _)| (found == name.as_bytes()).then_some(value);
                Box::new(pairs(self.text, separator).filter_map(named))
            }
            Parse::Positional { separator, fields } => {
                let Some(at) = fields.iter().position(|field| **field == *name) else { return Ok(None) };
                Box::new(split(self.text, separator).skip(at).take(1))
            }
            Parse::B64json { .. } => Box::new(self.member(name).into_iter()),
            _ => return Ok(None),
        };
        let first = values.next();
        if values.next().is_some() {
            return Err(Refusal::new(
                Code::SignatureMalformed,
                format!("the signature's '{name}' comes more than once"),
            ));
        }
        Ok(first.filter(|value| !value.is_empty()))
    }
}

/// The scalars of an object that stands in base64; a name that comes twice makes it unreadable.
fn members(text: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let json = BASE64.decode(text).ok()?;
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&json).ok()?;
    let scalar = |(name, value): (String, serde_json::Value)| match value {
        serde_json::Value::String(text) => Some((name, text.into_bytes())),
        serde_json::Value::Number(number) => Some((name, number.to_string().into_bytes())),
        _ => None,
    };
    Some(object.into_iter().filter_map(scalar).collect())
}

impl Signature {
    /// The signature header of a request, or several numbered ones as one text.
    pub fn read<'v>(&'v self, view: &'v View<'_>) -> Result<Cow<'v, [u8]>, Refusal> {
        let text = match (&self.parse, &self.from) {
            (Parse::Numbered { max }, Field::Header(name)) => numbered(view, name, *max)?,
            _ => view.read(&self.from, None)?,
        };
        match text {
            Some(text) if !text.is_empty() => Ok(text),
            _ => {
                Err(Refusal::new(Code::SignatureMissing, "the request carries no signature where this sender puts it"))
            }
        }
    }

    pub fn header<'a>(&'a self, text: &'a [u8]) -> Result<Header<'a>, Refusal> {
        Header::new(text, &self.parse)
    }
}

fn numbered<'v>(view: &View<'_>, name: &str, max: u8) -> Result<Option<Cow<'v, [u8]>>, Refusal> {
    let mut found: Vec<&[u8]> = Vec::new();
    let is_number =
        |text: &str| !text.starts_with(['0', '+']) && text.parse().is_ok_and(|n: u8| (1..=max).contains(&n));
    for (header, _) in view.incoming.headers {
        if header.strip_prefix(name).is_some_and(is_number) {
            found.extend(view.incoming.header(header)?);
        }
    }
    Ok((!found.is_empty()).then(|| Cow::Owned(found.join(NUMBERED_JOINT.as_bytes()))))
}

/// The items of a list of signatures, without the spaces around them.
fn split<'a>(text: &'a [u8], separator: &'a str) -> impl Iterator<Item = &'a [u8]> {
    items(text, separator).map(<[u8]>::trim_ascii)
}

/// The named fields. A space before a name is part of it, as it is for the senders' own libraries.
fn pairs<'a>(text: &'a [u8], separator: &'a str) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    items(text, separator).filter_map(pair)
}

fn items<'a>(text: &'a [u8], separator: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let separator = separator.as_bytes();
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let current = rest?;
        let at = current.windows(separator.len().max(1)).position(|window| window == separator);
        rest = at.map(|at| &current[at + separator.len()..]);
        Some(at.map_or(current, |at| &current[..at]))
    })
}

fn pair(item: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = item.iter().position(|byte| *byte == b'=')?;
    Some((&item[..equals], &item[equals + 1..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain() -> Parse {
        Parse::Plain { prefix: "sha256=".into() }
    }
    fn kv() -> Parse {
        Parse::Kv { separator: ",".into(), field: "v1".into() }
    }
    fn tagged() -> Parse {
        Parse::Tagged { separator: " ".into(), mark: ",".into(), tag: "v1".into() }
    }
    fn list() -> Parse {
        Parse::List { separator: ",".into() }
    }

    fn positional() -> Parse {
        Parse::Positional { separator: ",".into(), fields: vec!["t".into()] }
    }
    fn pairs_of_keys() -> Parse {
        Parse::Pairs { separator: "&".into(), mark: "|".into() }
    }
    fn b64json() -> Parse {
        Parse::B64json { field: "signature".into() }
    }

    fn candidates(text: &str, parse: Parse) -> Result<Vec<String>, Code> {
        let text_of = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let header = Header::new(text.as_bytes(), &parse).map_err(|refusal| refusal.code)?;
        let found = header.candidates().map_err(|refusal| refusal.code)?;
        Ok(found.into_iter().map(text_of).collect())
    }

    #[test]
    fn candidates_are_found_in_every_form() {
        for (text, parse, expected) in [
            ("sha256=ab", plain(), vec!["ab"]),
            ("t=1,v1=ab,v0=x,v1=cd=, v1=no", kv(), vec!["ab", "cd="]),
            ("v1,ab v1a,no v1,cd v2,x", tagged(), vec!["ab", "cd"]),
            ("ab, cd", list(), vec!["ab", "cd"]),
            ("170,ab,cd", positional(), vec!["ab", "cd"]),
            ("k1|ab&k2|cd", pairs_of_keys(), vec!["ab", "cd"]),
            ("ab\ncd", Parse::Numbered { max: 2 }, vec!["ab", "cd"]),
            ("eyJraWQiOiJrIiwic2lnbmF0dXJlIjoiYWI9In0=", b64json(), vec!["ab="]),
        ] {
            assert_eq!(candidates(text, parse), Ok(expected.into_iter().map(str::to_owned).collect()), "{text}");
        }
    }

    #[test]
    fn headers_without_a_signature_are_malformed() {
        let many = "v1,a ".repeat(CANDIDATES_MAX + 1);
        let long = format!("sha256={}", "a".repeat(HEADER_BYTES_MAX));
        for (text, parse) in [
            ("sha1=ab", plain()),
            ("sha256=", plain()),
            ("t=1", kv()),
            ("v1=", kv()),
            ("v2,ab", tagged()),
            (",,", list()),
            ("170", positional()),
            ("ab", pairs_of_keys()),
            ("ab\ncd\nef", Parse::Numbered { max: 2 }),
            ("e30=", b64json()),
            ("ab", b64json()),
            (many.as_str(), tagged()),
            (long.as_str(), plain()),
        ] {
            assert_eq!(candidates(text, parse), Err(Code::SignatureMalformed), "{text}");
        }
    }

    #[test]
    fn other_fields_have_one_value_or_none() {
        let get_by = |text: &str, parse: &Parse| {
            let header = Header::new(text.as_bytes(), parse).expect("short enough");
            let value = header.get("t").map(|value| value.map(|value| String::from_utf8_lossy(value).into_owned()));
            value.map_err(|refusal| refusal.code)
        };
        let get = |text: &str| get_by(text, &kv());
        assert_eq!(get_by("170,ab", &positional()), Ok(Some("170".to_owned())));
        assert_eq!(get_by("eyJ0IjoiayIsInNpZ25hdHVyZSI6ImFiPSJ9", &b64json()), Ok(Some("k".to_owned())));
        assert_eq!(get("t=1,v1=a"), Ok(Some("1".to_owned())));
        assert_eq!(get("v1=a"), Ok(None));
        assert_eq!(get("t=1,t=2"), Err(Code::SignatureMalformed));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(text: Vec<u8>) {
            for parse in [plain(), kv(), tagged(), list(), positional(), pairs_of_keys(), b64json()] {
                if let Ok(header) = Header::new(&text, &parse) {
                    let _ = (header.candidates().is_ok(), header.get("t").is_ok());
                }
            }
        }
    }
}
