//! What paginator, slicer, cursor and authenticator add to a request. Nothing is overwritten: a name that is given
//! twice is an error, except that a JSON body may be given the same value for the same field again.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::super::page::PageToken;
use super::super::scope::Scope;
use super::super::trouble::Trouble;
use super::option::{RequestOption, Target};

/// Hosts that a page link may lead to beside the source's own.
pub type Hosts = Arc<[String]>;

/// A form: fields, or a text that is sent as it is.
#[derive(Clone, PartialEq)]
pub enum Form {
    Fields(Map<String, Json>),
    Text(String),
}

/// Values for the four places of a request, and the page to ask for.
#[derive(Clone, Default)]
pub struct Additions {
    pub(super) parameters: Map<String, Json>,
    pub(super) headers: Map<String, Json>,
    pub(super) json: Map<String, Json>,
    pub(super) form: Map<String, Json>,
    pub(super) page: Option<PageToken>,
    pub(super) hosts: Hosts,
}

impl Additions {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Hosts that the next page may be at, beside the source's own.
    #[must_use]
    pub fn allowing(mut self, hosts: &Hosts) -> Self {
        self.hosts = Arc::clone(hosts);
        self
    }

    /// Puts a value where the option says.
    ///
    /// # Errors
    /// If something is there already, or a name does not evaluate.
    pub fn add(&mut self, option: &RequestOption, value: Json, scope: &Scope<'_>) -> Result<(), Trouble> {
        let mut names = option.names(scope)?;
        let Some(last) = names.pop() else { return Ok(()) };
        let mut fields = Map::new();
        fields.insert(last, value);
        for name in names.into_iter().rev() {
            fields = Map::from_iter([(name, Json::Object(fields))]);
        }
        let (place, label) = match option.target {
            Target::Parameter => (&mut self.parameters, "query"),
            Target::Header => (&mut self.headers, "header"),
            Target::BodyData => (&mut self.form, "form"),
            Target::BodyJson => (&mut self.json, "JSON body"),
        };
        merge(place, fields, label, option.target == Target::BodyJson)
    }

    /// Headers that have a fixed place, such as `Authorization`.
    pub(in super::super) fn add_headers(&mut self, headers: Map<String, Json>) -> Result<(), Trouble> {
        merge(&mut self.headers, headers, "header", false)
    }

    /// Everything of both, if nothing is twice.
    pub fn merge(&mut self, other: Self) -> Result<(), Trouble> {
        merge(&mut self.parameters, other.parameters, "query", false)?;
        merge(&mut self.headers, other.headers, "header", false)?;
        merge(&mut self.form, other.form, "form", false)?;
        merge(&mut self.json, other.json, "JSON body", true)?;
        self.page = other.page.or(self.page.take());
        if !other.hosts.is_empty() {
            self.hosts = other.hosts;
        }
        Ok(())
    }

    /// The page that the request is for.
    pub fn page(&mut self, token: &PageToken) {
        self.page = Some(token.clone());
    }
}

impl fmt::Debug for Additions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |map: &Map<String, Json>| map.keys().cloned().collect::<Vec<_>>();
        f.debug_struct("Additions")
            .field("parameters", &names(&self.parameters))
            .field("headers", &names(&self.headers))
            .field("json", &names(&self.json))
            .field("form", &names(&self.form))
            .finish_non_exhaustive()
    }
}

/// Adds fields to others. With `is_json`, objects are merged and equal values are one.
pub(super) fn merge(
    into: &mut Map<String, Json>,
    from: Map<String, Json>,
    place: &'static str,
    is_json: bool,
) -> Result<(), Trouble> {
    for (name, value) in from {
        match (into.get_mut(&name), value) {
            (None, value) => {
                into.insert(name, value);
            }
            (Some(Json::Object(inner)), Json::Object(value)) if is_json => merge(inner, value, place, true)?,
            (Some(known), value) if is_json && *known == value => {}
            (Some(_), _) => return Err(Trouble::Collision { place, name }),
        }
    }
    Ok(())
}
