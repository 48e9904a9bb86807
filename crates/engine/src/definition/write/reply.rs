//! `reply` as JSON.

use serde_json::{Map, Value as Json};

use super::super::units::print_duration;
use crate::spec::ReplySpec;

pub(super) fn reply(spec: &ReplySpec) -> Json {
    let mut json = Map::new();
    json.insert("status".to_owned(), spec.status.into());
    if !spec.headers.is_empty() {
        let headers = spec.headers.iter().map(|(name, value)| (name.clone(), value.as_str().into()));
        json.insert("headers".to_owned(), headers.collect::<Map<_, _>>().into());
    }
    if !spec.body.is_empty() {
        json.insert("body".to_owned(), spec.body.as_str().into());
    }
    if !spec.delay.is_zero() {
        json.insert("delay".to_owned(), print_duration(spec.delay).into());
    }
    json.into()
}
