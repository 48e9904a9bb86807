//! Records made of a list inside a record, with as much of the record around it as the manifest asks for.

use serde_json::{Map, Value as Json};

use super::extract::{Found, is_empty};
use super::fault::RecordError;
use crate::manifest::expression::Template;
use crate::manifest::node::{Node, Parameters, Read};
use crate::manifest::path::{self, Pointer};
use crate::manifest::problem::Problem;
use crate::manifest::scope::Scope;

/// Under which name a record carries the one that it was part of.
const ORIGINAL: &str = "original_record";
/// Under which name a record carries an item that is no mapping.
const VALUE: &str = "value";

/// Makes records of a list inside each record.
#[derive(Clone, Debug)]
pub struct Expander {
    list: Pointer,
    keeps_original: bool,
    merges_parent: bool,
    copies: Vec<FieldCopy>,
    emits_childless: bool,
    truncation: Option<Pointer>,
    /// What fetches the whole list where the source cut it short.
    retriever: Option<Node>,
    parameters: Parameters,
}

/// A value of the parent that is copied onto each item.
#[derive(Clone, Debug)]
struct FieldCopy {
    from: Pointer,
    to: Vec<Template>,
    parameters: Parameters,
}

impl Expander {
    pub(super) fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// What to read for a whole list; the record is `stream_slice.parent_record` there.
    pub(super) fn retriever(&self) -> Option<&Node> {
        self.retriever.as_ref()
    }

    pub(super) fn expand(&self, record: Json, scope: &Scope<'_>, found: &mut Found) -> Result<(), RecordError> {
        if !record.is_object() || self.list.is_empty() {
            found.records.push(record);
            return Ok(());
        }
        if self.is_truncated(&record, scope)? {
            if self.retriever.is_some() {
                found.incomplete.push(record);
                return Ok(());
            }
            found.cut_short += 1;
        }
        self.expand_embedded(record, scope, found)
    }

    /// With the whole list; if that was empty, what is embedded in the record has to do.
    pub(super) fn complete(
        &self,
        record: Json,
        fetched: Vec<Json>,
        scope: &Scope<'_>,
        found: &mut Found,
    ) -> Result<(), RecordError> {
        if fetched.is_empty() {
            return self.expand_embedded(record, scope, found);
        }
        let base = self.base(&record, scope)?;
        self.items(fetched, &record, base.as_ref(), scope, found)
    }

    fn is_truncated(&self, record: &Json, scope: &Scope<'_>) -> Result<bool, RecordError> {
        let Some(truncation) = &self.truncation else { return Ok(false) };
        Ok(truncation.path(scope)?.one(record)?.is_some_and(|mark| !is_empty(mark)))
    }

    fn expand_embedded(&self, mut record: Json, scope: &Scope<'_>, found: &mut Found) -> Result<(), RecordError> {
        let list = self.list.path(scope)?;
        // Without a parent to carry, the items are moved out: of a record without any, only empty lists were taken.
        let items = if self.carries_parent() { list.list_items(&record) } else { list.take_list_items(&mut record) };
        if items.is_empty() {
            if self.emits_childless {
                found.records.push(record);
            }
            return Ok(());
        }
        let base = self.base(&record, scope)?;
        self.items(items, &record, base.as_ref(), scope, found)
    }

    fn carries_parent(&self) -> bool {
        self.keeps_original || self.merges_parent || !self.copies.is_empty()
    }

    /// The parent without the lists that are expanded, to merge each item into.
    fn base(&self, record: &Json, scope: &Scope<'_>) -> Result<Option<Map<String, Json>>, RecordError> {
        if !self.merges_parent {
            return Ok(None);
        }
        let mut base = record.clone();
        self.list.path(scope)?.cut_lists(&mut base);
        Ok(base.as_object_mut().map(std::mem::take))
    }

    fn items(
        &self,
        items: Vec<Json>,
        parent: &Json,
        base: Option<&Map<String, Json>>,
        scope: &Scope<'_>,
        found: &mut Found,
    ) -> Result<(), RecordError> {
        let copies = self.copies.iter().map(|copy| copy.taken(parent, scope)).collect::<Result<Vec<_>, _>>()?;
        for item in items {
            let mut record = match item {
                Json::Object(fields) => fields,
                other if self.carries_parent() => Map::from_iter([(VALUE.to_owned(), other)]),
                other => {
                    found.records.push(other);
                    continue;
                }
            };
            if let Some(base) = base {
                let mut merged = base.clone();
                merged.extend(record);
                record = merged;
            }
            for (names, value) in &copies {
                path::set(&mut record, names, value.clone()).map_err(RecordError::blocked(names))?;
            }
            if self.keeps_original {
                record.insert(ORIGINAL.to_owned(), parent.clone());
            }
            found.records.push(Json::Object(record));
        }
        Ok(())
    }
}

impl FieldCopy {
    /// Where to, and what: null where the parent has no such field.
    fn taken(&self, parent: &Json, scope: &Scope<'_>) -> Result<(Vec<String>, Json), RecordError> {
        let scope = scope.parameters(&self.parameters);
        let value = self.from.path(&scope)?.one(parent)?.cloned().unwrap_or_default();
        let names = self.to.iter().map(|name| name.text(&scope)).collect::<Result<_, _>>()?;
        Ok((names, value))
    }
}

impl Read for Expander {
    fn read(node: &Node) -> Result<Self, Problem> {
        if &*node.kind("RecordExpander")? != "RecordExpander" {
            return Err(node.unsupported());
        }
        let truncation = one_field(node, "truncation_indicator_path")?;
        let retriever = node.get("truncated_list_retriever");
        if retriever.is_some() && truncation.is_none() {
            return Err(node.wrong("a component with a `truncation_indicator_path`, because it has a retriever"));
        }
        let emits_childless = match node.maybe::<String>("on_no_records")?.as_deref() {
            None | Some("skip") => false,
            Some("emit_parent") => true,
            Some(_) => return Err(node.wrong("a component whose `on_no_records` is skip or emit_parent")),
        };
        let list = match retriever {
            Some(_) => one_field(node, "expand_records_from_field")?,
            None => node.maybe("expand_records_from_field")?,
        };
        Ok(Self {
            list: list.ok_or_else(|| node.wrong("a component with `expand_records_from_field`"))?,
            keeps_original: node.or("remain_original_record", false)?,
            merges_parent: node.or("merge_parent", false)?,
            copies: node.or("parent_fields", Vec::new())?,
            emits_childless,
            truncation,
            retriever,
            parameters: node.parameters(),
        })
    }
}

impl Read for FieldCopy {
    fn read(node: &Node) -> Result<Self, Problem> {
        let needs = |field| move || node.wrong(format!("a component whose `{field}` has at least one name"));
        let from = one_field(node, "parent_path")?.ok_or_else(needs("parent_path"))?;
        one_field(node, "record_path")?.ok_or_else(needs("record_path"))?;
        Ok(Self { from, to: node.need("record_path")?, parameters: node.parameters() })
    }
}

/// A path that leads to one field: no pattern is in it. `None` where it is missing or empty.
fn one_field(node: &Node, field: &str) -> Result<Option<Pointer>, Problem> {
    let Some(path) = node.maybe::<Pointer>(field)?.filter(|path| !path.is_empty()) else { return Ok(None) };
    match path.constant().is_some_and(path::Path::has_pattern) {
        true => Err(node.wrong(format!("a component whose `{field}` is the path of one field, without patterns"))),
        false => Ok(Some(path)),
    }
}
