//! `egress.allow` and `trusted_proxies`: ranges of addresses.

use std::net::IpAddr;

use engine::definition::At;
use ipnet::IpNet;

/// Each is compared with every address that is dialled or that connects.
const RANGES_MAX: usize = 256;

/// What may be reached although it is not public.
pub(super) fn allow(at: &At<'_>) -> Option<Vec<IpNet>> {
    let mut fields = at.fields()?;
    let allow = fields.take("allow");
    fields.finish();
    let ranges = ranges(&allow?, "this lets anyone who may configure a destination reach every host of your network");
    Some(ranges)
}

/// Whose `X-Forwarded-…` headers are believed.
pub(super) fn proxies(at: &At<'_>) -> Vec<IpNet> {
    ranges(at, "this lets every caller claim any address and host")
}

fn ranges(at: &At<'_>, danger: &str) -> Vec<IpNet> {
    let items = at.items().unwrap_or_default();
    if items.len() > RANGES_MAX {
        let message = format!("{} ranges, at most {RANGES_MAX} are allowed", items.len());
        at.error("too_many", message, "join neighbouring ranges to larger ones");
    }
    items.iter().filter_map(|at| range(at, danger)).collect()
}

fn range(at: &At<'_>, danger: &str) -> Option<IpNet> {
    let range = at.parsed::<Range>("a range of addresses", "10.0.0.0/8 or fd00::/8, or as one address")?.0;
    if range.prefix_len() == 0 {
        at.warning("range_too_wide", format!("{range} is every address: {danger}"), "name the ranges that you mean");
    }
    Some(range)
}

/// A network, or one address as the network of itself.
struct Range(IpNet);

impl std::str::FromStr for Range {
    type Err = ipnet::AddrParseError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let range: IpNet = text.parse().or_else(|error| text.parse::<IpAddr>().map(IpNet::from).map_err(|_| error))?;
        Ok(Self(range.trunc()))
    }
}

/// Reads a range as `--egress-allow` writes it.
pub fn parse_range(text: &str) -> Result<IpNet, String> {
    let range = text.trim().parse::<Range>();
    range.map(|range| range.0).map_err(|_| format!("'{text}' is not a range of addresses such as 10.0.0.0/8"))
}
