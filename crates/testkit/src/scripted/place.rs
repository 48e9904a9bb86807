//! Where in a request a script finds a value: `query.page`, `path.team`, `header.x-key`, `form.token`, `body.a.b`.

use serde::Deserialize;
use serde_json::Value as Json;

use super::query::Asked;

/// A named part of a request.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub enum Place {
    Query(String),
    Path(String),
    Header(String),
    Form(String),
    Body(Vec<String>),
}

impl TryFrom<String> for Place {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || {
            format!(
                "'{text}' names no part of a request: write query.NAME, path.NAME, header.NAME, form.NAME or body.A.B"
            )
        };
        let (kind, name) = text.split_once('.').ok_or_else(wrong)?;
        match kind {
            "query" => Ok(Self::Query(name.to_owned())),
            "path" => Ok(Self::Path(name.to_owned())),
            "header" => Ok(Self::Header(name.to_ascii_lowercase())),
            "form" => Ok(Self::Form(name.to_owned())),
            "body" => Ok(Self::Body(name.split('.').map(str::to_owned).collect())),
            _ => Err(wrong()),
        }
    }
}

impl Place {
    /// The value there, as text unless the body holds something else; `None` if the request has no such part.
    pub fn find(&self, asked: &Asked) -> Option<Json> {
        match self {
            Self::Query(name) => text_in(&asked.query, name),
            Self::Path(name) => text_in(&asked.captured, name),
            Self::Header(name) => asked.header(name).map(Json::from),
            Self::Form(name) => text_in(&asked.form, name),
            Self::Body(path) => path.iter().try_fold(asked.json.as_ref()?, |at, key| at.get(key.as_str())).cloned(),
        }
    }

    pub fn text(&self, asked: &Asked) -> Option<String> {
        self.find(asked).map(|value| plain(&value))
    }
}

/// A value as it stands in a URL: text without its quotes.
pub fn plain(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn text_in(pairs: &[(String, String)], name: &str) -> Option<Json> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| Json::from(value.as_str()))
}
