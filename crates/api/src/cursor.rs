//! Opaque cursors: a store's position, bound by a short digest to the list, tenant and filter it was made for.
//!
//! A cursor is not a permission: whatever it says, only rows of the caller's tenant are read.

use std::borrow::Cow;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use domain::identity::Digest;
use domain::{Tenant, Timestamp};
use serde::Serialize;
use store::StoreError;
use store::read::{Listed, PAGE_MAX, Page, Position};
use utoipa::openapi::schema::{Array, KnownFormat, SchemaFormat, SchemaType};
use utoipa::openapi::{ObjectBuilder, Ref, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::problem::{Code, Problem};

/// Rows of a page that names no limit.
pub const PAGE_DEFAULT: u32 = 50;
/// Longest cursor that is looked at; ours are far shorter.
const CURSOR_BYTES_MAX: usize = 1_024;
/// Enough to tell filters apart by accident; nobody gains by finding a collision.
const MARK_BYTES: usize = 6;
/// Time that one page may scan for filters without an index.
const SCAN: Duration = Duration::from_secs(2);

/// What a cursor belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark([u8; MARK_BYTES]);

impl Mark {
    /// The mark of a list: its name, whose it is, and the filter as its `Debug` form, which names every field.
    pub fn of(list: &str, tenant: &Tenant, filter: &dyn std::fmt::Debug) -> Self {
        let Digest(digest) = Digest::of(format!("{list}\n{tenant}\n{filter:?}").as_bytes());
        let mut mark = [0; MARK_BYTES];
        mark.copy_from_slice(&digest[..MARK_BYTES]);
        Self(mark)
    }

    pub fn seal(self, position: &Position) -> String {
        BASE64URL_NOPAD.encode(&[&self.0[..], position.0.as_bytes()].concat())
    }

    pub fn open(self, cursor: &str) -> Result<Position, Problem> {
        let refused = || {
            Code::InvalidCursor
                .because("The cursor was made for another list or filter, or was changed. Start again without it.")
        };
        if cursor.len() > CURSOR_BYTES_MAX {
            return Err(refused());
        }
        let bytes = BASE64URL_NOPAD.decode(cursor.as_bytes()).map_err(|_| refused())?;
        let position = bytes.strip_prefix(&self.0[..]).ok_or_else(refused)?;
        String::from_utf8(position.to_vec()).map(Position).map_err(|_| refused())
    }

    /// The page that a caller asks for.
    pub fn page(self, limit: Option<u32>, cursor: Option<&str>) -> Result<Page, Problem> {
        let after = cursor.map(|cursor| self.open(cursor)).transpose()?;
        Ok(Page { limit: checked_limit(limit)?, after, scan: SCAN })
    }

    /// What the store listed, as it is sent.
    pub fn listing<Row, View>(self, listed: Listed<Row>, view: impl Fn(Row) -> View) -> Listing<View> {
        Listing {
            data: listed.rows.into_iter().map(view).collect(),
            next: listed.next.map(|position| self.seal(&position)),
            searched_until: listed.searched_until,
        }
    }
}

pub fn checked_limit(limit: Option<u32>) -> Result<u32, Problem> {
    let limit = limit.unwrap_or(PAGE_DEFAULT);
    if (1..=PAGE_MAX).contains(&limit) {
        return Ok(limit);
    }
    Err(Problem::parameter("limit", format!("must be a whole number from 1 to {PAGE_MAX}")))
}

/// A position that a store does not know came out of a cursor that somebody made up.
pub fn list_error(error: StoreError, cursor: Option<&String>) -> Problem {
    match error {
        StoreError::Refused(_) if cursor.is_some() => {
            Code::InvalidCursor.because("The cursor is not one that this list gave. Start again without it.")
        }
        error => error.into(),
    }
}

/// One page of a list.
#[derive(Debug, Serialize)]
pub struct Listing<View> {
    pub data: Vec<View>,
    /// Give it back as `cursor` to read on; `null` at the end.
    pub next: Option<String>,
    /// The search ran out of time here: everything newer was searched, and `next` reads on.
    pub searched_until: Option<Timestamp>,
}

/// By hand, because the name of a list is that of its rows.
impl<View: ToSchema> PartialSchema for Listing<View> {
    fn schema() -> RefOr<Schema> {
        let optional_text = || ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Null]));
        let next = optional_text().description(Some("Give it back as `cursor` to read on; null at the end."));
        let until = optional_text()
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .description(Some("The search ran out of time here: everything newer was searched, `next` reads on."));
        let object = ObjectBuilder::new()
            .property("data", Array::new(Ref::from_schema_name(View::name())))
            .property("next", next)
            .property("searched_until", until);
        ["data", "next", "searched_until"].into_iter().fold(object, ObjectBuilder::required).into()
    }
}

