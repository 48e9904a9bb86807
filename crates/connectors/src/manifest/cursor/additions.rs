//! What a slice puts into a request: its partition where the router says, its window where the cursor says.

use serde_json::Value as Json;

use crate::manifest::partition::PartitionRouter;
#[cfg(test)]
use crate::manifest::request::Target;
use crate::manifest::request::{Additions, RequestOption};
use crate::manifest::scope::Scope;
use crate::manifest::setting::Setting;
use crate::manifest::slice::Slice;
use crate::manifest::trouble::Trouble;

use super::count::START;
use super::sync::IncrementalSync;

/// One value and its place.
struct Entry<'a> {
    option: &'a RequestOption,
    names: Vec<String>,
    value: Json,
}

/// Adds the slice to a request. Where two of its parts want the same place, the cursor wins over the router and a
/// product's first router over its later ones; a place that paginator or requester took is an error.
pub fn add_slice(
    router: Option<&PartitionRouter>,
    sync: Option<&IncrementalSync>,
    slice: &Slice,
    scope: &Scope<'_>,
    into: &mut Additions,
) -> Result<(), Trouble> {
    let entries = entries(router, sync, slice, scope)?;
    entries.into_iter().try_for_each(|entry| into.add(entry.option, entry.value, scope))
}

fn entries<'a>(
    router: Option<&'a PartitionRouter>,
    sync: Option<&'a IncrementalSync>,
    slice: &Slice,
    scope: &Scope<'_>,
) -> Result<Vec<Entry<'a>>, Trouble> {
    let mut entries = of_cursor(sync, slice, scope)?;
    if let Some(router) = router {
        of_router(router, slice, scope, &mut entries)?;
    }
    Ok(entries)
}

/// What [`add_slice`] would add, place by place, for tests of routers.
#[cfg(test)]
pub(crate) fn places(
    router: Option<&PartitionRouter>,
    sync: Option<&IncrementalSync>,
    slice: &Slice,
    scope: &Scope<'_>,
) -> Vec<(Target, Vec<String>, Json)> {
    let entries = entries(router, sync, slice, scope).unwrap();
    entries.into_iter().map(|entry| (entry.option.target, entry.names, entry.value)).collect()
}

fn of_cursor<'a>(
    sync: Option<&'a IncrementalSync>,
    slice: &Slice,
    scope: &Scope<'_>,
) -> Result<Vec<Entry<'a>>, Trouble> {
    let mut entries = Vec::new();
    match sync {
        None => {}
        Some(IncrementalSync::Counts(counts)) => {
            let value = slice.get(START).cloned().unwrap_or_default();
            entries.extend(entry(counts.option.as_ref(), value, scope)?);
        }
        Some(IncrementalSync::Dates(dates)) => {
            for (option, field) in dates.options.iter().zip(&dates.bounds) {
                let value = slice.cursor().get(&field.text(scope)?).cloned().unwrap_or_default();
                put(entry(option.as_ref(), value, scope)?, &mut entries);
            }
        }
    }
    Ok(entries)
}

fn of_router<'a>(
    router: &'a PartitionRouter,
    slice: &Slice,
    scope: &Scope<'_>,
    entries: &mut Vec<Entry<'a>>,
) -> Result<(), Trouble> {
    let mut own = Vec::new();
    match router {
        PartitionRouter::List(list) => put(partition(list.option.as_ref(), &list.field, slice, scope)?, &mut own),
        PartitionRouter::Parents(parents) => {
            for parent in parents {
                put(partition(parent.option.as_ref(), &parent.partition_field, slice, scope)?, &mut own);
            }
        }
        PartitionRouter::Product(routers) => {
            return routers.iter().try_for_each(|router| of_router(router, slice, scope, entries));
        }
        PartitionRouter::Groups(_) | PartitionRouter::Union(_) => {}
    }
    own.retain(|entry| !entries.iter().any(|known| known.shares_field(entry)));
    entries.extend(own);
    Ok(())
}

/// Within one component the later of two values at the same place counts.
fn put<'a>(entry: Option<Entry<'a>>, entries: &mut Vec<Entry<'a>>) {
    if let Some(entry) = entry {
        entries.retain(|known| !known.is_at(&entry));
        entries.push(entry);
    }
}

