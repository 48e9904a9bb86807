//! Sees paging that goes nowhere. A token alone proves nothing (scrolling APIs give the same one for every page), so a
//! circle is a page that came before, pointing to where it pointed before; and a standstill is many pages in a row that
//! are the same to the byte.

use std::collections::{HashMap, VecDeque};
use std::hash::{Hash as _, Hasher as _};

use ring::digest::{SHA256, digest};
use rustc_hash::FxHasher;
use serde_json::Value as Json;

use super::super::trouble::Trouble;
use super::super::wire::Reply;
use super::PageFacts;

/// Pages that are remembered; a circle longer than this goes unseen.
pub const PAGES_KEPT: usize = 4_096;
/// Pages in a row that may be the same to the byte. A source may have such data; so much of it hardly.
pub const SAME_PAGES_MAX: usize = 12;

/// The pages of one slice so far.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// Digests of pages and where they point, with the number of the page.
    seen: HashMap<[u8; 16], usize>,
    order: VecDeque<[u8; 16]>,
    pages: usize,
    last_body: Option<u64>,
    same_bodies: usize,
}

impl Watch {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A page was read and points to the next one.
    pub(super) fn see(&mut self, token: &Json, reply: &Reply, page: &PageFacts<'_>) -> Result<(), Trouble> {
        self.pages += 1;
        self.compare_bodies(reply)?;
        let key = key(token, page);
        if let Some(before) = self.seen.insert(key, self.pages) {
            return Err(Trouble::Circle { pages: self.pages - before });
        }
        self.order.push_back(key);
        if self.order.len() > PAGES_KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        Ok(())
    }

    fn compare_bodies(&mut self, reply: &Reply) -> Result<(), Trouble> {
        let mut hasher = FxHasher::default();
        reply.body.hash(&mut hasher);
        let body = hasher.finish();
        // An empty body says nothing: then what is paged by is in the headers.
        if self.last_body == Some(body) && !reply.body.is_empty() {
            self.same_bodies += 1;
        } else {
            self.same_bodies = 1;
        }
        self.last_body = Some(body);
        if self.same_bodies >= SAME_PAGES_MAX {
            return Err(Trouble::Standstill { pages: self.same_bodies });
        }
        Ok(())
    }
}

/// Where a page points, how many records it had, and the last of them.
fn key(token: &Json, page: &PageFacts<'_>) -> [u8; 16] {
    let last = page.last_record.map(Json::to_string).unwrap_or_default();
    let text = format!("{token}\n{}\n{last}", page.extracted);
    let digest = digest(&SHA256, text.as_bytes());
    let mut key = [0; 16];
    key.copy_from_slice(&digest.as_ref()[..16]);
    key
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;
    use serde_json::json;

    use super::*;

    fn page(last: &Json) -> PageFacts<'_> {
        PageFacts { extracted: 1, selected: 1, last_record: Some(last), decoded: None, page_size: None }
    }

    fn reply(body: &str) -> Reply {
        Reply::new(200, HeaderMap::new(), Bytes::copy_from_slice(body.as_bytes()), String::new())
    }

    #[test]
    fn a_scrolling_source_may_give_one_token_for_all_its_pages() {
        let mut watch = Watch::new();
        for number in 0..3 * PAGES_KEPT {
            let last = json!({ "id": number });
            assert_eq!(watch.see(&json!("scroll"), &reply(&number.to_string()), &page(&last)), Ok(()));
        }
        assert!(watch.seen.len() <= PAGES_KEPT && watch.order.len() <= PAGES_KEPT);
    }

    #[test]
    fn a_page_that_comes_again_and_points_where_it_pointed_is_a_circle() {
        let mut watch = Watch::new();
        let records = [json!({"id": 1}), json!({"id": 2}), json!({"id": 3})];
        for (number, record) in records.iter().enumerate() {
            let token = json!(format!("t{number}"));
            assert_eq!(watch.see(&token, &reply(&format!("{record} at {number}")), &page(record)), Ok(()));
        }
        // The body differs, as one with a time in it does.
        let again = watch.see(&json!("t0"), &reply("other"), &page(&records[0]));
        assert_eq!(again, Err(Trouble::Circle { pages: 3 }));
    }

    #[test]
    fn pages_that_are_all_the_same_are_a_standstill_whatever_their_token() {
        let mut watch = Watch::new();
        let last = json!({"id": 1});
        let seen: Vec<_> = (0..SAME_PAGES_MAX).map(|n| watch.see(&json!(n), &reply("same"), &page(&last))).collect();
        assert!(seen[..SAME_PAGES_MAX - 1].iter().all(Result::is_ok));
        assert_eq!(seen[SAME_PAGES_MAX - 1], Err(Trouble::Standstill { pages: SAME_PAGES_MAX }));
    }

    #[test]
    fn pages_without_a_body_are_not_compared() {
        let mut watch = Watch::new();
        for number in 0..2 * SAME_PAGES_MAX {
            let last = json!({ "id": number });
            assert_eq!(watch.see(&json!(number), &reply(""), &page(&last)), Ok(()));
        }
    }
}
