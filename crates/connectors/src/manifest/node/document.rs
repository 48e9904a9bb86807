//! One manifest as text: parsed, with its places, and where the walk over it begins.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::parse::{self, Limits};
use super::path::Path;
use super::tree::Tree;
use super::{Layer, Node, Place, Problem};
use crate::manifest::overrides::Overrides;

/// One YAML text with the places of its values. Cheap to clone.
#[derive(Clone)]
pub struct Document {
    name: Arc<str>,
    root: Arc<Tree>,
    limits: Limits,
    warnings: Arc<[Problem]>,
}

/// What all nodes of one walk share.
#[derive(Debug)]
pub(super) struct Walk {
    pub file: Arc<str>,
    pub root: Arc<Tree>,
    pub limits: Limits,
    pub steps: AtomicU32,
    /// Whether outer parameters win over a component's own, as in streams made from a template.
    pub outer_wins: bool,
    pub overrides: Arc<Overrides>,
    /// Whether texts may be references: in what was made from a template they were followed already.
    pub follows: bool,
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({})", self.name)
    }
}

impl Document {
    /// Reads a text, which is one document of YAML, or JSON. `name` is what problems call it.
    pub fn parse(name: &str, text: &str, limits: Limits) -> Result<Self, Vec<Problem>> {
        let name: Arc<str> = name.into();
        let parsed = match parse::parse(&name, text, &limits) {
            Ok(parsed) => parsed,
            Err(problem) => return Self::json(&name, text, limits).ok_or_else(|| vec![problem]),
        };
        Ok(Self { name, root: parsed.root, limits, warnings: parsed.warnings.into() })
    }

    /// JSON that is no YAML, for its escapes are not quite the same: it is read without places.
    fn json(name: &Arc<str>, text: &str, limits: Limits) -> Option<Self> {
        let is_json = text.len() <= limits.text_bytes_max && text.trim_start().starts_with('{');
        let json: serde_json::Value = is_json.then(|| serde_json::from_str(text).ok()).flatten()?;
        Some(Self { name: Arc::clone(name), limits, ..Self::from_json(&json) })
    }

    /// A document that came as JSON and has no places.
    #[must_use]
    pub fn from_json(json: &serde_json::Value) -> Self {
        let root = Tree::from_json(json, Place::default());
        Self { name: "manifest".into(), root, limits: Limits::default(), warnings: Arc::default() }
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What was read, but probably not as meant.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// Where a walk begins. Each walk has its own budget of steps.
    #[must_use]
    pub fn root(&self) -> Node {
        self.walk(&Arc::default(), false)
    }

    /// As [`Self::root`], with what stands in for custom components. `outer_wins` is whether outer parameters win over
    /// a component's own.
    #[must_use]
    pub fn walk(&self, overrides: &Arc<Overrides>, outer_wins: bool) -> Node {
        let walk = Walk {
            file: Arc::clone(&self.name),
            root: Arc::clone(&self.root),
            limits: self.limits,
            steps: AtomicU32::new(0),
            outer_wins,
            overrides: Arc::clone(overrides),
            follows: true,
        };
        Node::root(Arc::new(walk), Layer::new(Arc::clone(&self.root), Arc::clone(&self.name)), Path::default())
    }
}

impl Node {
    /// The same node with a budget of steps of its own.
    #[must_use]
    pub fn afresh(&self) -> Self {
        let walk = Walk {
            file: Arc::clone(&self.walk.file),
            root: Arc::clone(&self.walk.root),
            limits: self.walk.limits,
            steps: AtomicU32::new(0),
            outer_wins: self.walk.outer_wins,
            overrides: Arc::clone(&self.walk.overrides),
            follows: self.walk.follows,
        };
        Self { walk: Arc::new(walk), ..self.clone() }
    }

    /// Another value in this one's place: a stream made from a template, in which references were followed already.
    /// `outer_wins` is whether outer parameters win over a component's own.
    pub(in crate::manifest) fn remade(&self, json: &serde_json::Value, outer_wins: bool) -> Self {
        let root = Tree::from_json(json, self.place());
        let walk = Walk {
            file: Arc::clone(&self.walk.file),
            root: Arc::clone(&root),
            limits: self.walk.limits,
            steps: AtomicU32::new(0),
            outer_wins,
            overrides: Arc::clone(&self.walk.overrides),
            follows: false,
        };
        let file = Arc::clone(&self.walk.file);
        Self::root(Arc::new(walk), Layer::new(root, file), self.path.clone())
    }
}

/// A text as YAML reads it, as JSON; `None` where it is not YAML.
pub(in crate::manifest) fn yaml_value(text: &str) -> Option<serde_json::Value> {
    let parsed = parse::parse(&"value".into(), text, &Limits::default()).ok()?;
    Some(parsed.root.to_json())
}

impl Walk {
    #[cfg(test)]
    pub(super) fn taken(&self) -> u32 {
        self.steps.load(Ordering::Relaxed)
    }

    /// Takes a step; `false` when the walk has taken all that it may.
    pub(super) fn step(&self) -> bool {
        self.steps.fetch_add(1, Ordering::Relaxed) < self.limits.steps_max
    }
}