impl<View: ToSchema> ToSchema for Listing<View> {
    fn name() -> Cow<'static, str> {
        format!("{}List", View::name()).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((View::name().into_owned(), View::schema()));
        View::schemas(schemas);
    }
}

/// One page of things that are all in memory, in the order of their names.
pub fn page_by_name<View>(
    mark: Mark,
    mut all: Vec<(String, View)>,
    limit: Option<u32>,
    cursor: Option<&str>,
) -> Result<Listing<View>, Problem> {
    let page = mark.page(limit, cursor)?;
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    if let Some(Position(after)) = page.after {
        all.retain(|(name, _)| *name > after);
    }
    let more = all.len() > page.limit as usize;
    all.truncate(page.limit as usize);
    let next = all.last().filter(|_| more).map(|(name, _)| mark.seal(&Position(name.clone())));
    Ok(Listing { data: all.into_iter().map(|(_, view)| view).collect(), next, searched_until: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(filter: &str) -> Mark {
        Mark::of("events", &Tenant::default_tenant(), &filter)
    }

    #[test]
    fn a_cursor_opens_only_for_the_list_tenant_and_filter_it_was_made_for() {
        let position = Position("17:evt".to_owned());
        let cursor = mark("a").seal(&position);
        assert_eq!(mark("a").open(&cursor), Ok(position));
        let other = Mark::of("events", &"other".parse().expect("a name"), &"a");
        let list = Mark::of("deliveries", &Tenant::default_tenant(), &"a");
        for wrong in [mark("b"), other, list] {
            assert_eq!(wrong.open(&cursor).map_err(|problem| problem.code), Err(Code::InvalidCursor));
        }
    }

    #[test]
    fn junk_is_refused_as_a_cursor() {
        let long = "A".repeat(CURSOR_BYTES_MAX + 1);
        let not_text = BASE64URL_NOPAD.encode(&[&mark("a").0[..], b"\xff"].concat());
        for junk in ["", "x", "%%%", "AAAA", long.as_str(), not_text.as_str()] {
            assert_eq!(mark("a").open(junk).map_err(|problem| problem.code), Err(Code::InvalidCursor), "{junk}");
        }
    }

    #[test]
    fn limits_are_from_one_to_the_largest_page() {
        for (limit, expected) in [(None, Ok(50)), (Some(1), Ok(1)), (Some(500), Ok(500))] {
            assert_eq!(checked_limit(limit), expected);
        }
        for wrong in [0, 501, u32::MAX] {
            assert_eq!(checked_limit(Some(wrong)).map_err(|problem| problem.code), Err(Code::InvalidParameter));
        }
    }

    #[test]
    fn named_things_are_paged_without_gap_or_repetition() {
        let all = || ["d", "a", "c", "b", "e"].map(|name| (name.to_owned(), name)).to_vec();
        let (mut cursor, mut seen) = (None, Vec::new());
        loop {
            let listing = page_by_name(mark("a"), all(), Some(2), cursor.as_deref()).expect("a page");
            seen.extend(listing.data);
            cursor = listing.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, ["a", "b", "c", "d", "e"]);
    }
}
