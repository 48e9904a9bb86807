//! One HTTP request as it came in, borrowed from whoever received it.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;

use super::refusal::{Code, Refusal};

/// Where the request was sent to, with its query.
#[derive(Clone, Copy, Debug)]
pub struct Urls<'a> {
    /// By `public_url` and the trusted proxies: what the sender was told to call.
    pub configured: &'a str,
    /// By the request's own Host header. The same as `configured` where nothing else is known.
    pub received: &'a str,
}

/// Who is at the other end, as far as the connection and the trusted proxies say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// The client's address; behind trusted proxies the one that they saw.
    pub address: Option<IpAddr>,
    /// A trusted proxy handed the request on, so that what it says of the client's certificate can be believed.
    pub by_trusted_proxy: bool,
}

/// A request with its exact bytes. Header names are lower case, in order, repetitions kept.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    pub method: &'a str,
    pub urls: Urls<'a>,
    pub headers: &'a [(Arc<str>, Bytes)],
    pub body: &'a [u8],
    pub peer: Peer,
}

impl<'a> Incoming<'a> {
    /// A header that a recipe reads; one that comes twice is refused, because readers differ in which one counts.
    pub(crate) fn header(&self, name: &str) -> Result<Option<&'a [u8]>, Refusal> {
        let mut values = self.headers.iter().filter(|(found, _)| **found == *name);
        let first = values.next();
        if values.next().is_some() {
            return Err(Refusal::new(Code::DuplicateHeader, format!("the header '{name}' comes more than once")));
        }
        Ok(first.map(|(_, value)| value.as_ref()).filter(|value| !value.is_empty()))
    }

    /// The first value of a header, for what proves nothing.
    pub(crate) fn first_header(&self, name: &str) -> Option<&'a str> {
        let value = self.headers.iter().find(|(found, _)| **found == *name)?;
        std::str::from_utf8(&value.1).ok()
    }
}
