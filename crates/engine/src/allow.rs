//! From which addresses a source takes requests: ranges of its owner's, and those that its sender publishes. A rule
//! beside the verification, never instead of it.

pub(crate) mod refresh;

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use connectors::provider::{Published, Recipe};
use ipnet::IpNet;

use crate::spec::AllowFrom;

/// What is to become of a request from an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    Admitted,
    Refused,
    /// The sender's list was never fetched, so nobody can say.
    NotKnownYet,
}

/// The allow-list of a source.
#[derive(Debug)]
pub struct AllowList {
    ranges: Vec<IpNet>,
    published: Option<Arc<PublishedList>>,
}

impl AllowList {
    /// `before` is the list of the same source until now, whose fetched ranges stay known.
    #[must_use]
    pub fn new(spec: &AllowFrom, recipe: &Recipe, before: Option<&Self>) -> Self {
        let url = match recipe.published_addresses() {
            Some(Published::List { url, at }) if spec.published => Some((url, at)),
            _ => None,
        };
        let published = url.map(|(url, at)| {
            let known = before.and_then(|before| before.published.as_ref()).filter(|known| *known.url == *url);
            known.cloned().unwrap_or_else(|| Arc::new(PublishedList::new(url, at)))
        });
        Self { ranges: spec.ranges.clone(), published }
    }

    /// Whether a request from this address is to be judged at all. The address is text because that is how a request
    /// keeps it; what is none is refused.
    #[must_use]
    pub fn admits(&self, remote: &str) -> Admission {
        let Ok(address) = remote.parse::<IpAddr>() else { return Admission::Refused };
        // A mapped address is the IPv4 address that its owner wrote down.
        let address = address.to_canonical();
        let within = |ranges: &[IpNet]| ranges.iter().any(|range| range.contains(&address));
        if within(&self.ranges) {
            return Admission::Admitted;
        }
        match self.published.as_ref().map(|published| published.ranges()) {
            None => Admission::Refused,
            Some(None) => Admission::NotKnownYet,
            Some(Some(ranges)) if within(&ranges) => Admission::Admitted,
            Some(Some(_)) => Admission::Refused,
        }
    }

    /// The sender's own list, if it counts.
    #[must_use]
    pub fn published(&self) -> Option<&Arc<PublishedList>> {
        self.published.as_ref()
    }
}

/// A sender's published list as last fetched.
#[derive(Debug)]
pub struct PublishedList {
    url: Arc<str>,
    at: Vec<String>,
    fetched: RwLock<Option<Arc<[IpNet]>>>,
}

impl PublishedList {
    fn new(url: &str, at: &[String]) -> Self {
        Self { url: url.into(), at: at.to_vec(), fetched: RwLock::default() }
    }

    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The last good list, however old; `None` before the first.
    #[must_use]
    pub fn ranges(&self) -> Option<Arc<[IpNet]>> {
        self.fetched.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn read(&self, list: &[u8]) -> Result<Arc<[IpNet]>, connectors::provider::RangesError> {
        let published = Published::List { url: &self.url, at: &self.at };
        connectors::provider::read_ranges(published, list).map(Into::into)
    }

    fn keep(&self, ranges: Arc<[IpNet]>) {
        *self.fetched.write().unwrap_or_else(PoisonError::into_inner) = Some(ranges);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(ranges: &[&str], published: Option<&str>) -> AllowList {
        let ranges = ranges.iter().map(|range| range.parse().expect("a range")).collect();
        let published = published.map(|list| {
            let published = PublishedList::new("https://sender.example/ips", &[]);
            if !list.is_empty() {
                published.keep(published.read(list.as_bytes()).expect("a list"));
            }
            Arc::new(published)
        });
        AllowList { ranges, published }
    }

    #[test]
    fn own_ranges_and_published_ones_admit_and_the_rest_is_refused() {
        use Admission::{Admitted, NotKnownYet, Refused};
        let own = list(&["192.0.2.0/24"], None);
        let both = list(&["192.0.2.0/24"], Some("198.51.100.0/24\n2001:db8::/48"));
        let not_fetched = list(&["192.0.2.0/24"], Some(""));
        for (list, remote, admission) in [
            (&own, "192.0.2.7", Admitted),
            (&own, "::ffff:192.0.2.7", Admitted),
            (&own, "198.51.100.7", Refused),
            (&own, "", Refused),
            (&own, "192.0.2.7, 10.0.0.1", Refused),
            (&both, "198.51.100.7", Admitted),
            (&both, "2001:db8::1", Admitted),
            (&both, "203.0.113.1", Refused),
            (&not_fetched, "192.0.2.7", Admitted),
            (&not_fetched, "198.51.100.7", NotKnownYet),
        ] {
            assert_eq!(list.admits(remote), admission, "{remote}");
        }
    }
}
