//! The fixed list of what may be done to a value. A step that does not fit its value makes it absent, never wrong.

use std::borrow::Cow;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};

use crate::provider::digest::{Hash, encode};
use crate::provider::json::Pointers;
use crate::provider::secret::decode_base64;
use crate::provider::spec::{Encoding, Transform};
use crate::provider::{form, jws, xml};

type Value<'v> = Cow<'v, [u8]>;

pub(super) fn transform<'v>(value: Value<'v>, step: &Transform) -> Option<Value<'v>> {
    Some(match step {
        Transform::Lower => Cow::Owned(value.to_ascii_lowercase()),
        Transform::Upper => Cow::Owned(value.to_ascii_uppercase()),
        Transform::Only(text) => {
            (*value == *text.as_bytes()).then_some(())?;
            value
        }
        Transform::TrimPrefix(prefix) => {
            value.strip_prefix(prefix.as_bytes())?;
            cut(value, prefix.len(), usize::MAX)
        }
        Transform::MaybePrefix(prefix) if value.starts_with(prefix.as_bytes()) => cut(value, prefix.len(), usize::MAX),
        Transform::MaybePrefix(_) => value,
        Transform::TrimSuffix(suffix) => {
            let end = value.strip_suffix(suffix.as_bytes())?.len();
            cut(value, 0, end)
        }
        Transform::Before(mark) => {
            let end = find(&value, mark.as_bytes()).unwrap_or(value.len());
            cut(value, 0, end)
        }
        Transform::After(mark) => {
            let start = find(&value, mark.as_bytes())? + mark.len();
            cut(value, start, usize::MAX)
        }
        Transform::PercentDecode(characters) => Cow::Owned(form::decode_only(&value, characters)),
        Transform::Sha256(encoding) => Cow::Owned(sha256(&value, *encoding).into_bytes()),
        Transform::Crc32 => Cow::Owned(crc32fast::hash(&value).to_string().into_bytes()),
        // Some senders break it into lines.
        Transform::Base64Decode => Cow::Owned(decode_base64(&lines_joined(&value)?)?),
        Transform::Base64urlDecode => Cow::Owned(BASE64URL_NOPAD.decode(unpadded(&value)).ok()?),
        Transform::HexDecode => Cow::Owned(HEXLOWER_PERMISSIVE.decode(&value).ok()?),
        Transform::Json(pointer) => Cow::Owned(scalar_at(&value, pointer)?),
        Transform::Xml(path) => Cow::Owned(xml::text(&value, path)?.into_owned()),
        Transform::JwsPayload => Cow::Owned(jws::payload(&value)?),
    })
}

fn lines_joined(value: &[u8]) -> Option<String> {
    Some(std::str::from_utf8(value).ok()?.split_ascii_whitespace().collect())
}

/// The scalar at a pointer of a JSON text.
fn scalar_at(json: &[u8], pointer: &str) -> Option<Vec<u8>> {
    let mut pointers = Pointers::default();
    let slot = pointers.add(pointer);
    pointers.find(json).scalar(slot).map(Cow::into_owned)
}

fn unpadded(text: &[u8]) -> &[u8] {
    text.strip_suffix(b"==").or(text.strip_suffix(b"=")).unwrap_or(text)
}

fn sha256(value: &[u8], encoding: Encoding) -> String {
    encode(Hash::Sha256.of(&[value]).as_ref(), encoding)
}

fn find(value: &[u8], mark: &[u8]) -> Option<usize> {
    memchr::memmem::find(value, mark)
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
    use super::*;

    #[test]
    fn each_step_makes_its_value_or_none() {
        for (value, step, expected) in [
            ("aB", Transform::Lower, Some("ab")),
            ("aB", Transform::Upper, Some("AB")),
            ("x", Transform::Only("x".into()), Some("x")),
            ("xy", Transform::Only("x".into()), None),
            ("pre-x", Transform::TrimPrefix("pre-".into()), Some("x")),
            ("x", Transform::TrimPrefix("pre-".into()), None),
            ("pre-x", Transform::MaybePrefix("pre-".into()), Some("x")),
            ("x", Transform::MaybePrefix("pre-".into()), Some("x")),
            ("x-end", Transform::TrimSuffix("-end".into()), Some("x")),
            ("x", Transform::TrimSuffix("-end".into()), None),
            ("a/b/c", Transform::Before("/".into()), Some("a")),
            ("a/b/c", Transform::After("/".into()), Some("b/c")),
            ("a", Transform::After("/".into()), None),
            ("%2F%41", Transform::PercentDecode("/".into()), Some("/%41")),
            ("123456789", Transform::Crc32, Some("3421780262")),
            ("YQ==", Transform::Base64Decode, Some("a")),
            ("YQ", Transform::Base64Decode, Some("a")),
            ("Y\nQ==\n", Transform::Base64Decode, Some("a")),
            ("Pz8_", Transform::Base64urlDecode, Some("???")),
            ("*", Transform::Base64Decode, None),
            ("6A", Transform::HexDecode, Some("j")),
            ("6", Transform::HexDecode, None),
            (r#"{"a":{"b":[7]}}"#, Transform::Json("/a/b/0".into()), Some("7")),
            ("{", Transform::Json("/a".into()), None),
            ("<a><b>7</b></a>", Transform::Xml("/a/b".into()), Some("7")),
            ("e30.eyJhIjoxfQ.c2ln", Transform::JwsPayload, Some(r#"{"a":1}"#)),
            ("e30.eyJhIjoxfQ", Transform::JwsPayload, None),
            ("", Transform::Sha256(Encoding::Base64), Some("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")),
        ] {
            let made = transform(Cow::Borrowed(value.as_bytes()), &step);
            let made = made.map(|made| String::from_utf8_lossy(&made).into_owned());
            assert_eq!(made.as_deref(), expected, "{value} by {step:?}");
        }
    }
}
