//! The script file: data sets, and routes with their replies. Unknown keys are errors, so that a misspelt one cannot
//! quietly test nothing.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value as Json;

use super::packing::Packing;
use super::pages::Pages;
use super::query::Asked;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    #[serde(default)]
    pub(super) data: BTreeMap<String, DataSet>,
    pub(super) routes: Vec<Route>,
    #[serde(default)]
    pub(super) log: LogRules,
}

/// Why a script cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    #[error("the script is no YAML: {0}")]
    Yaml(String),
    #[error("the script is not understood: {0}")]
    Shape(#[from] serde_json::Error),
    #[error("the route '{0}' is not written as METHOD /path")]
    Route(String),
    #[error("the route '{0}' shows pages of '{1}', which is no data set")]
    DataSet(String, String),
}

impl Script {
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let value: Json = serde_saphyr::from_str(text).map_err(|error| ScriptError::Yaml(error.to_string()))?;
        let script: Self = serde_json::from_value(value)?;
        for route in &script.routes {
            if !route.on.split_once(' ').is_some_and(|(_, path)| path.starts_with('/')) {
                return Err(ScriptError::Route(route.on.clone()));
            }
            for pages in route.reply.all().iter().filter_map(|reply| reply.pages.as_ref()) {
                if !script.data.contains_key(&pages.of) {
                    return Err(ScriptError::DataSet(route.on.clone(), pages.of.clone()));
                }
            }
        }
        Ok(script)
    }
}

/// Records written out, or made by number.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum DataSet {
    Listed(Vec<Json>),
    Made(Made),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Made {
    pub count: u64,
    /// The number of the first record.
    #[serde(default = "one")]
    pub first: u64,
    /// The time of the record before the first, and the seconds between two.
    #[serde(default)]
    pub start: Option<String>,
    #[serde(default)]
    pub every: u32,
    /// One record, with `{n}`, `{time}` and the like where values go.
    pub each: Json,
}

fn one() -> u64 {
    1
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// `GET /teams/{team}/users`; the first route that fits answers.
    pub on: String,
    #[serde(default)]
    pub when: When,
    pub reply: Replies,
    /// Whether a list of replies is walked by each distinct request or by all that the route answers.
    #[serde(default)]
    pub per: Per,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    #[default]
    Request,
    Route,
}

/// What a request must have beside method and path. `null` means: not there.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct When {
    #[serde(default)]
    pub query: BTreeMap<String, Option<String>>,
    #[serde(default)]
    pub headers: BTreeMap<String, Option<String>>,
    #[serde(default)]
    pub form: BTreeMap<String, Option<String>>,
    /// A part of the JSON body: objects may have more keys.
    #[serde(default)]
    pub body: Option<Json>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Replies {
    InTurn(Vec<Reply>),
    Always(Box<Reply>),
}

impl Replies {
    pub fn all(&self) -> &[Reply] {
        match self {
            Self::InTurn(replies) => replies,
            Self::Always(reply) => std::slice::from_ref(reply),
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    #[serde(default)]
    pub status: Option<u16>,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    #[serde(default)]
    pub json: Option<Json>,
    #[serde(default)]
    pub text: Option<String>,
    #[serde(default)]
    pub pages: Option<Pages>,
    #[serde(default)]
    pub packed: Option<Packing>,
    /// Announces the whole body, sends this many bytes of it and breaks the connection.
    #[serde(default)]
    pub cut_after: Option<usize>,
    /// Ends the body here without a word: a well-formed response with half a document.
    #[serde(default)]
    pub truncate_to: Option<usize>,
}

/// What the log keeps beside method, path, query and body.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogRules {
    /// More headers, in lower case. `authorization` and `x-…` are always kept.
    #[serde(default)]
    pub headers: Vec<String>,
    /// The secret that signed tokens (HS256, HS384, HS512) are checked with.
    #[serde(default)]
    pub jwt_secret: Option<String>,
}

impl Route {
    /// Whether it answers this request; notes what the braces of its path stand for.
    pub fn fits(&self, asked: &mut Asked) -> bool {
        let Some((method, path)) = self.on.split_once(' ') else { return false };
        if method != asked.method {
            return false;
        }
        let Some(captured) = capture(path, &asked.path) else { return false };
        if !self.when.holds(asked) {
            return false;
        }
        asked.captured = captured;
        true
    }
}

fn capture(pattern: &str, path: &str) -> Option<Vec<(String, String)>> {
    let (wanted, given): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
    if wanted.len() != given.len() {
        return None;
    }
    let mut captured = Vec::new();
    for (wanted, given) in wanted.into_iter().zip(given) {
        match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) => captured.push((name.to_owned(), given.to_owned())),
            None if wanted == given => {}
            None => return None,
        }
    }
    Some(captured)
}

impl When {
    fn holds(&self, asked: &Asked) -> bool {
        let found =
            |pairs: &[(String, String)], name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, v)| v.clone());
        self.query.iter().all(|(name, value)| found(&asked.query, name) == *value)
            && self.headers.iter().all(|(name, value)| asked.header(name).map(str::to_owned) == *value)
            && self.form.iter().all(|(name, value)| found(&asked.form, name) == *value)
            && self.body.as_ref().is_none_or(|part| asked.json.as_ref().is_some_and(|whole| is_part(part, whole)))
    }
}

fn is_part(part: &Json, whole: &Json) -> bool {
    match (part, whole) {
        (Json::Object(part), Json::Object(whole)) => {
            part.iter().all(|(key, value)| whole.get(key).is_some_and(|whole| is_part(value, whole)))
        }
        _ => part == whole,
    }
}
