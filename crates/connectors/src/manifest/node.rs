//! A cursor into a manifest: every value with its place, `$ref` and `$parameters` resolved while it is walked, so
//! that what is shared stays shared and a mistake costs only those who walk there.

mod document;
mod implied;
mod json;
mod layer;
mod parameters;
mod parse;
mod path;
mod read;
mod scalar;
#[cfg(test)]
mod tests;
mod tree;
mod visit;

use std::fmt;
use std::sync::Arc;

use layer::{Layer, Layers, Lost};
use parameters::InForce;
use path::Path;
use tree::Value;

pub use document::Document;
pub(in crate::manifest) use document::yaml_value;
pub(in crate::manifest) use layer::Part;
pub use parameters::Parameters;
pub use parse::Limits;
pub use read::Read;

use super::overrides::Formula;
use super::problem::{Fault, Place, Problem};
use document::Walk;

/// Steps from the root to a node, through references. A manifest has about thirty.
const DEPTH_MAX: usize = 256;

/// A value of a manifest, where the walk from the root came upon it. Cheap to clone.
#[derive(Clone)]
pub struct Node {
    walk: Arc<Walk>,
    /// The value with its references followed, or why there is none.
    found: Result<Layers, Problem>,
    role: Role,
    /// `type` as written or as the field implies it.
    kind: Option<Arc<str>>,
    /// The class that a custom component names.
    class: Option<Arc<str>>,
    /// What an override has in place of the class.
    formula: Option<Arc<dyn Formula>>,
    parameters: InForce,
    path: Path,
}

/// What the format does with a value: only components, and what stands directly in them, take part in `$parameters`
/// and implied types.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Role {
    /// A mapping with a type: missing fields are taken from the parameters.
    Component,
    /// A mapping without a type in a component: mappings with a type in it are components.
    Plain,
    /// A list in a field of a component: mappings in it are components. The parent's type, and the field.
    Members(Arc<str>, Arc<str>),
    /// A JSON schema in a field of a component: only its own `$parameters` are taken off.
    Schema,
    /// Anything else: taken as written, but for references.
    Raw,
    /// Taken as written, references included.
    Verbatim,
}

impl fmt::Debug for Node {
    /// Where it is, not what it has: below it may be the whole manifest.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { line, column } = self.place();
        write!(f, "Node({} at {line}:{column})", self.path)
    }
}

impl Role {
    /// Whether the format leaves such a value as it is.
    const fn is_outside(&self) -> bool {
        matches!(self, Self::Raw | Self::Verbatim)
    }
}

impl Node {
    /// The component's type: as written, as its field implies it, or `default` (`""` where the type must be written).
    /// A component that names a class only is `CustomComponent`.
    pub fn kind(&self, default: &str) -> Result<Arc<str>, Problem> {
        if !self.layers()?.is_map() {
            return Err(self.wrong("a component, which is a mapping"));
        }
        match (&self.kind, &self.class) {
            (Some(kind), _) => Ok(Arc::clone(kind)),
            (None, Some(_)) => Ok("CustomComponent".into()),
            (None, None) if default.is_empty() => Err(self.problem(Fault::Wrong, "needs a 'type'".to_owned())),
            (None, None) => Ok(default.into()),
        }
    }

    /// The class that a custom component stands for, unless an override replaced it.
    #[must_use]
    pub fn class(&self) -> Option<Arc<str>> {
        self.class.clone()
    }

    /// The formula that replaces a custom component, if an override says so.
    #[must_use]
    pub fn formula(&self) -> Option<&Arc<dyn Formula>> {
        self.formula.as_ref()
    }

