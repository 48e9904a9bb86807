//! Partitions in groups, for sources that take several keys in one request: each field of a group is a list.

use rustc_hash::FxHashSet;
use serde_json::{Map, Value as Json};

use crate::manifest::node::{Node, Read};
use crate::manifest::problem::{Fault, Problem};
use crate::manifest::slice::Slice;

use super::PartitionRouter;
use super::error::PartitionError;
use super::key::spelling;
use super::walk::{Next, PARTITIONS_HELD_MAX, Walk};

/// Beside its one field a partition may have the parent's partition.
const PARENT_SLICE: &str = "parent_slice";

#[derive(Clone, Debug)]
pub struct Groups {
    size: usize,
    skips_repeated: bool,
    pub(super) inner: PartitionRouter,
}

impl Read for Groups {
    fn read(node: &Node) -> Result<Self, Problem> {
        let size: usize = node.need("group_size")?;
        let inner: PartitionRouter = node.need("underlying_partition_router")?;
        let wrong = |message: &str| Err(node.problem(Fault::Wrong, message.to_owned()));
        if size == 0 {
            return wrong("'group_size' must be at least 1");
        }
        if inner.has_request_options() {
            return wrong(
                "a group cannot use the 'request_option' of its router: name 'stream_partition' in the request",
            );
        }
        Ok(Self { size, skips_repeated: node.or("deduplicate", true)?, inner })
    }
}

pub(super) struct GroupWalk {
    size: usize,
    pub inner: Walk,
    batch: Vec<Slice>,
    /// The values so far, in all groups; `None` where repeated ones count.
    seen: Option<FxHashSet<String>>,
}

impl GroupWalk {
    pub fn new(groups: &Groups, inner: Walk) -> Self {
        let seen = groups.skips_repeated.then(FxHashSet::default);
        Self { size: groups.size, inner, batch: Vec::new(), seen }
    }

    pub fn next(&mut self) -> Result<Next, PartitionError> {
        loop {
            match self.inner.next()? {
                Next::Partition(slice) => {
                    if self.is_new(&slice)? {
                        self.batch.push(slice);
                    }
                    if self.batch.len() >= self.size {
                        return Ok(Next::Partition(grouped(&std::mem::take(&mut self.batch))));
                    }
                }
                Next::Parent(parent) => return Ok(Next::Parent(parent)),
                Next::Done if self.batch.is_empty() => return Ok(Next::Done),
                Next::Done => return Ok(Next::Partition(grouped(&std::mem::take(&mut self.batch)))),
            }
        }
    }

    fn is_new(&mut self, slice: &Slice) -> Result<bool, PartitionError> {
        let mut fields = slice.partition().iter().filter(|(field, _)| *field != PARENT_SLICE);
        let (Some((_, value)), None) = (fields.next(), fields.next()) else {
            return Err(PartitionError::GroupFields { fields: slice.partition().len() });
        };
        let Some(seen) = &mut self.seen else { return Ok(true) };
        if seen.len() >= PARTITIONS_HELD_MAX {
            return Err(PartitionError::TooMany);
        }
        Ok(seen.insert(spelling(value)))
    }
}

fn grouped(batch: &[Slice]) -> Slice {
    let lists = |names: Vec<&String>, fields: fn(&Slice) -> &Map<String, Json>| {
        let mut lists = Map::new();
        for name in names {
            let values = batch.iter().map(|slice| fields(slice).get(name).cloned().unwrap_or(Json::Null));
            lists.insert(name.clone(), Json::Array(values.collect()));
        }
        lists
    };
    let own = batch.first().map(|slice| slice.partition().keys().collect());
    let extra = batch.iter().flat_map(|slice| slice.extra_fields().keys()).collect();
    Slice::of(lists(own.unwrap_or_default(), Slice::partition)).with_extra_fields(lists(extra, Slice::extra_fields))
}
