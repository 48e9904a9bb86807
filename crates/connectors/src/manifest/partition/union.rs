//! The partitions of several routers, each value once. Whatever else a partition has is handed along.

use rustc_hash::FxHashSet;
use serde_json::{Map, Value as Json};

use crate::manifest::node::{Node, Read};
use crate::manifest::problem::{Fault, Problem};
use crate::manifest::scope::Scope;
use crate::manifest::setting::Setting;
use crate::manifest::slice::Slice;

use super::PartitionRouter;
use super::error::PartitionError;
use super::key::spelling;
use super::walk::{Next, PARTITIONS_HELD_MAX, Walk};

#[derive(Clone, Debug)]
pub struct Union {
    pub(super) field: Setting,
    pub(super) routers: Vec<PartitionRouter>,
}

impl Union {
    pub(super) fn field(&self, scope: &Scope<'_>) -> Result<String, PartitionError> {
        self.field.text(scope).map_err(|failure| PartitionError::Template { option: "partition_field", failure })
    }
}

impl Read for Union {
    fn read(node: &Node) -> Result<Self, Problem> {
        let routers: Vec<PartitionRouter> = node.need("partition_routers")?;
        let wrong = |message: &str| Err(node.problem(Fault::Wrong, message.to_owned()));
        if routers.len() < 2 {
            return wrong("a union needs at least 2 'partition_routers'");
        }
        if routers.iter().any(PartitionRouter::has_request_options) {
            return wrong(
                "a union cannot use the 'request_option' of its routers: name 'stream_partition' in the request",
            );
        }
        Ok(Self { field: node.need("partition_field")?, routers })
    }
}

pub(super) struct UnionWalk {
    field: String,
    walks: Vec<Walk>,
    at: usize,
    seen: FxHashSet<String>,
}

impl UnionWalk {
    pub fn new(field: String, walks: Vec<Walk>) -> Self {
        Self { field, walks, at: 0, seen: FxHashSet::default() }
    }

    pub fn current(&mut self) -> Option<&mut Walk> {
        self.walks.get_mut(self.at)
    }

    pub fn next(&mut self) -> Result<Next, PartitionError> {
        while let Some(walk) = self.walks.get_mut(self.at) {
            match walk.next()? {
                Next::Partition(slice) => {
                    if let Some(slice) = self.first(&slice)? {
                        return Ok(Next::Partition(slice));
                    }
                }
                Next::Parent(parent) => return Ok(Next::Parent(parent)),
                Next::Done => self.at += 1,
            }
        }
        Ok(Next::Done)
    }

    /// The partition with its one field, if its value is the first of its kind.
    fn first(&mut self, slice: &Slice) -> Result<Option<Slice>, PartitionError> {
        let field = || self.field.clone();
        let value = slice.partition().get(&self.field).ok_or_else(|| PartitionError::UnionField { field: field() })?;
        if matches!(value, Json::Array(_) | Json::Object(_)) {
            return Err(PartitionError::UnionValue { field: field() });
        }
        if self.seen.len() >= PARTITIONS_HELD_MAX {
            return Err(PartitionError::TooMany);
        }
        if !self.seen.insert(spelling(value)) {
            return Ok(None);
        }
        let others = slice.partition().iter().filter(|(name, _)| **name != self.field);
        let mut extra_fields = slice.extra_fields().clone();
        extra_fields.extend(others.map(|(name, value)| (name.clone(), value.clone())));
        let partition = Map::from_iter([(self.field.clone(), value.clone())]);
        Ok(Some(Slice::of(partition).with_extra_fields(extra_fields)))
    }
}
