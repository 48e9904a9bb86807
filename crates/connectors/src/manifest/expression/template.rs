//! A compiled template and a compiled condition. What one renders is text first and a value second: the text is read as
//! a Python literal if it is one, exactly as the format has it.

use serde_json::Value as Json;

use super::failure::Failure;
use crate::manifest::scope::Scope;

/// Which kinds of value a place accepts. Where the value is of another kind, its text is taken instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kinds(u8);

impl Kinds {
    pub const ANY: Self = Self(u8::MAX);
    pub const TEXT: Self = Self(1);
    /// A boolean is an integer too.
    pub const INTEGER: Self = Self(2 | 8);
    pub const FLOAT: Self = Self(4);
    pub const BOOLEAN: Self = Self(8);
    pub const LIST: Self = Self(16);
    pub const OBJECT: Self = Self(32);
    /// What request parameters, headers and forms accept: `5` stays the text it is.
    pub const TEXT_OR_LIST: Self = Self(1 | 16);

    pub(crate) fn hold(self, kind: Self) -> bool {
        self.0 & kind.0 != 0
    }
}

/// A text with expressions in it.
#[derive(Debug, Clone)]
pub struct Template {
    source: Box<str>,
    constant: Option<Json>,
}

impl Template {
    pub fn compile(source: &str) -> Result<Self, Failure> {
        Ok(Self { source: source.into(), constant: None })
    }

    /// The value: rendered, then read as a literal if the text is one.
    pub fn value(&self, scope: &Scope<'_>) -> Result<Json, Failure> {
        self.value_of(scope, Kinds::ANY)
    }

    /// The value if it is of one of the kinds, else its text.
    pub fn value_of(&self, _scope: &Scope<'_>, _kinds: Kinds) -> Result<Json, Failure> {
        Err(self.failure("template_syntax"))
    }

    /// As [`Self::value_of`], but null where the template is empty or meets something undefined, as in mappings.
    pub fn value_or_null(&self, scope: &Scope<'_>, kinds: Kinds) -> Result<Json, Failure> {
        self.value_of(scope, kinds)
    }

    /// The value as Python prints it: what paths, headers and names are made of.
    pub fn text(&self, _scope: &Scope<'_>) -> Result<String, Failure> {
        Err(self.failure("template_syntax"))
    }

    pub fn source(&self) -> &str {
        &self.source
    }

    /// The value of a template that depends on nothing.
    pub fn constant(&self) -> Option<&Json> {
        self.constant.as_ref()
    }

    fn failure(&self, code: &'static str) -> Failure {
        Failure::new(code, &self.source, "cannot be read")
    }
}

/// A template that is asked for a yes or a no.
#[derive(Debug, Clone)]
pub struct Condition {
    template: Template,
}

impl Condition {
    pub fn compile(source: &str) -> Result<Self, Failure> {
        Ok(Self { template: Template::compile(source)? })
    }

    /// A condition that is written as a bare boolean.
    pub fn always(holds: bool) -> Self {
        let source = if holds { "True" } else { "False" };
        Self { template: Template { source: source.into(), constant: Some(Json::Bool(holds)) } }
    }

    pub fn holds(&self, scope: &Scope<'_>) -> Result<bool, Failure> {
        self.template.value(scope).map(|value| value != Json::Bool(false))
    }

    pub fn source(&self) -> &str {
        self.template.source()
    }
}
