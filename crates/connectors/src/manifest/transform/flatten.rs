//! Flattening: what is nested becomes fields of the record itself, under its own name where that is free.

use serde_json::{Map, Value as Json};

use crate::manifest::expression::Template;
use crate::manifest::node::{Node, Parameters, Read};
use crate::manifest::path::{Path, Pointer};
use crate::manifest::problem::Problem;
use crate::manifest::scope::Scope;
use crate::manifest::select::RecordError;

/// Flattens everything. A name is preceded by its parent's where it is taken already and, from the first list on,
/// always; elements of lists are called by their numbers.
pub(super) fn all(record: &mut Json, lists: bool) {
    let mut flat = Map::new();
    let mut in_list = false;
    // The last ones first, which decides who gets a name that two want.
    let mut waiting = vec![("_".to_owned(), record.take())];
    while let Some((name, value)) = waiting.pop() {
        match value {
            Json::Object(fields) => {
                let named = fields.into_iter().map(|(key, value)| match in_list || flat.contains_key(&key) {
                    true => (format!("{name}.{key}"), value),
                    false => (key, value),
                });
                waiting.extend(named);
            }
            Json::Array(items) if lists => {
                in_list |= !items.is_empty();
                waiting.extend(items.into_iter().enumerate().map(|(at, item)| (format!("{name}.{at}"), item)));
            }
            plain => drop(flat.insert(name, plain)),
        }
    }
    *record = Json::Object(flat);
}

/// Brings the fields of the mapping at a path up into the record.
#[derive(Clone, Debug)]
pub struct DpathFlatten {
    pointer: Pointer,
    deletes_origin: bool,
    replaces_record: bool,
    prefix: Option<Template>,
    suffix: Option<Template>,
    parameters: Parameters,
    key_parameters: Parameters,
}

impl DpathFlatten {
    pub fn apply(&self, record: &mut Json, scope: &Scope<'_>) -> Result<(), RecordError> {
        let path = self.pointer.path(&scope.parameters(&self.parameters))?;
        let Some(Json::Object(inner)) = found(&path, record)? else { return Ok(()) };
        let replaces = self.replaces_record && !inner.is_empty();
        let (prefix, suffix) = self.affixes(scope)?;
        let inner: Map<String, Json> = match (&prefix, &suffix) {
            (None, None) => inner.clone(),
            _ => {
                let (prefix, suffix) = (prefix.unwrap_or_default(), suffix.unwrap_or_default());
                inner.iter().map(|(key, value)| (format!("{prefix}{key}{suffix}"), value.clone())).collect()
            }
        };
        let Json::Object(fields) = &mut *record else { return Ok(()) };
        if replaces {
            *fields = inner;
        } else if !inner.keys().any(|key| fields.contains_key(key)) {
            if self.deletes_origin {
                path.remove(record);
            }
            record.as_object_mut().into_iter().for_each(|fields| fields.extend(inner.clone()));
        }
        Ok(())
    }

    fn affixes(&self, scope: &Scope<'_>) -> Result<(Option<String>, Option<String>), RecordError> {
        let scope = scope.parameters(&self.key_parameters);
        let text = |template: &Option<Template>| -> Result<Option<String>, RecordError> {
            let text = template.as_ref().map(|template| template.text(&scope)).transpose()?;
            Ok(text.filter(|text| !text.is_empty()))
        };
        Ok((text(&self.prefix)?, text(&self.suffix)?))
    }
}

/// The value at the path: with a `*`, the first one.
fn found<'a>(path: &Path, record: &'a Json) -> Result<Option<&'a Json>, RecordError> {
    match path.is_spread() {
        true => Ok(path.all(record).first().copied()),
        false => Ok(path.one(record)?),
    }
}

impl Read for DpathFlatten {
    fn read(node: &Node) -> Result<Self, Problem> {
        let keys = node.get("key_transformation");
        let affix = |field| keys.as_ref().map_or(Ok(None), |keys| keys.maybe::<Template>(field));
        Ok(Self {
            pointer: node.need("field_path")?,
            deletes_origin: node.or("delete_origin_value", false)?,
            replaces_record: node.or("replace_record", false)?,
            prefix: affix("prefix")?,
            suffix: affix("suffix")?,
            key_parameters: keys.as_ref().unwrap_or(node).parameters(),
            parameters: node.parameters(),
        })
    }
}
