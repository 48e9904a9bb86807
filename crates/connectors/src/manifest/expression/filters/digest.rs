//! Digests and base64.

use data_encoding::{BASE64, HEXLOWER};
use md5::{Digest as _, Md5};
use ring::digest as sha;

use crate::manifest::expression::arguments::Given;
use crate::manifest::expression::evaluate::Run;
use crate::manifest::expression::fault::{Eval, Fault};
use crate::manifest::expression::value::Value;

/// Names of the reference's digests that are there but have no place in a connector.
const UNSUPPORTED: [&str; 7] = ["sha224", "blake2b", "blake2s", "sha3_224", "sha3_256", "sha3_384", "sha3_512"];
/// What stands beside the digests in the reference's library and is called like one, with too few arguments.
const NO_DIGESTS: [&str; 8] = [
    "new",
    "pbkdf2_hmac",
    "scrypt",
    "file_digest",
    "shake_128",
    "shake_256",
    "algorithms_available",
    "algorithms_guaranteed",
];

pub(super) fn hash<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [kind, salt] = arguments.bind("hash", ["hash_type", "salt"], 0)?;
    let kind = match &kind {
        None => "md5",
        Some(Value::Text(kind)) => kind.as_str(),
        Some(_) => return Err(Fault::wrong_type("names a digest by no text")),
    };
    let mut input = run.str(&value)?;
    if let Some(salt) = salt.filter(Value::truth) {
        input.push_str(&run.str(&salt)?);
    }
    let digest = match kind {
        "md5" => Md5::digest(input.as_bytes()).to_vec(),
        "sha1" => sha::digest(&sha::SHA1_FOR_LEGACY_USE_ONLY, input.as_bytes()).as_ref().to_vec(),
        "sha256" => sha::digest(&sha::SHA256, input.as_bytes()).as_ref().to_vec(),
        "sha384" => sha::digest(&sha::SHA384, input.as_bytes()).as_ref().to_vec(),
        "sha512" => sha::digest(&sha::SHA512, input.as_bytes()).as_ref().to_vec(),
        other if UNSUPPORTED.contains(&other) => {
            return Err(Fault::unsupported(format!("uses the digest {other:?}: use \"sha256\"")));
        }
        other if NO_DIGESTS.contains(&other) => {
            return Err(Fault::wrong_type(format!("uses {other:?}, which is no digest")));
        }
        other => return Err(Fault::value(format!("uses the digest {other:?}, which there is not"))),
    };
    Ok(Value::from(HEXLOWER.encode(&digest)))
}

pub(super) fn hmac<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [key, kind] = arguments.bind("hmac", ["key", "hash_type"], 1)?;
    let kind = kind.unwrap_or_else(|| Value::from("sha256"));
    crate::manifest::expression::mappings::hashable(&kind)?;
    if kind.as_str() != Some("sha256") {
        return Err(Fault::value("makes an hmac with a digest other than \"sha256\""));
    }
    let key = run.str(&key.unwrap_or(Value::None))?;
    let message = run.str(&value)?;
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key.as_bytes());
    Ok(Value::from(HEXLOWER.encode(ring::hmac::sign(&key, message.as_bytes()).as_ref())))
}

/// A text, as these filters need it: anything else has no `encode`, which is an undefined attribute in Python's sense of
/// an AttributeError, a failure.
fn text_of<'v>(value: &'v Value<'_>) -> Eval<&'v str> {
    match value {
        Value::Text(text) => Ok(text.as_str()),
        Value::Undefined(_) => Err(value.undefined_fault()),
        other => Err(Fault::value(format!("encodes a {}, which is no text", other.type_name()))),
    }
}

pub(super) fn base64_encode<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [] = arguments.bind("base64encode", [], 0)?;
    let text = text_of(&value)?;
    run.budget.text(text.len() * 2)?;
    Ok(Value::from(BASE64.encode(text.as_bytes())))
}

/// Despite its name it encodes, as the reference does.
pub(super) fn base64_of_ascii<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    if !text_of(&value)?.is_ascii() {
        return Err(Fault::value("encodes a text that is not ASCII"));
    }
    base64_encode(run, value, arguments)
}

/// Leniently: what is no base64 is skipped, and what follows complete padding is not read.
pub(super) fn base64_decode<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [] = arguments.bind("base64decode", [], 0)?;
    let text = text_of(&value)?;
    run.budget.text(text.len())?;
    let bytes = decoded(text).ok_or_else(|| Fault::value("decodes what is not base64"))?;
    String::from_utf8(bytes).map(Value::from).map_err(|_| Fault::value("decodes base64 that is no UTF-8"))
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut quad, mut pads) = (Vec::new(), 0_u32, 0, 0);
    for byte in text.bytes() {
        if byte == b'=' {
            pads += 1;
            if quad >= 2 && quad + pads >= 4 {
                return Some(bytes);
            }
            continue;
        }
        let Some(value) = sextet(byte) else { continue };
        pads = 0;
        bits = bits << 6 | value;
        quad = (quad + 1) % 4;
        if quad != 1 {
            let shift = [0, 0, 4, 2][quad];
            bytes.push(u8::try_from(bits >> shift & 0xff).unwrap_or_default());
        }
    }
    (quad == 0).then_some(bytes)
}

fn sextet(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}
