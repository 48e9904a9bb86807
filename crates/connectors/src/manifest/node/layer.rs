//! One written value on the way to a node, and what a reference makes of it: the layers of a mapping with `$ref`.

use std::sync::Arc;

use super::document::Walk;
use super::tree::{Table, Tree, Value};
use crate::manifest::problem::{Fault, Place};

/// Any text that begins so is a reference, wherever it stands.
const REFERENCE: &str = "#/";
/// The key whose value's entries a mapping takes in.
pub(super) const REF: &str = "$ref";
/// References that lead to references. Nobody writes more than a handful.
const CHAIN_MAX: usize = 64;

/// A written value, the file it stands in, and the references on the way to it.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub tree: Arc<Tree>,
    pub file: Arc<str>,
    within: Option<Arc<Expansion>>,
}

/// The references inside of which a value stands: meeting one of them again would never end.
#[derive(Debug)]
struct Expansion {
    reference: Arc<str>,
    outer: Option<Arc<Expansion>>,
    length: usize,
}

/// What is left of a value when its references are followed.
#[derive(Clone, Debug)]
pub(super) enum Layers {
    One(Layer),
    /// Mappings laid over each other: of two that have a key, the first wins.
    Many(Arc<[Layer]>),
}

/// A part of another document that can be laid over a mapping.
#[derive(Clone, Debug)]
pub struct Part(Layer);

impl Part {
    pub(super) fn new(layer: &Layer) -> Self {
        Self(Layer::new(Arc::clone(&layer.tree), Arc::clone(&layer.file)))
    }

    /// This part, and below it what it is laid over. Its references are those of the walk.
    pub(super) fn over(&self, below: &Layers, walk: &Walk) -> Result<Layers, Lost> {
        let own = self.0.clone().resolve(walk)?;
        Ok(Layers::Many(own.as_slice().iter().chain(below.as_slice()).cloned().collect()))
    }
}

/// A reference that cannot be followed.
pub(super) struct Lost {
    pub fault: Fault,
    pub file: Arc<str>,
    pub place: Place,
    pub message: String,
}

impl Layer {
    pub(super) fn new(tree: Arc<Tree>, file: Arc<str>) -> Self {
        Self { tree, file, within: None }
    }

    /// A value inside of this one.
    pub(super) fn inner(&self, tree: &Arc<Tree>) -> Self {
        Self { tree: Arc::clone(tree), file: Arc::clone(&self.file), within: self.within.clone() }
    }

    /// This value with its references followed. Those of the mapping's own entries are followed when they are read.
    pub(super) fn resolve(self, walk: &Walk) -> Result<Layers, Lost> {
        if !walk.follows {
            return Ok(Layers::One(self));
        }
        let mut layer = self;
        let mut over: Vec<Self> = Vec::new();
        loop {
            match &layer.tree.value {
                Value::Text(text) if text.starts_with(REFERENCE) => layer = layer.follow(text, walk)?,
                Value::Map(table) => match table.get(REF) {
                    Some(target) => {
                        let target = layer.inner(target);
                        over.push(layer);
                        layer = target;
                    }
                    None => break,
                },
                _ => return Ok(Layers::One(layer)),
            }
        }
        if over.is_empty() {
            return Ok(Layers::One(layer));
        }
        over.push(layer);
        Ok(Layers::Many(over.into()))
    }

    fn follow(&self, reference: &Arc<str>, walk: &Walk) -> Result<Self, Lost> {
        let mut outer = self.within.as_ref();
        while let Some(expansion) = outer {
            if expansion.reference == *reference {
                return Err(self.lost(format!("the reference '{reference}' leads back to itself")));
            }
            outer = expansion.outer.as_ref();
        }
        let length = 1 + self.within.as_ref().map_or(0, |expansion| expansion.length);
        if length > CHAIN_MAX {
            let message = format!("more than {CHAIN_MAX} references lead to each other");
            return Err(Lost { fault: Fault::TooLarge, ..self.lost(message) });
        }
        let Some(tree) = look_up(&walk.root, &reference[REFERENCE.len()..]) else {
            return Err(self.lost(format!("'{reference}' leads to nothing in this manifest")));
        };
        let expansion = Expansion { reference: Arc::clone(reference), outer: self.within.clone(), length };
        Ok(Self { tree, file: Arc::clone(&walk.file), within: Some(Arc::new(expansion)) })
    }

    fn lost(&self, message: String) -> Lost {
        Lost { fault: Fault::Reference, file: Arc::clone(&self.file), place: self.tree.place, message }
    }
}

impl Layers {
    pub(super) fn as_slice(&self) -> &[Layer] {
        match self {
            Self::One(layer) => std::slice::from_ref(layer),
            Self::Many(layers) => layers,
        }
    }

    /// The value as such; of a mapping in layers, the one written here.
    pub(super) fn top(&self) -> &Layer {
        match self {
            Self::One(layer) => layer,
            Self::Many(layers) => &layers[0],
        }
    }

    pub(super) fn value(&self) -> &Value {
        &self.top().tree.value
    }

    pub(super) fn is_map(&self) -> bool {
        matches!(self.value(), Value::Map(_))
    }

    /// Whether the format takes it for given.
    pub(super) fn is_given(&self) -> bool {
        match self {
            Self::One(layer) => layer.tree.value.is_given(),
            Self::Many(_) => !self.keys().is_empty(),
        }
    }

    /// What the first layer that has the key has under it.
    pub(super) fn find(&self, key: &str) -> Option<Layer> {
        self.as_slice().iter().find_map(|layer| Some(layer.inner(layer.tree.as_map()?.get(key)?)))
    }

    /// All keys, as the format orders them: those taken in first, each key once.
    pub(super) fn keys(&self) -> Vec<Arc<str>> {
        if let Self::One(layer) = self {
            return layer
                .tree
                .as_map()
                .map_or_else(Vec::new, |table| table.iter().map(|(key, _)| Arc::clone(key)).collect());
        }
        let mut keys = Table::default();
        for layer in self.as_slice().iter().rev() {
            for (key, tree) in layer.tree.as_map().into_iter().flat_map(Table::iter) {
                if &**key != REF {
                    keys.put(Arc::clone(key), Arc::clone(tree));
                }
            }
        }
        keys.iter().map(|(key, _)| Arc::clone(key)).collect()
    }
}

/// Where a reference's path leads: at each level the whole rest is tried as a key first, then its first part.
/// References on the way are not followed.
fn look_up(root: &Arc<Tree>, path: &str) -> Option<Arc<Tree>> {
    let mut tree = root;
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(found) = tree.as_map().and_then(|table| table.get(rest)) {
            return Some(Arc::clone(found));
        }
        let (head, tail) = rest.split_once('/').unwrap_or((rest, ""));
        tree = match &tree.value {
            Value::Map(table) => table.get(head)?,
            Value::List(items) => items.get(head.parse::<usize>().ok()?)?,
            _ => return None,
        };
        rest = tail;
    }
    Some(Arc::clone(tree))
}