/// The partition's value, unless it is nothing: the format takes 0 and the empty text for nothing too.
fn partition<'a>(
    option: Option<&'a RequestOption>,
    field: &Setting,
    slice: &Slice,
    scope: &Scope<'_>,
) -> Result<Option<Entry<'a>>, Trouble> {
    let value = slice.partition().get(&field.text(scope)?).filter(|value| !is_nothing(value));
    match value {
        Some(value) => entry(option, value.clone(), scope),
        None => Ok(None),
    }
}

fn entry<'a>(option: Option<&'a RequestOption>, value: Json, scope: &Scope<'_>) -> Result<Option<Entry<'a>>, Trouble> {
    let Some(option) = option else { return Ok(None) };
    Ok(Some(Entry { option, names: option.names(scope)?, value }))
}

fn is_nothing(value: &Json) -> bool {
    match value {
        Json::Null => true,
        Json::Bool(flag) => !flag,
        Json::Number(number) => number.as_f64() == Some(0.0),
        Json::String(text) => text.is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Object(fields) => fields.is_empty(),
    }
}

impl Entry<'_> {
    fn is_at(&self, other: &Self) -> bool {
        self.option.target == other.option.target && self.names == other.names
    }

    /// Between components the outermost field is what counts, however deep the places lie in it.
    fn shares_field(&self, other: &Self) -> bool {
        self.option.target == other.option.target && self.names.first() == other.names.first()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::manifest::node::{Document, Read};

    fn read<T: Read>(component: &Json) -> T {
        T::read(&Document::from_json(component).root()).unwrap()
    }

    fn option(place: &str, path: &[&str]) -> Json {
        match path {
            [name] => json!({"type": "RequestOption", "inject_into": place, "field_name": name}),
            path => json!({"type": "RequestOption", "inject_into": place, "field_path": path}),
        }
    }

    fn dates(start: Json, end: Json) -> IncrementalSync {
        read(&json!({
            "type": "DatetimeBasedCursor", "cursor_field": "at", "datetime_format": "%Y", "start_datetime": "2024",
            "start_time_option": start, "end_time_option": end,
        }))
    }

    fn slice() -> Slice {
        let fields = |json: Json| json.as_object().unwrap().clone();
        Slice::of(fields(json!({"pid": 7}))).window(fields(json!({"start_time": "a", "end_time": "b"}))).unwrap()
    }

    fn names(router: Option<&PartitionRouter>, sync: &IncrementalSync) -> Vec<String> {
        let config = json!({});
        let scope = Scope::new(&config, jiff::Timestamp::UNIX_EPOCH);
        let places = places(router, Some(sync), &slice(), &scope);
        places.iter().map(|(target, names, value)| format!("{target:?} {} = {value}", names.join("."))).collect()
    }

    #[test]
    fn start_and_end_of_a_window_go_where_the_cursor_says() {
        let sync = dates(option("request_parameter", &["since"]), option("header", &["Until"]));
        assert_eq!(names(None, &sync), [r#"Parameter since = "a""#, r#"Header Until = "b""#]);
        let nested = dates(option("body_json", &["range", "from"]), option("body_json", &["range", "to"]));
        assert_eq!(names(None, &nested), [r#"BodyJson range.from = "a""#, r#"BodyJson range.to = "b""#]);
        let same = dates(option("request_parameter", &["q"]), option("request_parameter", &["q"]));
        assert_eq!(names(None, &same), [r#"Parameter q = "b""#], "the end wins");
    }

    #[test]
    fn the_cursor_wins_over_the_router() {
        let router = |place: Json| -> PartitionRouter {
            read(
                &json!({"type": "ListPartitionRouter", "cursor_field": "pid", "values": ["x"], "request_option": place}),
            )
        };
        let sync = dates(option("request_parameter", &["q"]), Json::Null);
        assert_eq!(names(Some(&router(option("request_parameter", &["q"]))), &sync), [r#"Parameter q = "a""#]);
        let beside = router(option("header", &["q"]));
        assert_eq!(names(Some(&beside), &sync), [r#"Parameter q = "a""#, "Header q = 7"]);
    }

    #[test]
    fn a_place_that_is_taken_is_an_error() {
        let sync = dates(option("request_parameter", &["page"]), Json::Null);
        let config = json!({});
        let scope = Scope::new(&config, jiff::Timestamp::UNIX_EPOCH);
        let mut additions = Additions::new();
        additions.add(&read(&option("request_parameter", &["page"])), json!(1), &scope).unwrap();
        let trouble = add_slice(None, Some(&sync), &slice(), &scope, &mut additions).unwrap_err();
        assert_eq!(trouble.code(), "request_collision");
    }
}
