//! `limits`: what requests may take of this machine.

use engine::definition::At;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of a request on the wire. Senders' own limits end at about 25 MB (GitHub's).
    pub body_bytes: u64,
    /// Of a request's line and headers together: senders with tokens in them need 16 KiB.
    pub header_bytes: u32,
    /// How many headers a request has.
    pub headers: u32,
    /// Webhooks being taken in at once.
    pub requests: u32,
    /// Bodies of all these together, which are in memory until they are committed.
    pub requests_bytes: u64,
    /// Free space below which nothing is taken in, so that what is in can still be delivered.
    pub disk_reserve: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 25 * MIB,
            header_bytes: 64 * 1024,
            headers: 100,
            requests: 8_192,
            requests_bytes: 256 * MIB,
            disk_reserve: 256 * MIB,
        }
    }
}

impl Limits {
    pub(super) fn section(at: &At<'_>) -> Option<Self> {
        let standard = Self::default();
        let mut fields = at.fields()?;
        let mut size = |key, least, most| fields.take(key).and_then(|at| at.size(least..=most));
        let body_bytes = size("body_bytes", KIB, GIB).unwrap_or(standard.body_bytes);
        let header_bytes = size("header_bytes", 8 * KIB, MIB).and_then(|bytes| u32::try_from(bytes).ok());
        let requests_bytes = size("requests_bytes", MIB, 64 * GIB);
        let disk_reserve = size("disk_reserve", 16 * MIB, 1024 * GIB).unwrap_or(standard.disk_reserve);
        let requests_bytes_at = fields.take("requests_bytes");
        let headers = fields.take("headers").and_then(|at| at.integer(10..=1_000)).unwrap_or(standard.headers);
        let requests = fields.take("requests").and_then(|at| at.integer(1..=100_000)).unwrap_or(standard.requests);
        fields.finish();
        if let (Some(at), Some(_)) = (requests_bytes_at, requests_bytes.filter(|bytes| *bytes < body_bytes)) {
            let message = "'requests_bytes' is less than 'body_bytes': the largest request could never be taken in";
            at.error("conflict", message, "make it at least as much, better ten times");
        }
        Some(Self {
            body_bytes,
            header_bytes: header_bytes.unwrap_or(standard.header_bytes),
            headers,
            requests,
            requests_bytes: requests_bytes.unwrap_or_else(|| standard.requests_bytes.max(body_bytes)),
            disk_reserve,
        })
    }
}
