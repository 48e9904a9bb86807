//! Extractors: which values of a decoded page are records.

use std::sync::Arc;

use serde_json::Value as Json;

use super::expand::Expander;
use super::fault::RecordError;
use crate::manifest::node::{Node, Parameters, Read};
use crate::manifest::overrides::Formula;
use crate::manifest::path::{Path, Pointer};
use crate::manifest::problem::Problem;
use crate::manifest::scope::Scope;

/// Most extractors inside one another.
const NESTED_MAX: usize = 8;

/// How several extractors are one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Combine {
    /// The records of all of them, in their order.
    #[default]
    Union,
    /// Those of the first one that has any.
    FirstMatch,
}

/// Which values of a decoded page are records.
#[derive(Clone, Debug)]
pub enum Extractor {
    /// The values at a path: the elements if a list is there, the value if it is anything else but empty.
    Path {
        pointer: Pointer,
        parameters: Parameters,
        expander: Option<Box<Expander>>,
    },
    /// A formula in place of a custom extractor.
    Formula(Arc<dyn Formula>),
    Combined {
        extractors: Vec<Self>,
        mode: Combine,
        skips_empty: bool,
    },
}

/// What was extracted so far.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub records: Vec<Json>,
    /// Empty records that were dropped, which still count as slots of the page.
    pub dropped: u64,
    pub incomplete: Vec<Json>,
    pub cut_short: u64,
}

impl Extractor {
    /// The page itself, or its elements.
    #[must_use]
    pub fn whole() -> Self {
        Self::Path { pointer: Pointer::whole(), parameters: Parameters::default(), expander: None }
    }

    /// What is found in the items of a page, as it is there.
    pub fn all(&self, page: &mut [Json], scope: &Scope<'_>) -> Result<Vec<Json>, RecordError> {
        let mut found = Found::default();
        page.iter_mut().try_for_each(|item| self.extract(item, scope, &mut found))?;
        Ok(found.records)
    }

    /// Moves the records out of an item of a page.
    pub(super) fn extract(&self, item: &mut Json, scope: &Scope<'_>, found: &mut Found) -> Result<(), RecordError> {
        match self {
            Self::Path { pointer, parameters, expander } => {
                let path = pointer.path(&scope.parameters(parameters))?;
                let Some(expander) = expander else { return move_out(&path, item, &mut found.records) };
                let scope = scope.parameters(expander.parameters());
                let mut values = Vec::new();
                move_out(&path, item, &mut values)?;
                values.into_iter().try_for_each(|value| expander.expand(value, &scope, found))
            }
            Self::Formula(formula) => {
                let given = formula.in_place([("response", item.clone())], scope);
                let fault = |detail| RecordError::Formula { component: "record extractor", detail };
                match given.map_err(fault)? {
                    Json::Array(items) => extend(&mut found.records, items),
                    value if !is_empty(&value) => found.records.push(value),
                    _ => {}
                }
                Ok(())
            }
            Self::Combined { extractors, mode, skips_empty } => {
                for extractor in extractors {
                    let mut own = Found::default();
                    extractor.extract(&mut item.clone(), scope, &mut own)?;
                    if *skips_empty {
                        drop_empty(&mut own);
                    }
                    let has_won =
                        *mode == Combine::FirstMatch && !(own.records.is_empty() && own.incomplete.is_empty());
                    if *mode == Combine::Union || has_won {
                        found.add(own);
                    }
                    if has_won {
                        break;
                    }
                }
                Ok(())
            }
        }
    }

    /// What an incomplete record gives with its whole list.
    pub(super) fn complete(
        &self,
        parent: Json,
        fetched: Vec<Json>,
        scope: &Scope<'_>,
        found: &mut Found,
    ) -> Result<(), RecordError> {
        match self.completing() {
            Some(expander) => expander.complete(parent, fetched, &scope.parameters(expander.parameters()), found),
            None => Ok(()),
        }
    }

    /// The retriever of whole lists, if the manifest has one.
    #[must_use]
    pub fn list_retriever(&self) -> Option<&Node> {
        self.completing().and_then(|expander| expander.retriever())
    }

