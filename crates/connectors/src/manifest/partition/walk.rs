//! Going through the partitions of a router. Holds only what the format has to hold: the sides of a product, and what a
//! union or a group has seen.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::manifest::scope::Scope;
use crate::manifest::slice::Slice;

use super::PartitionRouter;
use super::error::PartitionError;
use super::groups::GroupWalk;
use super::parent::{Parent, Reading};
use super::product::ProductWalk;
use super::union::UnionWalk;

/// How many partitions a product, a union or a group holds at once: more would take the memory of the whole program.
pub const PARTITIONS_HELD_MAX: usize = 1_000_000;

/// What comes next.
#[derive(Clone, Debug)]
pub enum Next {
    Partition(Slice),
    /// A record of this parent is needed, or the word that it has no more.
    Parent(Arc<Parent>),
    Done,
}

/// One pass over the partitions of a stream.
pub struct Walk(Way);

enum Way {
    /// Partitions that are known from the start.
    Given(Box<dyn Iterator<Item = Slice> + Send>),
    Parents(ParentsWalk),
    Product(ProductWalk),
    Groups(Box<GroupWalk>),
    Union(UnionWalk),
}

impl Walk {
    pub(super) fn new(router: Option<&PartitionRouter>, scope: &Scope<'_>) -> Result<Self, PartitionError> {
        Ok(Self(match router {
            None => Way::Given(Box::new(std::iter::once(Slice::whole()))),
            Some(PartitionRouter::List(list)) => Way::Given(Box::new(list.partitions(scope)?)),
            Some(PartitionRouter::Parents(parents)) => Way::Parents(ParentsWalk::new(parents, scope)?),
            Some(PartitionRouter::Product(routers)) => Way::Product(ProductWalk::new(Self::all(routers, scope)?)),
            Some(PartitionRouter::Groups(groups)) => {
                let inner = Self::new(Some(&groups.inner), scope)?;
                Way::Groups(Box::new(GroupWalk::new(groups, inner)))
            }
            Some(PartitionRouter::Union(union)) => {
                Way::Union(UnionWalk::new(union.field(scope)?, Self::all(&union.routers, scope)?))
            }
        }))
    }

    fn all(routers: &[PartitionRouter], scope: &Scope<'_>) -> Result<Vec<Self>, PartitionError> {
        routers.iter().map(|router| Self::new(Some(router), scope)).collect()
    }

    /// The next partition, or what is needed to find it.
    #[expect(clippy::should_implement_trait, reason = "what comes next may be a question instead of an item")]
    pub fn next(&mut self) -> Result<Next, PartitionError> {
        match &mut self.0 {
            Way::Given(partitions) => Ok(partitions.next().map_or(Next::Done, Next::Partition)),
            Way::Parents(parents) => Ok(parents.next()),
            Way::Product(product) => product.next(),
            Way::Groups(groups) => groups.next(),
            Way::Union(union) => union.next(),
        }
    }

    /// A record of the parent that is needed, and the slice that it was read from.
    pub fn offer(&mut self, record: &Json, from: &Slice) -> Result<(), PartitionError> {
        match &mut self.0 {
            Way::Given(_) => Ok(()),
            Way::Parents(parents) => parents.offer(record, from),
            Way::Product(product) => product.current().map_or(Ok(()), |walk| walk.offer(record, from)),
            Way::Groups(groups) => groups.inner.offer(record, from),
            Way::Union(union) => union.current().map_or(Ok(()), |walk| walk.offer(record, from)),
        }
    }

    /// The parent that is needed has no more records.
    pub fn ended(&mut self) {
        match &mut self.0 {
            Way::Given(_) => {}
            Way::Parents(parents) => parents.at += 1,
            Way::Product(product) => product.current().into_iter().for_each(Self::ended),
            Way::Groups(groups) => groups.inner.ended(),
            Way::Union(union) => union.current().into_iter().for_each(Self::ended),
        }
    }
}

struct ParentsWalk {
    parents: Vec<(Arc<Parent>, Reading)>,
    at: usize,
    found: VecDeque<Slice>,
}

impl ParentsWalk {
    fn new(parents: &[Arc<Parent>], scope: &Scope<'_>) -> Result<Self, PartitionError> {
        let parents = parents.iter().map(|parent| Ok((Arc::clone(parent), parent.reading(scope)?)));
        Ok(Self { parents: parents.collect::<Result<_, PartitionError>>()?, at: 0, found: VecDeque::new() })
    }

    fn next(&mut self) -> Next {
        match (self.found.pop_front(), self.parents.get(self.at)) {
            (Some(partition), _) => Next::Partition(partition),
            (None, Some((parent, _))) => Next::Parent(Arc::clone(parent)),
            (None, None) => Next::Done,
        }
    }

    fn offer(&mut self, record: &Json, from: &Slice) -> Result<(), PartitionError> {
        if let Some((_, reading)) = self.parents.get(self.at) {
            self.found.extend(reading.partition(record, from)?);
        }
        Ok(())
    }
}
