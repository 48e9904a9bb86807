//! Overrides: what stands in for a manifest's custom components, which are never executed. A file, keyed by the class
//! that a component names, replaces each by a standard component or by a formula in JSONata:
//!
//! ```yaml
//! overrides:
//!   source_shop.components.ShopAuthenticator:      # or just ShopAuthenticator
//!     component:                                   # `#/…` refers to the manifest
//!       type: BearerAuthenticator
//!       api_token: "{{ config['token'] }}"
//!   source_shop.components.RowExtractor:
//!     jsonata: "response.rows.{ 'id': $[0], 'name': $[1] }"
//! ```
//!
//! Fields that the fragment does not write are those of the component that it replaces. A formula sees what a template
//! in its place sees, by the same names, and gives what its place asks for (see [`Formula`]).

mod in_place;
#[cfg(test)]
pub(super) mod tests;

use std::fmt;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde_json::Value as Json;

use super::node::{Document, Limits, Node, Part};
use super::problem::{Fault, Problem};

/// Compiles formulas. The library is the engine's: what is decided here knows none.
pub trait Formulas: fmt::Debug + Send + Sync {
    /// The compiled formula, or what is wrong with the text.
    fn compile(&self, text: &str) -> Result<Arc<dyn Formula>, String>;
}

/// A compiled formula. Its input is an object of the names that templates see in the same place.
///
/// | replaces | sees | gives |
/// |---|---|---|
/// | extractor | `response`, `config`, `stream_slice` | the records: a list, one of them, or nothing |
/// | record filter | `record`, `config`, `stream_slice` | whether to keep it |
/// | transformation | `record`, `config`, `stream_slice` | the record to go on with |
/// | back-off strategy | `response`, `headers`, `attempt`, `config` | seconds to wait, or nothing |
/// | authenticator | `config` | an object of the headers to send |
pub trait Formula: fmt::Debug + Send + Sync {
    fn value(&self, input: &Json) -> Result<Json, String>;
}

/// What the override file says.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    by_class: FxHashMap<Arc<str>, Override>,
}

#[derive(Clone, Debug)]
pub(super) enum Override {
    Component(Part),
    Formula(Arc<dyn Formula>),
}

impl Overrides {
    /// Reads an override file. Every mistake in it is told at once.
    pub fn parse(name: &str, text: &str, formulas: &dyn Formulas) -> Result<Self, Vec<Problem>> {
        let document = Document::parse(name, text, Limits::default())?;
        let root = document.root();
        let mut problems = Vec::new();
        let listed = match root.need::<Node>("overrides").and_then(|node| node.entries()) {
            Ok(listed) => listed,
            Err(problem) => return Err(vec![problem]),
        };
        for (key, node) in root.entries().unwrap_or_default() {
            if &*key != "overrides" {
                problems.push(node.problem(Fault::Wrong, "only 'overrides' can stand here".to_owned()));
            }
        }
        let mut by_class = FxHashMap::default();
        for (class, node) in listed {
            match Override::read(&node, formulas) {
                Ok(with) => {
                    by_class.insert(class, with);
                }
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() { Ok(Self { by_class }) } else { Err(problems) }
    }

    /// The classes that are replaced, as the file writes them.
    #[must_use]
    pub fn classes(&self) -> Vec<&str> {
        let mut classes: Vec<&str> = self.by_class.keys().map(|class| &**class).collect();
        classes.sort_unstable();
        classes
    }

    /// Whether the file's `written` stands for the class that a component names: the whole of it, or its last part.
    #[must_use]
    pub fn is_meant(written: &str, class: &str) -> bool {
        written == class || class.rsplit_once('.').is_some_and(|(_, name)| name == written)
    }

    /// What replaces a class: by its whole name first, then by its last part.
    pub(super) fn find(&self, class: &str) -> Option<&Override> {
        let by_name = || class.rsplit_once('.').and_then(|(_, name)| self.by_class.get(name));
        self.by_class.get(class).or_else(by_name)
    }
}

impl Override {
    fn read(node: &Node, formulas: &dyn Formulas) -> Result<Self, Problem> {
        for (key, field) in node.entries()? {
            if !matches!(&*key, "component" | "jsonata") {
                return Err(field.problem(Fault::Wrong, "an override has 'component' or 'jsonata'".to_owned()));
            }
        }
        match (node.get("component"), node.get("jsonata")) {
            (Some(component), None) => Self::component(&component),
            (None, Some(formula)) => {
                let text = formula.text().ok_or_else(|| formula.wrong("a formula in JSONata, which is a text"))?;
                let compiled = formulas.compile(text);
                compiled.map(Self::Formula).map_err(|reason| formula.problem(Fault::Wrong, reason))
            }
            _ => Err(node.problem(Fault::Wrong, "needs either 'component' or 'jsonata'".to_owned())),
        }
    }

    fn component(node: &Node) -> Result<Self, Problem> {
        let kind: String = node.need("type")?;
        if kind.starts_with("Custom") || node.get("class_name").is_some() {
            let message = "must be a standard component: custom ones are never executed".to_owned();
            return Err(node.problem(Fault::Wrong, message));
        }
        Ok(Self::Component(node.part()?))
    }
}
