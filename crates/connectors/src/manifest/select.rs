//! From decoded pages to records: extract, filter, transform, normalise. Records are moved out of the page, never cloned.
//!
//! Never sends: where a list inside a record has to be fetched whole, the record is handed back with that wish.

mod expand;
mod extract;
mod fault;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::Value as Json;

pub use expand::Expander;
pub use extract::{Combine, Extractor};
pub use fault::RecordError;

use super::decode::Table;
use super::expression::Condition;
use super::node::{Node, Parameters, Read};
use super::overrides::Formula;
use super::problem::Problem;
use super::schema::Schema;
use super::scope::Scope;
use super::transform::Transformation;

/// Whether records are cast to the types of the stream's schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Normalization {
    #[default]
    None,
    Default,
}

impl Read for Normalization {
    fn read(node: &Node) -> Result<Self, Problem> {
        if node.is_map() {
            return Err(node.unsupported());
        }
        match String::read(node)?.as_str() {
            "None" => Ok(Self::None),
            "Default" => Ok(Self::Default),
            _ => Err(node.wrong("None or Default")),
        }
    }
}

/// Which records a filter lets through.
#[derive(Clone, Debug)]
pub struct RecordFilter {
    condition: Condition,
    parameters: Parameters,
    /// In place of a custom filter.
    formula: Option<Arc<dyn Formula>>,
}

impl RecordFilter {
    /// Whether the record is kept. The scope's slice and page token are those of the request.
    pub fn keeps(&self, record: &Json, scope: &Scope<'_>) -> Result<bool, RecordError> {
        if let Some(formula) = &self.formula {
            let given = formula.in_place([("record", record.clone())], scope);
            let fault = |detail| RecordError::Formula { component: "record filter", detail };
            return match given.map_err(fault)? {
                Json::Bool(keeps) => Ok(keeps),
                _ => Err(fault("must give true or false".to_owned())),
            };
        }
        Ok(self.condition.holds(&scope.parameters(&self.parameters).record(record))?)
    }

    /// A condition that was left empty keeps nothing, unless a cursor filters in its place.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.formula.is_none() && self.condition.source().is_empty()
    }
}

impl Read for RecordFilter {
    fn read(node: &Node) -> Result<Self, Problem> {
        match &*node.kind("RecordFilter")? {
            "RecordFilter" => {
                let empty = || Condition::compile("").map_err(|failure| node.wrong(failure.to_string()));
                let condition = node.maybe("condition")?.map_or_else(empty, Ok)?;
                Ok(Self { condition, parameters: node.parameters(), formula: None })
            }
            "CustomRecordFilter" if let Some(formula) = node.formula() => {
                let formula = Some(Arc::clone(formula));
                Ok(Self { condition: Condition::always(true), parameters: node.parameters(), formula })
            }
            _ => Err(node.unsupported()),
        }
    }
}

/// How the files of asynchronous jobs become records.
#[derive(Clone, Debug)]
pub enum Download {
    /// As a table, whatever the decoder is.
    Table(Table),
    /// As pages are.
    Extractor(Extractor),
}

impl Read for Download {
    fn read(node: &Node) -> Result<Self, Problem> {
        match &*node.kind("")? {
            "ResponseToFileExtractor" => Table::read(node).map(Self::Table),
            _ => Extractor::read(node).map(Self::Extractor),
        }
    }
}

/// What a page gave.
#[derive(Debug, Default)]
pub struct Selected {
    pub records: Vec<Json>,
    /// Records of the page before any was filtered out: what paginators compare with the page size.
    pub extracted: u64,
    /// Records whose inner list the source cut short, to be completed by [`Selector::complete`].
    pub incomplete: Vec<Json>,
    /// Records whose inner list the source cut short while the manifest has no way to fetch the rest: worth a warning.
    pub cut_short: u64,
}

/// How records are selected from replies.
#[derive(Clone, Debug)]
pub struct Selector {
    extractor: Extractor,
    filter: Option<RecordFilter>,
    transformations: Vec<Transformation>,
    normalization: Normalization,
    /// As written, where it is.
    transforms_first: Option<bool>,
    filters_by_cursor: bool,
}

/// What a cursor says of a record, where it filters on our side: before the condition, if any.
pub type Keep<'a> = &'a mut dyn FnMut(&Json) -> bool;

impl Selector {
    /// One that extracts and does nothing else.
    #[must_use]
    pub fn of(extractor: Extractor) -> Self {
        Self {
            extractor,
            filter: None,
            transformations: Vec::new(),
            normalization: Normalization::None,
            transforms_first: None,
            filters_by_cursor: false,
        }
    }

    /// The retriever of lists that the source cuts short, if the manifest has one.
    #[must_use]
    pub fn list_retriever(&self) -> Option<&Node> {
        self.extractor.list_retriever()
    }

