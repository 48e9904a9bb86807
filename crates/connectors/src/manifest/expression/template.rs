//! A compiled template and a compiled condition. What one renders is text first and a value second: the text is read as
//! a Python literal if it is one, exactly as the format has it.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value as Json;

use super::budget::Budget;
use super::compiled::{Compiled, Fallback};
use super::failure::Failure;
use super::result;
use super::value::Value;
use crate::manifest::scope::Scope;

pub use super::result::Kinds;

/// A text with expressions in it. Cloning shares what was compiled.
#[derive(Debug, Clone)]
pub struct Template {
    compiled: Arc<Compiled>,
    /// The value of a template that depends on nothing, and that value as a text.
    constant: Option<Arc<(Json, String)>>,
}

impl Template {
    /// Compiles a template, or says what is wrong with it.
    pub fn compile(source: &str) -> Result<Self, Failure> {
        let compiled = Arc::new(Compiled::new(source)?);
        let mut template = Self { compiled, constant: None };
        if template.compiled.is_constant() {
            let nothing = Json::Null;
            let scope = Scope::new(&nothing, Timestamp::UNIX_EPOCH);
            template.constant = template.computed(&scope).ok().map(Arc::new);
        }
        Ok(template)
    }

    fn computed(&self, scope: &Scope<'_>) -> Result<(Json, String), Failure> {
        let value = self.python(scope, Kinds::ANY, Fallback::Itself)?;
        let text = super::print::to_str(&value, &mut Budget::new());
        Ok((result::to_json(value), text.map_err(|fault| self.compiled.failure(&fault))?))
    }

    fn python<'s>(&'s self, scope: &'s Scope<'_>, kinds: Kinds, fallback: Fallback) -> Result<Value<'s>, Failure> {
        self.compiled.value(scope, kinds, fallback)
    }

    /// The value: rendered, then read as a literal if the text is one.
    pub fn value(&self, scope: &Scope<'_>) -> Result<Json, Failure> {
        match &self.constant {
            Some(constant) => Ok(constant.0.clone()),
            None => self.value_of(scope, Kinds::ANY),
        }
    }

    /// The value if it is of one of the kinds, else its text.
    pub fn value_of(&self, scope: &Scope<'_>, kinds: Kinds) -> Result<Json, Failure> {
        self.python(scope, kinds, Fallback::Itself).map(result::to_json)
    }

    /// As [`Self::value_of`], but null where the template is empty or meets something undefined, as in mappings.
    pub fn value_or_null(&self, scope: &Scope<'_>, kinds: Kinds) -> Result<Json, Failure> {
        self.python(scope, kinds, Fallback::Null).map(result::to_json)
    }

    /// The value as Python prints it: what paths, headers and names are made of.
    pub fn text(&self, scope: &Scope<'_>) -> Result<String, Failure> {
        if let Some(constant) = &self.constant {
            return Ok(constant.1.clone());
        }
        let value = self.python(scope, Kinds::ANY, Fallback::Itself)?;
        super::print::to_str(&value, &mut Budget::new()).map_err(|fault| self.compiled.failure(&fault))
    }

    /// The text as it was written.
    pub fn source(&self) -> &str {
        self.compiled.source()
    }

    /// The value of a template that depends on nothing.
    pub fn constant(&self) -> Option<&Json> {
        self.constant.as_ref().map(|constant| &constant.0)
    }
}

/// A template that is asked for a yes or a no.
#[derive(Debug, Clone)]
pub struct Condition {
    template: Template,
    constant: Option<bool>,
}

impl Condition {
    /// Compiles a condition, or says what is wrong with it.
    pub fn compile(source: &str) -> Result<Self, Failure> {
        let mut condition = Self { template: Template::compile(source)?, constant: None };
        if condition.template.compiled.is_constant() {
            let nothing = Json::Null;
            condition.constant = condition.judged(&Scope::new(&nothing, Timestamp::UNIX_EPOCH)).ok();
        }
        Ok(condition)
    }

    /// A condition that is written as a bare boolean.
    pub fn always(holds: bool) -> Self {
        let source = if holds { "True" } else { "False" };
        let compiled = Arc::new(Compiled::text(source));
        Self { template: Template { compiled, constant: None }, constant: Some(holds) }
    }

    /// Whether it holds: everything does but false, zero, what is empty or null, and the texts that mean these.
    pub fn holds(&self, scope: &Scope<'_>) -> Result<bool, Failure> {
        match self.constant {
            Some(constant) => Ok(constant),
            None => self.judged(scope),
        }
    }

    fn judged(&self, scope: &Scope<'_>) -> Result<bool, Failure> {
        let value = self.template.python(scope, Kinds::ANY, Fallback::False)?;
        Ok(!result::means_false(&value))
    }

    /// The text as it was written.
    pub fn source(&self) -> &str {
        self.template.source()
    }
}
