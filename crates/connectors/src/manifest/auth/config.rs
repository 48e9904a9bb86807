//! Values of the config by their path: which authenticator it chooses, where tokens are kept, and how new ones are
//! written back.

use std::fmt;

use serde_json::{Map, Value as Json};

use super::super::request::text::python_text;
use super::super::scope::{Given, Scope, Variable};

/// Deepest place in a config that is written to.
const PATH_MAX: usize = 32;

/// One value that the config must be given. Shown without the value, which may be a secret.
#[derive(Clone, PartialEq)]
pub struct ConfigWrite {
    pub path: Vec<String>,
    pub value: Json,
}

impl fmt::Debug for ConfigWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConfigWrite({})", self.path.join("."))
    }
}

/// Puts new values into a config; what is missing on the way is made.
pub fn write_back(config: &mut Json, writes: &[ConfigWrite]) {
    for write in writes.iter().filter(|write| write.path.len() <= PATH_MAX) {
        let mut place = &mut *config;
        for name in &write.path {
            place = step_into(place, name);
        }
        *place = write.value.clone();
    }
}

fn step_into<'a>(place: &'a mut Json, name: &str) -> &'a mut Json {
    let in_list = match &*place {
        Json::Array(items) => name.parse().ok().filter(|at: &usize| *at < items.len()),
        _ => None,
    };
    if let Some(at) = in_list {
        return &mut place[at];
    }
    if !place.is_object() {
        *place = Json::Object(Map::new());
    }
    &mut place[name]
}

/// The config's value at a path, if there is one.
pub(super) fn value_at<'a>(scope: &Scope<'a>, path: &[String]) -> Option<&'a Json> {
    let Some(Given::Json(config)) = scope.given(Variable::Config) else { return None };
    find(config, path)
}

/// A value within another, by names and by places in lists.
pub(super) fn find<'a>(value: &'a Json, path: &[String]) -> Option<&'a Json> {
    path.iter().try_fold(value, |value, name| match value {
        Json::Object(fields) => fields.get(name),
        Json::Array(items) => items.get(name.parse::<usize>().ok()?),
        _ => None,
    })
}

/// The config's value at a path as a text.
pub(super) fn text_at(scope: &Scope<'_>, path: &[String]) -> Option<String> {
    value_at(scope, path).map(python_text)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;

    #[test]
    fn new_values_are_written_where_they_belong() {
        let write = |path: &[&str], value| ConfigWrite { path: path.iter().map(|p| (*p).to_owned()).collect(), value };
        let mut config = json!({"credentials": {"refresh_token": "old", "kept": 1}, "list": [{"a": 1}], "x": 5});
        write_back(
            &mut config,
            &[
                write(&["credentials", "refresh_token"], json!("new")),
                write(&["credentials", "made", "here"], json!("y")),
                write(&["list", "0", "a"], json!(2)),
                write(&["x", "y"], json!(6)),
            ],
        );
        let expected = json!({"credentials": {"refresh_token": "new", "kept": 1, "made": {"here": "y"}},
                              "list": [{"a": 2}], "x": {"y": 6}});
        assert_eq!(config, expected);
        assert!(!format!("{:?}", write(&["a"], json!("s3cret"))).contains("s3cret"));
    }

    #[test]
    fn values_are_found_by_their_path() {
        let config = json!({"auth": {"type": "key", "list": ["a", true]}});
        let scope = Scope::new(&config, Timestamp::UNIX_EPOCH);
        let at = |path: &[&str]| {
            let path: Vec<String> = path.iter().map(|name| (*name).to_owned()).collect();
            text_at(&scope, &path)
        };
        assert_eq!(at(&["auth", "type"]).as_deref(), Some("key"));
        assert_eq!(at(&["auth", "list", "1"]).as_deref(), Some("True"));
        assert_eq!(at(&["auth", "missing"]), None);
        assert_eq!(at(&["auth", "type", "deeper"]), None);
    }
}
