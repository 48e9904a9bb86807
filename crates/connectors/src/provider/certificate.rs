//! What is judged of an X.509 certificate: its key, when it is valid, and whom it names. Whether to believe it is for
//! who fetched it, by the host that it was pinned to.

use domain::Timestamp;
use jiff::civil::DateTime;

use super::der::{self, INTEGER, SEQUENCE};
use super::secret::Window;

const SET: u8 = 0x31;
const OBJECT: u8 = 0x06;
const BOOLEAN: u8 = 0x01;
const OCTET_STRING: u8 = 0x04;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
/// A dNSName among alternative names.
const DNS_NAME: u8 = 0x82;
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];
/// Most names that are read.
const NAMES_MAX: usize = 100;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Certificate<'a> {
    pub key: &'a [u8],
    pub window: Window,
    /// Alternative names; without any, the common name.
    pub names: Vec<String>,
}

/// Reads a certificate in DER.
pub(crate) fn read(certificate: &[u8]) -> Option<Certificate<'_>> {
    let (outer, rest) = der::element(certificate, SEQUENCE)?;
    if !rest.is_empty() {
        return None;
    }
    let (signed, _) = der::element(outer, SEQUENCE)?;
    let after_version = der::element(signed, VERSION).map_or(signed, |(_, after)| after);
    let (_serial, after) = der::element(after_version, INTEGER)?;
    let (_algorithm, after) = der::element(after, SEQUENCE)?;
    let (_issuer, after) = der::element(after, SEQUENCE)?;
    let (validity, after) = der::element(after, SEQUENCE)?;
    let (subject, after) = der::element(after, SEQUENCE)?;
    let (spki, after) = der::element(after, SEQUENCE)?;
    let (_algorithm, bits) = der::element(spki, SEQUENCE)?;
    let key = der::key_bits(bits)?;
    let mut names = alternative_names(after);
    if names.is_empty() {
        names.extend(common_name(subject));
    }
    let (not_before, rest) = time(validity)?;
    let (not_after, _) = time(rest)?;
    Some(Certificate { key, window: Window { not_before: Some(not_before), not_after: Some(not_after) }, names })
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`: certificates have no other forms.
fn time(input: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (text, century, rest) = match der::element(input, UTC_TIME) {
        Some((text, rest)) => {
            // RFC 5280: years from 50 on are of the last century.
            (text, if text.first()? >= &b'5' { "19" } else { "20" }, rest)
        }
        None => der::element(input, GENERALIZED_TIME).map(|(text, rest)| (text, "", rest))?,
    };
    let text = format!("{century}{}", std::str::from_utf8(text).ok()?);
    let digits = text.strip_suffix('Z').filter(|digits| digits.len() == 14)?;
    let part = |range: std::ops::Range<usize>| digits.get(range)?.parse::<i8>().ok();
    let year = digits.get(..4)?.parse().ok()?;
    let civil = DateTime::new(year, part(4..6)?, part(6..8)?, part(8..10)?, part(10..12)?, part(12..14)?, 0).ok()?;
    let zoned = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some((Timestamp::from_secs(zoned.timestamp().as_second()), rest))
}

fn common_name(mut subject: &[u8]) -> Option<String> {
    while let Some((set, rest)) = der::element(subject, SET) {
        subject = rest;
        let (attribute, _) = der::element(set, SEQUENCE)?;
        let (kind, value) = der::element(attribute, OBJECT)?;
        if kind == COMMON_NAME {
            let tag = *value.first()?;
            return text(der::element(value, tag)?.0);
        }
    }
    None
}

/// What comes after the key: the identifiers nobody uses, then the extensions.
fn alternative_names(mut after: &[u8]) -> Vec<String> {
    while let Some(&tag) = after.first() {
        let Some((contents, rest)) = der::element(after, tag) else { break };
        if tag == EXTENSIONS {
            return der::element(contents, SEQUENCE).map(|(list, _)| names_of(list)).unwrap_or_default();
        }
        after = rest;
    }
    Vec::new()
}

fn names_of(mut extensions: &[u8]) -> Vec<String> {
    while let Some((extension, rest)) = der::element(extensions, SEQUENCE) {
        extensions = rest;
        let Some((kind, value)) = der::element(extension, OBJECT) else { continue };
        if kind != ALTERNATIVE_NAMES {
            continue;
        }
        let value = der::element(value, BOOLEAN).map_or(value, |(_critical, value)| value);
        let names = der::element(value, OCTET_STRING).and_then(|(octets, _)| der::element(octets, SEQUENCE));
        return names.map(|(names, _)| dns_names(names)).unwrap_or_default();
    }
    Vec::new()
}

fn dns_names(mut names: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    while let (Some(&tag), true) = (names.first(), found.len() < NAMES_MAX) {
        let Some((name, rest)) = der::element(names, tag) else { break };
        names = rest;
        if tag == DNS_NAME {
            found.extend(text(name));
        }
    }
    found
}

fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Made by openssl: common name `sender.example`, no alternative names.
    const PEM: &str = include_str!("../../tests/it/sender.example.pem");

    #[test]
    fn a_certificate_says_its_key_its_time_and_its_name() {
        let bytes = der::pem(PEM).expect("PEM");
        let read = read(&bytes).expect("a certificate");
        assert_eq!(
            (read.key.len(), read.key[0], read.names.as_slice()),
            (65, 4, ["sender.example".to_owned()].as_slice())
        );
        let (from, until) = (read.window.not_before.expect("a start"), read.window.not_after.expect("an end"));
        assert_eq!(until.since(from).as_secs(), 3650 * 24 * 60 * 60);
    }

    #[test]
    fn a_certificate_cut_short_is_none() {
        let bytes = der::pem(PEM).expect("PEM");
        assert!((0..bytes.len()).all(|length| read(&bytes[..length]).is_none()));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, at in 0usize..300, byte: u8) {
            let _ = read(&bytes);
            let mut changed = der::pem(PEM).expect("PEM");
            if let Some(place) = changed.get_mut(at) {
                *place = byte;
            }
            let _ = read(&changed);
        }
    }
}
