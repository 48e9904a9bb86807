//! Texts at a place: whether all are of one format, and whether they are a fixed set.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::{Changed, TRUSTED_AFTER};

/// Different texts that a fixed set may have: lists of states are shorter, and names of people longer.
const SET_MAX: usize = 12;
/// Longer texts are sentences, not values of a set. In bytes.
const SET_TEXT_MAX: usize = 48;
/// How often each text of a set must have come on average before another one is a change.
const SET_REPEATS: u64 = 10;
/// Longer texts are of no format. In bytes; an address of a page may be as long as this.
const FORMAT_TEXT_MAX: usize = 2_048;

/// A format of texts, by its name in JSON Schema (draft 2020-12, validation, section 7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    DateTime,
    Date,
    Uuid,
    Email,
    Uri,
    Ipv4,
    Ipv6,
}

impl Format {
    const ALL: [Self; 7] = [Self::DateTime, Self::Date, Self::Uuid, Self::Email, Self::Uri, Self::Ipv4, Self::Ipv6];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DateTime => "date-time",
            Self::Date => "date",
            Self::Uuid => "uuid",
            Self::Email => "email",
            Self::Uri => "uri",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        }
    }

    fn fits(self, text: &str) -> bool {
        if text.len() > FORMAT_TEXT_MAX {
            return false;
        }
        match self {
            Self::DateTime => text.len() >= 20 && text.parse::<jiff::Timestamp>().is_ok(),
            Self::Date => text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok(),
            Self::Uuid => text.len() == 36 && uuid::Uuid::try_parse(text).is_ok(),
            Self::Email => is_email(text),
            Self::Uri => is_uri(text),
            Self::Ipv4 => text.parse::<Ipv4Addr>().is_ok(),
            Self::Ipv6 => text.parse::<Ipv6Addr>().is_ok(),
        }
    }
}

fn is_email(text: &str) -> bool {
    let Some((name, host)) = text.split_once('@') else { return false };
    let plain = |part: &str| !part.is_empty() && !part.contains(|c: char| c == '@' || c.is_whitespace());
    plain(name) && plain(host) && host.contains('.')
}

/// Only those of pages: anything with a colon would be a URI.
fn is_uri(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| !host.is_empty() && !text.contains(char::is_whitespace))
}

/// What the texts at a place had in common.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Texts {
    /// What all of them were.
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Format>,
    /// The different ones with how often each came, while there are few.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    set: BTreeMap<String, u64>,
    /// There were too many different ones, or one too long.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    many: bool,
}

impl Texts {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    #[must_use]
    pub fn format(&self) -> Option<Format> {
        self.format
    }

    /// The values of the set, if it is one.
    #[must_use]
    pub fn values(&self) -> Option<Vec<&str>> {
        self.is_set().then(|| self.set.keys().map(String::as_str).collect())
    }

    /// The same few came again and again; the texts of a format are data, however few there were.
    fn is_set(&self) -> bool {
        let times = self.set.values().sum::<u64>();
        let different = u64::try_from(self.set.len()).unwrap_or(u64::MAX);
        !self.many && self.format.is_none() && times >= TRUSTED_AFTER && times >= different.saturating_mul(SET_REPEATS)
    }

    /// Takes in a text, before which there were so many here.
    pub(super) fn learn(&mut self, text: &str, before: u64) -> Option<Changed> {
        let format = self.learn_format(text, before);
        format.or(self.learn_value(text))
    }

    fn learn_format(&mut self, text: &str, before: u64) -> Option<Changed> {
        if before == 0 {
            self.format = Format::ALL.into_iter().find(|format| format.fits(text));
            return None;
        }
        let format = self.format.filter(|format| !format.fits(text))?;
        self.format = None;
        // What had a format has no set of values either: it was data, and stays it.
        self.many = true;
        self.set.clear();
        (before >= TRUSTED_AFTER).then_some(Changed::FormatLost { format })
    }

    fn learn_value(&mut self, text: &str) -> Option<Changed> {
        if self.many {
            return None;
        }
        if let Some(times) = self.set.get_mut(text) {
            *times += 1;
            return None;
        }
        let was_set = self.is_set();
        if self.set.len() >= SET_MAX || text.len() > SET_TEXT_MAX {
            self.many = true;
            self.set.clear();
        } else {
            self.set.insert(text.to_owned(), 1);
        }
        was_set.then(|| Changed::ValueAdded { value: text.chars().take(SET_TEXT_MAX).collect() })
    }

    /// What both had in common.
    pub(super) fn merge(&mut self, other: Self) {
        if self.is_empty() {
            *self = other;
            return;
        }
        if other.is_empty() {
            return;
        }
        self.format = self.format.filter(|format| other.format == Some(*format));
        self.many |= other.many;
        for (text, times) in other.set {
            *self.set.entry(text).or_default() += times;
        }
        if self.many || self.set.len() > SET_MAX {
            self.many = true;
            self.set.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_is_told_by_its_texts_and_by_no_others() {
        let table = [
            ("2026-11-21T08:15:00Z", Some(Format::DateTime)),
            ("2026-11-21T08:15:00.25+02:00", Some(Format::DateTime)),
            ("2026-11-21", Some(Format::Date)),
            ("2026-13-21", None),
            ("0190d5b4-7d2c-7c8a-9b1e-3c1f2a4b5c6d", Some(Format::Uuid)),
            ("someone@shop.example", Some(Format::Email)),
            ("@shop.example", None),
            ("a b@shop.example", None),
            ("https://shop.example/orders/1", Some(Format::Uri)),
            ("https://", None),
            ("urn:isbn:0451450523", None),
            ("192.0.2.7", Some(Format::Ipv4)),
            ("2001:db8::1", Some(Format::Ipv6)),
            ("", None),
            ("open", None),
        ];
        for (text, format) in table {
            let mut texts = Texts::default();
            texts.learn(text, 0);
            assert_eq!(texts.format(), format, "{text}");
        }
    }

    #[test]
    fn a_set_is_one_only_once_its_values_came_often_and_says_when_it_grows() {
        let mut texts = Texts::default();
        let learn = |texts: &mut Texts, text: &str, before| texts.learn(text, before);
        for before in 0..TRUSTED_AFTER {
            assert_eq!(texts.values(), None, "{before}");
            assert_eq!(learn(&mut texts, ["open", "paid"][usize::from(before % 2 == 0)], before), None);
        }
        assert_eq!(texts.values(), Some(vec!["open", "paid"]));
        let grown = Changed::ValueAdded { value: "void".to_owned() };
        assert_eq!(learn(&mut texts, "void", 30), Some(grown));
        assert_eq!(learn(&mut texts, "void", 31), None, "it is told once");
    }

    #[test]
    fn names_are_no_set() {
        let mut texts = Texts::default();
        for before in 0..200 {
            assert_eq!(texts.learn(&format!("name {before}"), before), None);
        }
        assert_eq!(texts.values(), None);
    }
}
