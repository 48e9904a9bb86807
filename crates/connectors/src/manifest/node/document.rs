//! One manifest as text: parsed, with its places, and where the walk over it begins.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::parse::{self, Limits};
use super::path::Path;
use super::tree::Tree;
use super::{Layer, Node, Place, Problem};

/// One YAML text with the places of its values. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Document {
    name: Arc<str>,
    root: Arc<Tree>,
    limits: Limits,
    warnings: Arc<[Problem]>,
    path: Path,
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
}

impl Document {
    /// Reads a text, which is one document of YAML (or JSON, which is YAML). `name` is what problems call it.
    pub fn parse(name: &str, text: &str, limits: Limits) -> Result<Self, Vec<Problem>> {
        let name: Arc<str> = name.into();
        let parsed = parse::parse(&name, text, &limits).map_err(|problem| vec![problem])?;
        Ok(Self { name, root: parsed.root, limits, warnings: parsed.warnings.into(), path: Path::default() })
    }

    /// A document that came as JSON and has no places.
    #[must_use]
    pub fn from_json(json: &serde_json::Value) -> Self {
        Self::made("manifest", json, Place::default(), "")
    }

    /// A document that was made from what stands at `place` of a file, `path` in it.
    pub(in crate::manifest) fn made(name: &str, json: &serde_json::Value, place: Place, path: &str) -> Self {
        let root = Tree::from_json(json, place);
        Self { name: name.into(), root, limits: Limits::default(), warnings: Arc::default(), path: Path::begin(path) }
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
        self.walk(false)
    }

    fn walk(&self, outer_wins: bool) -> Node {
        let walk = Walk {
            file: Arc::clone(&self.name),
            root: Arc::clone(&self.root),
            limits: self.limits,
            steps: AtomicU32::new(0),
            outer_wins,
        };
        Node::root(Arc::new(walk), Layer::new(Arc::clone(&self.root), Arc::clone(&self.name)), self.path.clone())
    }
}

impl Walk {
    /// Takes a step; `false` when the walk has taken all that it may.
    pub(super) fn step(&self) -> bool {
        self.steps.fetch_add(1, Ordering::Relaxed) < self.limits.steps_max
    }
}
