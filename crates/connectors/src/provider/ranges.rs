//! Reads a sender's published list of addresses. What cannot be read as a list is an error, so that whoever fetched it
//! keeps the last good one.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;
use thiserror::Error;

use super::recipe::Published;

/// Largest list that is read; the largest published one has about half of it.
pub const LIST_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most ranges of a list, each of which every request may be compared with.
const RANGES_MAX: usize = 32_768;
/// The widest range that a sender can mean: half of one of these is a whole provider's network, and a list that allows
/// everybody is a mistake or an attack.
const WIDEST_V4: u8 = 8;
const WIDEST_V6: u8 = 16;

/// Why a published list is not taken.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RangesError {
    #[error("it is a page for people: write the addresses into `allow_from` by hand")]
    Page,
    #[error("it has more than {LIST_BYTES_MAX} bytes")]
    TooLarge,
    #[error("it is no JSON: {0}")]
    NotJson(String),
    #[error("it holds no addresses where they are expected")]
    Empty,
    #[error("it holds more than {RANGES_MAX} ranges")]
    TooMany,
    #[error("it holds {0}, which would let nearly everybody in")]
    TooWide(IpNet),
    #[error("it holds '{0}', which is no address")]
    NoAddress(String),
}

/// The ranges of a published list.
pub fn read_ranges(published: Published<'_>, list: &[u8]) -> Result<Vec<IpNet>, RangesError> {
    let Published::List { at, .. } = published else { return Err(RangesError::Page) };
    if list.len() > LIST_BYTES_MAX {
        return Err(RangesError::TooLarge);
    }
    let texts = if at.is_empty() { lines(list) } else { members(list, at)? };
    if texts.len() > RANGES_MAX {
        return Err(RangesError::TooMany);
    }
    let ranges: Vec<IpNet> = texts.iter().map(|text| range(text)).collect::<Result<_, _>>()?;
    if ranges.is_empty() { Err(RangesError::Empty) } else { Ok(ranges) }
}

/// A CIDR or a single address, as people write them.
pub fn range(text: &str) -> Result<IpNet, RangesError> {
    let text = text.trim();
    let single = || text.parse::<IpAddr>().map(IpNet::from);
    let range = text.parse::<IpNet>().or_else(|_| single());
    let range = range.map_err(|_| RangesError::NoAddress(text.chars().take(64).collect()))?;
    let widest = if matches!(range, IpNet::V4(_)) { WIDEST_V4 } else { WIDEST_V6 };
    if range.prefix_len() < widest { Err(RangesError::TooWide(range)) } else { Ok(range.trunc()) }
}

/// One entry a line; what follows `#` is a remark.
fn lines(list: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(list);
    let entries = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    entries.filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
}

fn members(list: &[u8], at: &[String]) -> Result<Vec<String>, RangesError> {
    let root: Value = serde_json::from_slice(list).map_err(|error| RangesError::NotJson(error.to_string()))?;
    let mut found = Vec::new();
    for pointer in at {
        let steps: Vec<&str> = pointer.split('/').skip(1).collect();
        collect(&root, &steps, &mut found);
    }
    Ok(found)
}

/// Follows the steps of a pointer in which `*` is every item; a list where a text is expected gives its texts.
fn collect(value: &Value, steps: &[&str], found: &mut Vec<String>) {
    if found.len() > RANGES_MAX {
        return;
    }
    match (steps.split_first(), value) {
        (None, Value::String(text)) => found.push(text.clone()),
        (Some((&"*", rest)), Value::Array(items)) => items.iter().for_each(|item| collect(item, rest, found)),
        (Some((&"*", rest)), Value::Object(members)) => {
            members.values().for_each(|member| collect(member, rest, found));
        }
        (Some((name, rest)), Value::Object(members)) => {
            if let Some(member) = members.get(&name.replace("~1", "/").replace("~0", "~")) {
                collect(member, rest, found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(at: &[&str], list: &str) -> Result<Vec<String>, RangesError> {
        let at: Vec<String> = at.iter().map(|pointer| (*pointer).to_owned()).collect();
        let ranges = read_ranges(Published::List { url: "https://sender.example/ips", at: &at }, list.as_bytes())?;
        Ok(ranges.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn lists_are_read_as_lines_or_at_their_pointers() {
        let lines = "# from here\n192.0.2.0/24\n\n 198.51.100.7  # one\n2001:db8::/48\r\n";
        assert_eq!(read(&[], lines).expect("lines"), ["192.0.2.0/24", "198.51.100.7/32", "2001:db8::/48"]);
        let plain = r#"{ "hooks": ["192.0.2.0/24", "2001:db8::1"], "web": ["203.0.113.0/24"] }"#;
        assert_eq!(read(&["/hooks/*"], plain).expect("members"), ["192.0.2.0/24", "2001:db8::1/128"]);
        let nested = r#"{ "items": [{ "cidr": "192.0.2.0/25" }, { "cidr": "192.0.2.128/25", "x": 1 }] }"#;
        assert_eq!(read(&["/items/*/cidr"], nested).expect("items"), ["192.0.2.0/25", "192.0.2.128/25"]);
        let by_region = r#"{ "eu": { "ips": ["192.0.2.1"] }, "us": { "ips": ["192.0.2.2"] } }"#;
        assert_eq!(read(&["/*/ips/*"], by_region).expect("regions"), ["192.0.2.1/32", "192.0.2.2/32"]);
    }

    #[test]
    fn what_is_no_list_is_refused_whole() {
        let cases: [(&[&str], &str, RangesError); 6] = [
            (&[], "", RangesError::Empty),
            (&["/hooks/*"], r#"{ "other": [] }"#, RangesError::Empty),
            (&[], "<!doctype html>", RangesError::NoAddress("<!doctype html>".to_owned())),
            (&[], "192.0.2.0/24\n0.0.0.0/0", RangesError::TooWide("0.0.0.0/0".parse().expect("a range"))),
            (&["/a/*"], r#"{ "a": ["::/0"] }"#, RangesError::TooWide("::/0".parse().expect("a range"))),
            (&["/a/*"], r#"{ "a": ["192.0.2.0/33"] }"#, RangesError::NoAddress("192.0.2.0/33".to_owned())),
        ];
        for (at, list, error) in cases {
            assert_eq!(read(at, list), Err(error), "{list}");
        }
        assert!(matches!(read(&["/a"], "{"), Err(RangesError::NotJson(_))));
        assert_eq!(read_ranges(Published::Page("https://sender.example"), b"192.0.2.1"), Err(RangesError::Page));
        assert_eq!(read(&[], &"192.0.2.1\n".repeat(RANGES_MAX + 1)), Err(RangesError::TooMany));
    }
}