    /// A field, or `None` where it is missing or null. A missing or empty field of a component falls back to the
    /// parameter of its name.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<Self> {
        let child = self.field(field)?;
        let is_null = child.found.as_ref().is_ok_and(|layers| matches!(layers.value(), Value::Null));
        (!is_null).then_some(child)
    }

    /// A field that must be there.
    pub fn need<T: Read>(&self, field: &str) -> Result<T, Problem> {
        if !self.layers()?.is_map() {
            return Err(self.wrong(format!("a mapping with the key '{field}'")));
        }
        match self.get(field) {
            Some(node) => T::read(&node),
            None => Err(self.problem(Fault::Wrong, format!("needs '{field}'"))),
        }
    }

    /// A field that may be missing.
    pub fn maybe<T: Read>(&self, field: &str) -> Result<Option<T>, Problem> {
        self.layers()?;
        self.get(field).map(|node| T::read(&node)).transpose()
    }

    /// A field, or what the format takes when it is missing.
    pub fn or<T: Read>(&self, field: &str, default: T) -> Result<T, Problem> {
        Ok(self.maybe(field)?.unwrap_or(default))
    }

    /// The values of a list.
    pub fn items(&self) -> Result<Vec<Self>, Problem> {
        let layer = self.layers()?.top();
        let Value::List(items) = &layer.tree.value else { return Err(self.wrong("a list")) };
        Ok(items.iter().enumerate().map(|(at, item)| self.item(at, layer.inner(item))).collect())
    }

    /// The entries of a mapping in their order, those that are null included, `$parameters` left out.
    pub fn entries(&self) -> Result<Vec<(Arc<str>, Self)>, Problem> {
        let keys = self.keys()?;
        Ok(keys.into_iter().filter_map(|key| self.field(&key).map(|node| (key, node))).collect())
    }

    /// The keys of a mapping, those that the parameters give to a component included.
    pub fn keys(&self) -> Result<Vec<Arc<str>>, Problem> {
        let layers = self.layers()?;
        if !layers.is_map() {
            return Err(self.wrong("a mapping"));
        }
        let mut keys = layers.keys();
        if !self.role.is_outside() {
            keys.retain(|key| &**key != parameters::KEY);
        }
        if self.role == Role::Component {
            let given: Vec<_> = self.parameters.keys().filter(|name| !keys.contains(name)).cloned().collect();
            keys.extend(given);
        }
        Ok(keys)
    }

    /// What templates here see as `parameters`.
    #[must_use]
    pub fn parameters(&self) -> Parameters {
        self.parameters.json()
    }

    /// The text, if it is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self.found.as_ref().ok()?.value() {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    #[must_use]
    pub fn is_map(&self) -> bool {
        self.found.as_ref().is_ok_and(Layers::is_map)
    }

    #[must_use]
    pub fn is_list(&self) -> bool {
        self.found.as_ref().is_ok_and(|layers| matches!(layers.value(), Value::List(_)))
    }

    /// Whether it is a JSON schema, in which nothing is a component.
    #[must_use]
    pub fn is_schema(&self) -> bool {
        self.role == Role::Schema
    }

    #[must_use]
    pub fn is_null(&self) -> bool {
        self.found.as_ref().is_ok_and(|layers| matches!(layers.value(), Value::Null))
    }

    /// Where the value is written: behind a reference, the place that it leads to.
    #[must_use]
    pub fn place(&self) -> Place {
        match &self.found {
            Ok(layers) => layers.top().tree.place,
            Err(problem) => problem.place(),
        }
    }

    /// The way from the root, such as `streams[0].retriever`.
    #[must_use]
    pub fn path(&self) -> String {
        self.path.to_string()
    }

    /// The value is not what the format has here.
    #[must_use]
    pub fn wrong(&self, expects: impl Into<String>) -> Problem {
        match &self.found {
            Ok(layers) => {
                let (expects, kind) = (expects.into(), layers.value().kind());
                self.problem(Fault::Wrong, format!("must be {expects}, not {kind}"))
            }
            Err(problem) => problem.clone(),
        }
    }

    /// The component is custom, or not known here: it costs only the streams that use it.
    #[must_use]
    pub fn unsupported(&self) -> Problem {
        let component = match self.kind("component") {
            Ok(kind) => kind,
            Err(problem) => return problem,
        };
        if let Some(class) = self.class() {
            let message =
                format!("'{class}' is code, which is never executed; an override can replace this {component}");
            return self.problem(Fault::Custom { component, class }, message);
        }
        if self.formula.is_some() {
            let message = format!("a formula cannot replace a {component}; write a 'component' in the override");
            return self.problem(Fault::Unsupported { component }, message);
        }
        let message = format!("{component} is not supported here");
        self.problem(Fault::Unsupported { component }, message)
    }

    /// A mistake at this node.
    #[must_use]
    pub fn problem(&self, fault: Fault, message: String) -> Problem {
        match &self.found {
            Ok(layers) => {
                let layer = layers.top();
                Problem::new(fault, Arc::clone(&layer.file), layer.tree.place, self.path(), message)
            }
            Err(problem) => problem.clone(),
        }
    }

    /// The value as a part to be laid over others. What it refers to is looked up there.
    pub(in crate::manifest) fn part(&self) -> Result<Part, Problem> {
        self.layers().map(|layers| Part::new(layers.top()))
    }

    fn layers(&self) -> Result<&Layers, Problem> {
        self.found.as_ref().map_err(Clone::clone)
    }

    /// A field with its parameters, null included; `None` where nothing gives it.
    fn field(&self, field: &str) -> Option<Self> {
        let layers = match &self.found {
            Ok(layers) if layers.is_map() => layers,
            Ok(_) => return None,
            Err(_) => return Some(self.clone()),
        };
        let is_verbatim = field == visit::VERBATIM_FIELD;
        let own = layers.find(field).map(|layer| if is_verbatim { Ok(Layers::One(layer)) } else { self.follow(layer) });
        let is_given = own.as_ref().is_some_and(|own| own.as_ref().map_or(true, Layers::is_given));
        let parameter = if is_given || self.role != Role::Component { None } else { self.parameters.find(field) };
        if let Some(parameter) = parameter {
            return Some(self.child(field, Ok(parameter.clone())));
        }
        own.map(|own| self.child(field, own))
    }

    fn follow(&self, layer: Layer) -> Result<Layers, Lost> {
        if self.role == Role::Verbatim { Ok(Layers::One(layer)) } else { layer.resolve(&self.walk) }
    }

    /// A reference on the way to `path` that cannot be followed.
    fn lost(lost: Lost, path: &Path) -> Problem {
        Problem::new(lost.fault, lost.file, lost.place, path.to_string(), lost.message)
    }
}
