//! Just enough DER and PEM to take a public key out of its X.509 wrapping. Reads attacker-free input
//! (a configured key) and still never panics on any bytes.

use super::secret::decode_base64;

pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;

/// The key inside a SubjectPublicKeyInfo: `SEQUENCE { SEQUENCE algorithm, BIT STRING key }`.
pub(crate) fn public_key(spki: &[u8]) -> Option<&[u8]> {
    let (outer, rest) = element(spki, SEQUENCE)?;
    if !rest.is_empty() {
        return None;
    }
    let (_algorithm, after) = element(outer, SEQUENCE)?;
    key_bits(after)
}

pub(super) fn key_bits(input: &[u8]) -> Option<&[u8]> {
    let (bits, rest) = element(input, BIT_STRING)?;
    match (bits.split_first()?, rest) {
        // The first byte counts unused bits: keys are whole bytes.
        ((0, key), []) if !key.is_empty() => Some(key),
        _ => None,
    }
}

/// An RSAPublicKey: `SEQUENCE { INTEGER n, INTEGER e }`.
pub(crate) fn rsa_public_key(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let inside = [integer(modulus), integer(exponent)].concat();
    written(SEQUENCE, &inside)
}

/// A positive number, in as few bytes as it needs.
fn integer(number: &[u8]) -> Vec<u8> {
    let leading = number.iter().take_while(|byte| **byte == 0).count().min(number.len().saturating_sub(1));
    let number = &number[leading..];
    let sign: &[u8] = if number.first().is_some_and(|first| *first >= 0x80) { &[0] } else { &[] };
    written(INTEGER, &[sign, number].concat())
}

fn written(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = contents.len().to_be_bytes();
    let significant = &length[length.iter().take_while(|byte| **byte == 0).count()..];
    match contents.len() {
        0..=0x7f => [&[tag, contents.len() as u8], contents].concat(),
        _ => [&[tag, 0x80 | significant.len() as u8], significant, contents].concat(),
    }
}

/// The contents of the element at the front and what follows it.
pub(crate) fn element(input: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = input.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 | 0x82 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    (found == tag).then(|| rest.split_at_checked(length)).flatten()
}

/// The bytes between the first BEGIN and its END line.
pub(crate) fn pem(text: &str) -> Option<Vec<u8>> {
    let (_, from_label) = text.split_once("-----BEGIN ")?;
    let (_, after_begin) = from_label.split_once("-----")?;
    let (inside, _) = after_begin.split_once("-----END ")?;
    let base64: String = inside.chars().filter(|character| !character.is_ascii_whitespace()).collect();
    decode_base64(&base64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_ed25519_key_comes_out_of_its_wrapping() {
        let mut spki = vec![0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
        spki.extend([7; 32]);
        assert_eq!(public_key(&spki), Some([7; 32].as_slice()));
        let text =
            format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", data_encoding::BASE64.encode(&spki));
        assert_eq!(pem(&text), Some(spki.clone()));
        spki.push(0);
        assert_eq!(public_key(&spki), None, "trailing bytes");
        assert_eq!(public_key(&spki[..20]), None, "cut short");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, text: String) {
            let _ = public_key(&bytes);
            let _ = pem(&text);
        }
    }
}
