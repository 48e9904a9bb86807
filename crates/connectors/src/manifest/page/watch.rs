//! Sees paging that goes nowhere. A token alone proves nothing, because scrolling APIs give the same one for every page.
//! So it is a circle if a page that came before points again to where it pointed before, and a standstill if many pages
//! in a row look the same; where the token stays what it was, only a page that is the same to the byte counts at once.
//! Pages whose tokens and bodies differ may still be one page: a body often has a time or the request's id in it.

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
/// Pages in a row that may look the same. A source may have such data; so much of it hardly.
pub const SAME_PAGES_MAX: usize = 12;
/// Pages in a row whose last records and numbers of records may be the same, wherever they point and whatever else is in
/// them: weaker evidence, so it takes more of it.
pub const SAME_RECORDS_MAX: usize = 100;
/// Pages in a row without a record. Sparse data that is paged by time has some.
pub const EMPTY_PAGES_MAX: usize = 2_000;

/// The pages of one slice so far.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// Digests of pages and where they point, with the number of the page.
    seen: HashMap<[u8; 16], usize>,
    order: VecDeque<[u8; 16]>,
    pages: usize,
    last: Option<Look>,
    same_looks: usize,
    same_bodies: usize,
    same_records: usize,
    empty_pages: usize,
}

/// What of a page is compared with the next one.
#[derive(Clone, Debug)]
struct Look {
    token: [u8; 16],
    key: [u8; 16],
    /// Of how many records there were, and the last of them; `None` without one.
    records: Option<[u8; 16]>,
    body: u64,
    is_empty: bool,
}

impl Watch {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A page was read and points to the next one.
    pub(super) fn see(&mut self, token: &Json, reply: &Reply, page: &PageFacts<'_>) -> Result<(), Trouble> {
        self.pages += 1;
        let look = Look::of(token, reply, page);
        let last = self.last.replace(look.clone());
        let is_same_key = last.as_ref().is_some_and(|last| last.key == look.key);
        // An empty body says nothing: then what is paged by is in the headers.
        let is_same_body = !look.is_empty && last.as_ref().is_some_and(|last| last.body == look.body);
        self.same_looks = if is_same_key { self.same_looks + 1 } else { 1 };
        self.same_bodies = if is_same_body { self.same_bodies + 1 } else { 1 };
        let has_same_records = look.records.is_some() && last.as_ref().is_some_and(|last| last.records == look.records);
        self.same_records = if has_same_records { self.same_records + 1 } else { 1 };
        self.empty_pages = if page.extracted == 0 { self.empty_pages + 1 } else { 0 };
        let stands_still = self.same_looks.max(self.same_bodies);
        if stands_still >= SAME_PAGES_MAX {
            return Err(Trouble::Standstill { pages: stands_still });
        }
        if self.same_records >= SAME_RECORDS_MAX {
            return Err(Trouble::Standstill { pages: self.same_records });
        }
        if self.empty_pages >= EMPTY_PAGES_MAX {
            return Err(Trouble::Standstill { pages: self.empty_pages });
        }
        if is_same_key && is_same_body {
            return Err(Trouble::Circle { pages: 1 });
        }
        let scrolls = last.is_some_and(|last| last.token == look.token);
        match self.remember(look.key) {
            Some(before) if !scrolls => Err(Trouble::Circle { pages: self.pages - before }),
            _ => Ok(()),
        }
    }

    /// Keeps a page; the number of the page that looked the same, if there was one.
    fn remember(&mut self, key: [u8; 16]) -> Option<usize> {
        let before = self.seen.insert(key, self.pages);
        if before.is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > PAGES_KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        before
    }
}

impl Look {
    /// Where a page points, how many records it had, and the last of them; its body apart.
    fn of(token: &Json, reply: &Reply, page: &PageFacts<'_>) -> Self {
        let mut hasher = FxHasher::default();
        reply.body.hash(&mut hasher);
        let body = hasher.finish();
        // Where no record passed the filter, all that tells pages apart is the body.
        let last = page.last_record.map_or_else(|| body.to_string(), Json::to_string);
        let token = token.to_string();
        let key = short_digest(&format!("{token}\n{}\n{last}", page.extracted));
        let records = page.last_record.map(|_| short_digest(&format!("{}\n{last}", page.extracted)));
        Self { token: short_digest(&token), key, records, body, is_empty: reply.body.is_empty() }
    }
}

/// Tokens and records are kept as digests: they may be secret, and they may be long.
fn short_digest(text: &str) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&digest(&SHA256, text.as_bytes()).as_ref()[..16]);
    short
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
    fn a_token_that_stays_is_a_circle_at_once_only_with_the_same_page_to_the_byte() {
        let last = json!({"status": "ok"});
        let mut watch = Watch::new();
        assert_eq!(watch.see(&json!("t"), &reply("same"), &page(&last)), Ok(()));
        assert_eq!(watch.see(&json!("t"), &reply("same"), &page(&last)), Err(Trouble::Circle { pages: 1 }));
        // Records that look alike in pages that differ: a few are believed, many are not.
        let mut watch = Watch::new();
        let mut see = |number: usize| watch.see(&json!("t"), &reply(&number.to_string()), &page(&last));
        assert!((1..SAME_PAGES_MAX).all(|number| see(number).is_ok()));
        assert_eq!(see(SAME_PAGES_MAX), Err(Trouble::Standstill { pages: SAME_PAGES_MAX }));
    }

    #[test]
    fn pages_of_which_no_record_passed_the_filter_are_told_apart_by_their_bodies() {
        let mut watch = Watch::new();
        let filtered = PageFacts { extracted: 100, selected: 0, last_record: None, decoded: None, page_size: None };
        for number in 0..3 * SAME_PAGES_MAX {
            assert_eq!(watch.see(&json!("scroll"), &reply(&number.to_string()), &filtered), Ok(()));
        }
    }

    #[test]
    fn a_first_page_that_comes_for_every_token_with_another_time_in_it_is_a_standstill() {
        let (mut watch, last) = (Watch::new(), json!({"id": 1}));
        let mut see = |number: usize| watch.see(&json!(number), &reply(&format!("at {number}")), &page(&last));
        assert!((1..SAME_RECORDS_MAX).all(|number| see(number).is_ok()));
        assert_eq!(see(SAME_RECORDS_MAX), Err(Trouble::Standstill { pages: SAME_RECORDS_MAX }));
    }

    #[test]
    fn pages_without_a_record_do_not_go_on_for_ever() {
        let empty = PageFacts { extracted: 0, selected: 0, last_record: None, decoded: None, page_size: None };
        let mut watch = Watch::new();
        let mut see = |number: usize| watch.see(&json!(number), &reply(&format!("at {number}")), &empty);
        assert!((1..EMPTY_PAGES_MAX).all(|number| see(number).is_ok()));
        assert_eq!(see(EMPTY_PAGES_MAX), Err(Trouble::Standstill { pages: EMPTY_PAGES_MAX }));
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
