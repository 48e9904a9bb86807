//! `application/x-www-form-urlencoded`, byte for byte: pairs, one field, and the sorted glue that some senders sign.

use std::borrow::Cow;

/// Most fields of a form that is sorted for a signature: a larger one is no webhook.
const FIELDS_MAX: usize = 10_000;

/// The field comes more than once, so that it has no one value.
#[derive(Debug)]
pub(crate) struct Repeated;

/// The pairs in order, decoded.
fn pairs(form: &[u8]) -> impl Iterator<Item = (Cow<'_, [u8]>, Cow<'_, [u8]>)> {
    form.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=');
        let (name, value) = equals.map_or((pair, &[][..]), |at| (&pair[..at], &pair[at + 1..]));
        (decode(name), decode(value))
    })
}

/// `+` is a space, `%41` is `A`, and a `%` without two digits is itself.
fn decode(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'+' => out.push(b' '),
            b'%' => match escaped(after) {
                Some(value) => {
                    out.push(value);
                    rest = &after[2..];
                }
                None => out.push(b'%'),
            },
            other => out.push(other),
        }
    }
    Cow::Owned(out)
}

/// The byte that two hexadecimal digits at the front stand for.
pub(crate) fn escaped(digits: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*digits.get(at)?).to_digit(16);
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

/// The value of one field.
pub(crate) fn field<'a>(form: &'a [u8], name: &str) -> Result<Option<Cow<'a, [u8]>>, Repeated> {
    let mut found = pairs(form).filter(|(key, _)| **key == *name.as_bytes()).map(|(_, value)| value);
    let first = found.next();
    if found.next().is_some() { Err(Repeated) } else { Ok(first) }
}

/// Names and values glued together in the order of the names; equal pairs count once, as the senders' own
/// libraries do it. `None` if there are too many.
pub(crate) fn sorted(form: &[u8]) -> Option<Vec<u8>> {
    let mut all: Vec<_> = pairs(form).take(FIELDS_MAX + 1).collect();
    if all.len() > FIELDS_MAX {
        return None;
    }
    all.sort_unstable();
    all.dedup();
    let mut out = Vec::with_capacity(form.len());
    for (name, value) in all {
        out.extend_from_slice(&name);
        out.extend_from_slice(&value);
    }
    Some(out)
}

/// Decodes `%xx` only where it stands for one of `characters`.
pub(crate) fn decode_only(text: &[u8], characters: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let decoded =
            (byte == b'%').then(|| escaped(after)).flatten().filter(|value| characters.as_bytes().contains(value));
        match decoded {
            Some(value) => {
                out.push(value);
                rest = &after[2..];
            }
            None => out.push(byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_are_decoded_and_sorted() {
        let form = b"b=2&a=x%20y+z&a=1&&c&b=2&d=%zz%4";
        assert_eq!(sorted(form).as_deref(), Some(b"a1ax y zb2cd%zz%4".as_slice()));
        assert_eq!(field(form, "c").ok().flatten().as_deref(), Some(b"".as_slice()));
        assert!(field(form, "a").is_err(), "two values are no value");
        assert_eq!(decode_only(b"%2F%41%3a%", ":/"), b"/%41:%");
    }

    #[test]
    fn a_form_of_too_many_fields_is_not_sorted() {
        assert_eq!(sorted(&b"a&".repeat(FIELDS_MAX + 1)), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = (sorted(&bytes), field(&bytes, "a").is_ok(), decode_only(&bytes, "/:"));
        }
    }
}
