//! `webhook.allow_from`: the addresses that a source takes requests from.

use connectors::provider::{self, Published, Recipe};

use super::reader::At;
use crate::spec::AllowFrom;

/// Each is compared with the address of every request.
const RANGES_MAX: usize = 256;
/// Stands for the list that the sender publishes.
pub(super) const PUBLISHED: &str = "published";

/// Reads a list of ranges, in which the word `published` is the sender's own list.
pub(super) fn allow_from(at: &At<'_>, recipe: Option<&Recipe>) -> Option<AllowFrom> {
    let items = at.items()?;
    if items.is_empty() {
        at.error("empty", "nobody is allowed: every request would be refused", "name ranges, or remove 'allow_from'");
    }
    if items.len() > RANGES_MAX {
        let message = format!("{} ranges, at most {RANGES_MAX} are allowed", items.len());
        at.error("too_many", message, "join neighbouring ranges to larger ones");
    }
    let mut allow = AllowFrom::default();
    for item in items {
        let Some(entry) = item.parsed::<Entry>("a range of addresses", "192.0.2.0/24, one address, or published")
        else {
            continue;
        };
        match entry {
            Entry::Published => {
                allow.published = true;
                check_published(&item, recipe);
            }
            Entry::Range(range) => allow.ranges.push(range),
        }
    }
    Some(allow)
}

fn check_published(at: &At<'_>, recipe: Option<&Recipe>) {
    let Some(recipe) = recipe else { return };
    let help = match recipe.published_addresses() {
        Some(Published::List { .. }) => return,
        Some(Published::Page(url)) => format!("it names them on a page for people, {url}: copy the ranges from there"),
        None => "write its ranges here yourself, or leave 'allow_from' out: it adds to the verification".to_owned(),
    };
    let message = format!("'{}' publishes no list of addresses that a program can read", recipe.name());
    at.error("not_published", message, help);
}

enum Entry {
    Published,
    Range(ipnet::IpNet),
}

impl std::str::FromStr for Entry {
    type Err = provider::RangesError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == PUBLISHED { Ok(Self::Published) } else { provider::range(text).map(Self::Range) }
    }
}