    /// With the transformations of the stream. `filters_by_cursor` is whether the stream's cursor filters on our side.
    #[must_use]
    pub fn with(mut self, transformations: Vec<Transformation>, filters_by_cursor: bool) -> Self {
        self.transformations = transformations;
        self.filters_by_cursor = filters_by_cursor;
        self
    }

    /// Extracting otherwise than the manifest's selector does, as downloads may.
    #[must_use]
    pub fn extracting(mut self, extractor: Extractor) -> Self {
        self.extractor = extractor;
        self
    }

    /// Filters, transforms and normalises what was extracted elsewhere, such as the rows of a table.
    pub fn refine_all(
        &self,
        records: Vec<Json>,
        scope: &Scope<'_>,
        schema: &Schema,
        keep: Keep<'_>,
    ) -> Result<Selected, RecordError> {
        self.refine(extract::Found { records, ..extract::Found::default() }, scope, schema, keep)
    }

    /// Selects from the items that a page was decoded to. The items are left in place, without what was moved out.
    pub fn records(&self, page: &mut [Json], scope: &Scope<'_>, schema: &Schema) -> Result<Selected, RecordError> {
        self.records_if(page, scope, schema, &mut |_| true)
    }

    /// As [`Self::records`], asking the cursor which ones to keep.
    pub fn records_if(
        &self,
        page: &mut [Json],
        scope: &Scope<'_>,
        schema: &Schema,
        keep: Keep<'_>,
    ) -> Result<Selected, RecordError> {
        let mut found = extract::Found::default();
        for item in page {
            self.extractor.extract(item, scope, &mut found)?;
        }
        self.refine(found, scope, schema, keep)
    }

    /// The records of an incomplete one, after its whole list was fetched (or nothing was found there).
    pub fn complete(
        &self,
        parent: Json,
        fetched: Vec<Json>,
        scope: &Scope<'_>,
        schema: &Schema,
        keep: Keep<'_>,
    ) -> Result<Selected, RecordError> {
        let mut found = extract::Found::default();
        self.extractor.complete(parent, fetched, scope, &mut found)?;
        self.refine(found, scope, schema, keep)
    }

    /// Whether a template that reads `response` may be evaluated after the records were moved out of the page.
    #[must_use]
    pub fn spares(&self, template: &str) -> bool {
        !template.contains("response")
            || self
                .extractor
                .heads()
                .is_some_and(|heads| heads.iter().all(|head| !head.is_empty() && !template.contains(head)))
    }

    fn refine(
        &self,
        found: extract::Found,
        scope: &Scope<'_>,
        schema: &Schema,
        keep: Keep<'_>,
    ) -> Result<Selected, RecordError> {
        let extract::Found { mut records, dropped, incomplete, cut_short } = found;
        let extracted = records.len() as u64 + dropped;
        let first = self.transforms_first.unwrap_or(self.filters_by_cursor);
        if first {
            self.transform(&mut records, scope)?;
        }
        self.filter(&mut records, scope, keep)?;
        if !first {
            self.transform(&mut records, scope)?;
        }
        if self.normalization == Normalization::Default {
            records.iter_mut().for_each(|record| schema.normalize(record));
        }
        Ok(Selected { records, extracted, incomplete, cut_short })
    }

    fn filter(&self, records: &mut Vec<Json>, scope: &Scope<'_>, keep: Keep<'_>) -> Result<(), RecordError> {
        let condition = self.filter.as_ref().filter(|filter| !(self.filters_by_cursor && filter.is_empty()));
        if condition.is_none() && !self.filters_by_cursor {
            return Ok(());
        }
        let mut failed = None;
        records.retain(|record| {
            if failed.is_some() || (self.filters_by_cursor && !keep(record)) {
                return false;
            }
            let kept = condition.map_or(Ok(true), |filter| filter.keeps(record, scope));
            kept.unwrap_or_else(|error| {
                failed = Some(error);
                false
            })
        });
        failed.map_or(Ok(()), Err)
    }

    fn transform(&self, records: &mut [Json], scope: &Scope<'_>) -> Result<(), RecordError> {
        if self.transformations.is_empty() {
            return Ok(());
        }
        for record in records {
            for transformation in &self.transformations {
                transformation.apply(record, scope)?;
            }
        }
        Ok(())
    }
}

impl Read for Selector {
    fn read(node: &Node) -> Result<Self, Problem> {
        if &*node.kind("RecordSelector")? != "RecordSelector" {
            return Err(node.unsupported());
        }
        Ok(Self {
            extractor: node.need("extractor")?,
            filter: node.maybe("record_filter")?,
            transformations: Vec::new(),
            normalization: node.or("schema_normalization", Normalization::None)?,
            transforms_first: node.maybe("transform_before_filtering")?,
            filters_by_cursor: false,
        })
    }
}
