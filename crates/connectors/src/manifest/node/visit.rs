//! From a value to a node: what role it has, which type is implied, and which parameters are in force there.

use std::sync::Arc;

use super::layer::{Layer, Layers, Lost};
use super::parameters::{self, InForce};
use super::path::Path;
use super::tree::Value;
use super::{DEPTH_MAX, Fault, Node, Problem, Role, Walk, implied};
use crate::manifest::overrides::Override;

/// Holds values of a config, not components: a text in it that looks like a reference is none.
pub(super) const VERBATIM_FIELD: &str = "config_overrides";

impl Node {
    /// The root of a walk: a source, whether or not it says so.
    pub(super) fn root(walk: Arc<Walk>, layer: Layer, path: Path) -> Self {
        let found = layer.resolve(&walk);
        let mut node = Self::raw(walk, found, InForce::none(), path);
        if node.is_map() {
            node.visit(None);
            if node.kind.is_none() && node.class.is_none() {
                node.kind = Some("DeclarativeSource".into());
                node.role = Role::Component;
            }
        }
        node
    }

    /// What stands in a field.
    pub(super) fn child(&self, field: &str, found: Result<Layers, Lost>) -> Self {
        let path = self.path.field(field);
        if self.role == Role::Verbatim || field == VERBATIM_FIELD {
            let mut node = Self::raw(Arc::clone(&self.walk), found, self.parameters.clone(), path);
            node.role = Role::Verbatim;
            return node;
        }
        let mut node = Self::raw(Arc::clone(&self.walk), found, self.parameters.clone(), path);
        match (&self.role, &self.kind) {
            (Role::Component, Some(kind)) if node.is_map() => {
                node.parameters = self.parameters.without(field);
                node.visit(Some((kind, field)));
            }
            (Role::Component, Some(kind)) if node.is_list() => {
                node.parameters = self.parameters.without(field);
                node.role = Role::Members(Arc::clone(kind), field.into());
            }
            (Role::Plain, _) if node.has_type() => node.visit(None),
            _ => node.name_raw(),
        }
        node
    }

    /// What stands in a list.
    pub(super) fn item(&self, at: usize, layer: Layer) -> Self {
        let found = self.follow(layer);
        let mut node = Self::raw(Arc::clone(&self.walk), found, self.parameters.clone(), self.path.item(at));
        match &self.role {
            Role::Members(kind, field) if node.is_map() => node.visit(Some((kind, field))),
            Role::Verbatim => node.role = Role::Verbatim,
            _ => node.name_raw(),
        }
        node
    }

    /// A node that takes no part in anything yet.
    fn raw(walk: Arc<Walk>, found: Result<Layers, Lost>, parameters: InForce, path: Path) -> Self {
        let found = found.map_err(|lost| Self::lost(lost, &path));
        let mut node = Self { walk, found, role: Role::Raw, kind: None, class: None, formula: None, parameters, path };
        let over = if node.path.length() > DEPTH_MAX {
            format!("more than {DEPTH_MAX} levels inside each other, references followed")
        } else if !node.walk.step() {
            format!("more than {} values, references followed", node.walk.limits.steps_max)
        } else {
            return node;
        };
        node.found = Err(node.problem(Fault::TooLarge, over));
        node
    }

    /// Takes a mapping as the format does: with its type, written or implied, and its parameters.
    fn visit(&mut self, stands_in: Option<(&str, &str)>) {
        let Ok(layers) = &self.found else { return };
        let written = layers.find("type").map(|layer| layer.resolve(&self.walk));
        self.class = self.word("class_name");
        if let Some(class) = &self.class
            && let Some(with) = self.walk.overrides.find(class).cloned()
        {
            return self.replace(&with, stands_in);
        }
        match written {
            Some(Ok(written)) => match written.value() {
                // The type of a JSON schema, or a property of that name in one.
                Value::List(_) | Value::Map(_) => return self.role = Role::Schema,
                Value::Text(text) if &**text == "object" => return self.role = Role::Schema,
                Value::Text(text) => self.kind = Some(Arc::clone(text)),
                Value::Null | Value::Bool(_) | Value::Number(_) => {}
            },
            Some(Err(lost)) => return self.fail(Self::lost(lost, &self.path)),
            None => self.kind = stands_in.and_then(|(parent, field)| self.implied(parent, field)).map(Into::into),
        }
        self.role = if self.kind.is_some() { Role::Component } else { Role::Plain };
        if let Err(problem) = self.take_parameters() {
            self.fail(problem);
        }
    }

    /// Lets what an override has stand in for a custom component.
    fn replace(&mut self, with: &Override, stands_in: Option<(&str, &str)>) {
        match with {
            Override::Component(part) => {
                let Ok(own) = &self.found else { return };
                self.found = part.over(own, &self.walk).map_err(|lost| Self::lost(lost, &self.path));
                self.kind = self.word("type");
            }
            Override::Formula(formula) => {
                let implied = || stands_in.and_then(|(parent, field)| implied::custom_type_of(parent, field));
                self.kind = self.word("type").or_else(|| implied().map(Into::into));
                self.formula = Some(Arc::clone(formula));
            }
        }
        self.class = None;
        self.role = Role::Component;
        if let Err(problem) = self.take_parameters() {
            self.fail(problem);
        }
    }

    fn implied(&self, parent: &str, field: &str) -> Option<&'static str> {
        if self.class.is_some() { implied::custom_type_of(parent, field) } else { implied::type_of(parent, field) }
    }

    /// The type and class of a mapping that takes no part: a reader may still want to know them.
    fn name_raw(&mut self) {
        self.kind = self.word("type");
        self.class = self.word("class_name");
        if let Some(class) = &self.class
            && let Some(with) = self.walk.overrides.find(class).cloned()
        {
            self.replace(&with, None);
        }
    }

    fn word(&self, key: &str) -> Option<Arc<str>> {
        let layers = self.found.as_ref().ok()?.find(key)?.resolve(&self.walk).ok()?;
        match layers.value() {
            Value::Text(text) => Some(Arc::clone(text)),
            _ => None,
        }
    }

    fn has_type(&self) -> bool {
        let written = self.found.as_ref().ok().and_then(|layers| layers.find("type"));
        written.and_then(|layer| layer.resolve(&self.walk).ok()).is_some_and(|layers| layers.is_given())
    }

    fn take_parameters(&mut self) -> Result<(), Problem> {
        let Some(layer) = self.layers()?.find(parameters::KEY) else { return Ok(()) };
        let own = Self::raw(
            Arc::clone(&self.walk),
            layer.resolve(&self.walk),
            InForce::none(),
            self.path.field(parameters::KEY),
        );
        let layers = own.layers()?;
        if !layers.is_map() {
            return Err(own.wrong("a mapping of names to values"));
        }
        let mut names = Vec::new();
        for (name, node) in own.entries()? {
            names.push((name, node.layers()?.clone(), node.json()?));
        }
        self.parameters = self.parameters.with(names, self.walk.outer_wins);
        Ok(())
    }

    fn fail(&mut self, problem: Problem) {
        self.found = Err(problem);
        self.role = Role::Raw;
    }
}
