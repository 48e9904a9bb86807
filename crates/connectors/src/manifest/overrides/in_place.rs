//! A formula in the place of a component: given what a template there sees, by the same names.

use serde_json::{Map, Value as Json};

use super::Formula;
use crate::manifest::scope::{Given, Scope, Variable};

impl dyn Formula + '_ {
    /// What the formula gives, with `own` beside the config and the slice.
    pub(in crate::manifest) fn in_place<const N: usize>(
        &self,
        own: [(&str, Json); N],
        scope: &Scope<'_>,
    ) -> Result<Json, String> {
        let mut input = Map::from_iter(own.map(|(name, value)| (name.to_owned(), value)));
        if let Some(Given::Json(config)) = scope.given(Variable::Config) {
            input.insert("config".to_owned(), config.clone());
        }
        if let Some(Given::Slice(slice)) = scope.given(Variable::Slice) {
            let entries = slice.entries().map(|(key, value)| (key.clone(), value.clone()));
            input.insert("stream_slice".to_owned(), Json::Object(entries.collect()));
        }
        self.value(&Json::Object(input))
    }
}
