//! Which hosts a connector may talk to. Its credentials go to whatever its URLs say, and URLs come out of answers too.

use std::sync::Arc;

use connectors::manifest::wire::plain_url;
use url::Url;

use super::failure::ReadFailure;

/// Hosts by name, `*.example.com` for every name below one; nothing said allows every public host.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    allowed: Option<Vec<String>>,
}

impl Hosts {
    /// Every host that the egress rules let through.
    #[must_use]
    pub const fn any() -> Self {
        Self { allowed: None }
    }

    /// These alone.
    #[must_use]
    pub fn only(hosts: impl IntoIterator<Item = String>) -> Self {
        Self { allowed: Some(hosts.into_iter().map(|host| host.to_ascii_lowercase()).collect()) }
    }

    /// The hosts that the owner listed by name.
    pub(super) fn listed(&self) -> Arc<[String]> {
        self.allowed.iter().flatten().cloned().collect()
    }

    /// Whether the owner listed the host of this URL by name.
    pub(super) fn names(&self, url: &str) -> bool {
        let host = host_of(url);
        self.allowed.iter().flatten().any(|allowed| covers(allowed, &host))
    }

    pub(super) fn judge(&self, url: &str) -> Result<(), ReadFailure> {
        if self.allowed.is_none() || self.names(url) {
            return Ok(());
        }
        let message = format!("{} is none of the hosts that this connector may talk to", plain_url(url));
        Err(ReadFailure::config("host_not_allowed", message))
    }
}

fn host_of(url: &str) -> String {
    Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_ascii_lowercase)).unwrap_or_default()
}

fn covers(allowed: &str, host: &str) -> bool {
    match allowed.strip_prefix("*.") {
        Some(parent) => host.strip_suffix(parent).is_some_and(|left| left.ends_with('.') && left.len() > 1),
        None => allowed == host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_hosts_lets_those_through_and_no_other() {
        let hosts = Hosts::only(["api.example.com".to_owned(), "*.Shop.example".to_owned()]);
        for (url, allowed) in [
            ("https://api.example.com/x", true),
            ("https://API.example.com:8443/x", true),
            ("https://example.com/x", false),
            ("https://a.shop.example/x", true),
            ("https://shop.example/x", false),
            ("https://evilshop.example/x", false),
            ("https://api.example.com@evil.example/x", false),
            ("not a url", false),
        ] {
            assert_eq!(hosts.judge(url).is_ok(), allowed, "{url}");
            assert!(Hosts::any().judge(url).is_ok(), "{url}");
        }
    }
}
