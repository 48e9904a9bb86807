//! Takes a signature header apart: the candidates it offers and the other fields it carries.

use super::field::{Field, SignatureFields, View};
use super::program::{Parse, Signature};
use super::refusal::{Code, Refusal};

/// Most signatures in one header: senders that rotate keys send two; each one costs a comparison.
const CANDIDATES_MAX: usize = 16;
/// Longest signature header that is taken apart.
const HEADER_BYTES_MAX: usize = 8 * 1024;

/// The text of a signature header with the way to read it.
pub(crate) struct Header<'a> {
    text: &'a [u8],
    parse: &'a Parse,
}

impl<'a> Header<'a> {
    pub fn new(text: &'a [u8], parse: &'a Parse) -> Result<Self, Refusal> {
        if text.len() > HEADER_BYTES_MAX {
            return Err(Refusal::new(Code::SignatureMalformed, "the signature header is longer than any signature"));
        }
        Ok(Self { text, parse })
    }

    /// The texts that may each be the signature, undecoded. Never empty.
    pub fn candidates(&self) -> Result<Vec<&'a [u8]>, Refusal> {
        let mut found = Vec::with_capacity(1);
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
        }
        found.retain(|candidate| !candidate.is_empty());
        match found.len() {
            0 => Err(Refusal::new(Code::SignatureMalformed, "the signature header holds no signature of this scheme")),
            1..=CANDIDATES_MAX => Ok(found),
            _ => Err(Refusal::new(Code::SignatureMalformed, "the signature header holds too many signatures")),
        }
    }
}

impl SignatureFields for Header<'_> {
    fn get(&self, name: &str) -> Result<Option<&[u8]>, Refusal> {
        let Parse::Kv { separator, .. } = self.parse else { return Ok(None) };
        let mut values = pairs(self.text, separator).filter(|(found, _)| *found == name.as_bytes());
        let first = values.next();
        if values.next().is_some() {
            return Err(Refusal::new(
                Code::SignatureMalformed,
                format!("the signature's '{name}' comes more than once"),
            ));
        }
        Ok(first.map(|(_, value)| value).filter(|value| !value.is_empty()))
    }
}

/// The signature header of a request.
pub(crate) fn read<'v>(view: &'v View<'_>, from: &'v Field) -> Result<std::borrow::Cow<'v, [u8]>, Refusal> {
    match view.read(from, None)? {
        Some(text) if !text.is_empty() => Ok(text),
        _ => Err(Refusal::new(Code::SignatureMissing, "the request carries no signature where this sender puts it")),
    }
}

impl Signature {
    pub fn header<'a>(&'a self, text: &'a [u8]) -> Result<Header<'a>, Refusal> {
        Header::new(text, &self.parse)
    }
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

    fn candidates(text: &str, parse: Parse) -> Result<Vec<String>, Code> {
        let found = Header::new(text.as_bytes(), &parse).and_then(|header| header.candidates());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        found.map(|found| found.into_iter().map(text).collect()).map_err(|refusal| refusal.code)
    }

    #[test]
    fn candidates_are_found_in_every_form() {
        for (text, parse, expected) in [
            ("sha256=ab", plain(), vec!["ab"]),
            ("t=1,v1=ab,v0=x,v1=cd=, v1=no", kv(), vec!["ab", "cd="]),
            ("v1,ab v1a,no v1,cd v2,x", tagged(), vec!["ab", "cd"]),
            ("ab, cd", list(), vec!["ab", "cd"]),
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
            (many.as_str(), tagged()),
            (long.as_str(), plain()),
        ] {
            assert_eq!(candidates(text, parse), Err(Code::SignatureMalformed), "{text}");
        }
    }

    #[test]
    fn other_fields_have_one_value_or_none() {
        let kv = kv();
        let get = |text: &str| {
            let header = Header::new(text.as_bytes(), &kv).expect("short enough");
            let value = header.get("t").map(|value| value.map(|value| String::from_utf8_lossy(value).into_owned()));
            value.map_err(|refusal| refusal.code)
        };
        assert_eq!(get("t=1,v1=a"), Ok(Some("1".to_owned())));
        assert_eq!(get("v1=a"), Ok(None));
        assert_eq!(get("t=1,t=2"), Err(Code::SignatureMalformed));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(text: Vec<u8>) {
            for parse in [plain(), kv(), tagged(), list()] {
                if let Ok(header) = Header::new(&text, &parse) {
                    let _ = (header.candidates().is_ok(), header.get("t").is_ok());
                }
            }
        }
    }
}
