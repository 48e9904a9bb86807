//! Headers that a sender lists by name and signs: read in the order of the list, bounded, and never without those that
//! the recipe requires.

use crate::provider::incoming::Incoming;
use crate::provider::refusal::{Code, Refusal};

/// Most names in one list: senders list two to five.
const NAMES_MAX: usize = 32;

/// How a list is read and what becomes of its headers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub separator: Box<str>,
    pub join: Box<str>,
    pub pair: Option<Box<str>>,
    /// Lower-case.
    pub required: Vec<Box<str>>,
}

impl Listed {
    /// The listed headers as they are signed; `None` where one of them is absent or a required one is not listed.
    pub fn read(&self, list: &[u8], incoming: &Incoming<'_>) -> Result<Option<Vec<u8>>, Refusal> {
        let Ok(list) = std::str::from_utf8(list) else { return Ok(None) };
        let names: Vec<String> =
            list.split(&*self.separator).take(NAMES_MAX + 1).map(|name| name.trim().to_ascii_lowercase()).collect();
        if names.len() > NAMES_MAX {
            return Err(Refusal::new(Code::SignatureMalformed, "the signature lists too many headers"));
        }
        if self.required.iter().any(|required| !names.iter().any(|name| **name == **required)) {
            return Ok(None);
        }
        let mut out = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let Some(value) = incoming.header(name)? else { return Ok(None) };
            if index > 0 {
                out.extend_from_slice(self.join.as_bytes());
            }
            if let Some(pair) = &self.pair {
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(pair.as_bytes());
            }
            out.extend_from_slice(value);
        }
        Ok(Some(out))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::provider::incoming::{Peer, Urls};

    fn read(listed: &Listed, list: &str, headers: &[(&str, &'static str)]) -> Result<Option<String>, Code> {
        let header = |(name, value): &(&str, &'static str)| (Arc::from(*name), Bytes::from_static(value.as_bytes()));
        let headers: Vec<_> = headers.iter().map(header).collect();
        let urls = Urls { configured: "", received: "" };
        let incoming = Incoming { method: "POST", urls, headers: &headers, body: b"", peer: Peer::default() };
        let read = listed.read(list.as_bytes(), &incoming).map_err(|refusal| refusal.code)?;
        Ok(read.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    #[test]
    fn the_list_says_which_headers_and_in_which_order() {
        let headers = [("a", "1"), ("b", "2")];
        let values = Listed { separator: " ".into(), join: ".".into(), pair: None, required: vec!["a".into()] };
        assert_eq!(read(&values, "B a", &headers), Ok(Some("2.1".to_owned())));
        assert_eq!(read(&values, "b", &headers), Ok(None), "a required one is not signed");
        assert_eq!(read(&values, "a c", &headers), Ok(None), "a listed one is absent");
        assert_eq!(read(&values, &"a ".repeat(NAMES_MAX + 1), &headers), Err(Code::SignatureMalformed));
        assert_eq!(read(&values, "a", &[("a", "1"), ("a", "2")]), Err(Code::DuplicateHeader));
        let pairs = Listed { separator: ",".into(), join: ";".into(), pair: Some(":".into()), required: Vec::new() };
        assert_eq!(read(&pairs, "A, b", &headers), Ok(Some("a:1;b:2".to_owned())));
    }
}