    fn completing(&self) -> Option<&Expander> {
        match self {
            Self::Path { expander, .. } => expander.as_deref().filter(|expander| expander.retriever().is_some()),
            Self::Formula(_) => None,
            Self::Combined { extractors, .. } => extractors.iter().find_map(Self::completing),
        }
    }

    /// The first names of the paths that are moved out of, or `None` where they are not known before.
    pub(super) fn heads(&self) -> Option<Vec<&str>> {
        match self {
            Self::Path { pointer, .. } => Some(vec![pointer.constant()?.head()?]),
            // Take copies.
            Self::Formula(_) | Self::Combined { .. } => Some(Vec::new()),
        }
    }

    /// Whether the number of records may differ from what the source counts as a page.
    #[must_use]
    pub fn is_union(&self) -> bool {
        match self {
            Self::Path { .. } | Self::Formula(_) => false,
            Self::Combined { mode: Combine::Union, .. } => true,
            Self::Combined { extractors, .. } => extractors.iter().any(Self::is_union),
        }
    }
}

impl Found {
    fn add(&mut self, other: Self) {
        extend(&mut self.records, other.records);
        self.dropped += other.dropped;
        self.incomplete.extend(other.incomplete);
        self.cut_short += other.cut_short;
    }
}

/// The usual page gives all its records at once: then they are taken as they are.
fn extend(records: &mut Vec<Json>, values: Vec<Json>) {
    match records.capacity() {
        0 => *records = values,
        _ => records.extend(values),
    }
}

fn move_out(path: &Path, item: &mut Json, records: &mut Vec<Json>) -> Result<(), RecordError> {
    if path.is_spread() {
        extend(records, path.take(item));
        return Ok(());
    }
    let value = if path.is_empty() { Some(item.take()) } else { path.take_one(item)? };
    match value {
        Some(Json::Array(items)) => extend(records, items),
        Some(value) if !is_empty(&value) => records.push(value),
        Some(_) | None => {}
    }
    Ok(())
}

/// What counts as nothing: null, false, zero, and texts and containers without contents.
pub(super) fn is_empty(value: &Json) -> bool {
    match value {
        Json::Null => true,
        Json::Bool(flag) => !flag,
        Json::Number(number) => number.as_f64() == Some(0.0),
        Json::String(text) => text.is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Object(fields) => fields.is_empty(),
    }
}

fn drop_empty(found: &mut Found) {
    let before = found.records.len();
    found.records.retain(|record| !is_empty(record));
    found.dropped += (before - found.records.len()) as u64;
}

impl Read for Extractor {
    fn read(node: &Node) -> Result<Self, Problem> {
        read_nested(node, NESTED_MAX)
    }
}

fn read_nested(node: &Node, levels: usize) -> Result<Extractor, Problem> {
    match &*node.kind("DpathExtractor")? {
        "CustomRecordExtractor" if let Some(formula) = node.formula() => Ok(Extractor::Formula(Arc::clone(formula))),
        "DpathExtractor" => Ok(Extractor::Path {
            pointer: node.need("field_path")?,
            parameters: node.parameters(),
            expander: node.maybe::<Expander>("record_expander")?.map(Box::new),
        }),
        "CombinedExtractor" => combined(node, levels),
        _ => Err(node.unsupported()),
    }
}

fn combined(node: &Node, levels: usize) -> Result<Extractor, Problem> {
    let Some(levels) = levels.checked_sub(1) else {
        return Err(node.wrong(format!("at most {NESTED_MAX} extractors inside one another")));
    };
    let Some(list) = node.get("extractors") else { return Err(node.wrong("a component with `extractors`")) };
    let extractors: Vec<Extractor> =
        list.items()?.iter().map(|item| read_nested(item, levels)).collect::<Result<_, _>>()?;
    if extractors.is_empty() {
        return Err(list.wrong("at least one extractor"));
    }
    let mode = match node.maybe::<String>("mode")?.as_deref() {
        None | Some("union") => Combine::Union,
        Some("first_match") => Combine::FirstMatch,
        Some(_) => return Err(node.get("mode").unwrap_or_else(|| node.clone()).wrong("union or first_match")),
    };
    Ok(Extractor::Combined { extractors, mode, skips_empty: node.or("skip_empty_records", false)? })
}
