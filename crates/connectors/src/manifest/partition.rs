//! Which parts a stream is read in: values of a list, records of parent streams, and what is combined of them.
//!
//! A [`Walk`] gives the partitions one after another. It reads nothing itself: where records of a parent are needed it
//! says so, and the driver offers them.
//!
//! ```text
//! let mut walk = PartitionRouter::walk(router, scope)?;
//! loop {
//!     match walk.next()? {
//!         Next::Partition(slice) => read it,
//!         Next::Parent(parent) => offer the parent's next record with `walk.offer(record, its slice)?`,
//!                                 or say `walk.ended()` if it has no more,
//!         Next::Done => break,
//!     }
//! }
//! ```

mod error;
mod groups;
mod key;
mod list;
mod parent;
mod product;
#[cfg(test)]
mod tests;
mod union;
mod walk;

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::node::{Node, Read};
use super::problem::{Fault, Problem};
use super::scope::Scope;
use super::setting::Setting;

pub use error::PartitionError;
pub use groups::Groups;
pub use list::List;
pub use parent::Parent;
pub use union::Union;
pub use walk::{Next, PARTITIONS_HELD_MAX, Walk};

pub(crate) use key::Key;

/// `partition_router` of a stream. A stream without one is read whole.
#[derive(Clone, Debug)]
pub enum PartitionRouter {
    List(Box<List>),
    Parents(Vec<Arc<Parent>>),
    /// Every combination of the partitions of several routers.
    Product(Vec<PartitionRouter>),
    Groups(Box<Groups>),
    Union(Box<Union>),
}

impl PartitionRouter {
    /// Reads a stream's router, if it has one: an empty list is none.
    pub fn maybe(node: &Node, field: &str) -> Result<Option<Self>, Problem> {
        let router: Option<Self> = node.maybe(field)?;
        Ok(router.filter(|router| !matches!(router, Self::Product(routers) if routers.is_empty())))
    }

    /// The partitions, first to last.
    pub fn walk(router: Option<&Self>, scope: &Scope<'_>) -> Result<Walk, PartitionError> {
        Walk::new(router, scope)
    }

    /// The parent streams, those of routers inside included.
    #[must_use]
    pub fn parents(&self) -> Vec<&Arc<Parent>> {
        match self {
            Self::List(_) => Vec::new(),
            Self::Parents(parents) => parents.iter().collect(),
            Self::Product(routers) => routers.iter().flat_map(Self::parents).collect(),
            Self::Groups(groups) => groups.inner.parents(),
            Self::Union(union) => union.routers.iter().flat_map(Self::parents).collect(),
        }
    }

    /// What a stream's state tells of its parents: the states of those that are read incrementally, as `state_of` knows
    /// them. `None` where the format keeps none: for lists and products.
    pub fn parent_state(&self, state_of: &dyn Fn(&Parent) -> Json) -> Option<Json> {
        self.parent_states(state_of).map(Json::Object)
    }

    fn parent_states(&self, state_of: &dyn Fn(&Parent) -> Json) -> Option<Map<String, Json>> {
        match self {
            Self::List(_) | Self::Product(_) => None,
            Self::Parents(parents) => {
                let told = parents.iter().filter(|parent| parent.incremental_dependency);
                Some(told.map(|parent| (parent.stream_name.clone(), state_of(parent))).collect())
            }
            Self::Groups(groups) => groups.inner.parent_states(state_of),
            Self::Union(union) => {
                let states = union.routers.iter().filter_map(|router| router.parent_states(state_of));
                Some(states.flatten().collect())
            }
        }
    }

    /// Whether the partitions cannot be told apart by a state of their own.
    #[must_use]
    pub const fn is_grouping(&self) -> bool {
        matches!(self, Self::Groups(_))
    }

    /// Whether the first pages of the stream lie inside the parents' records.
    #[must_use]
    pub fn is_lazy(&self) -> bool {
        matches!(self, Self::Parents(parents) if parents.iter().any(|parent| parent.is_lazy()))
    }

    /// The field by which old states told partitions apart, and how many parents it may belong to.
    pub(crate) fn identity(&self) -> Option<(&Setting, usize)> {
        match self {
            Self::Parents(parents) => parents.first().map(|parent| (&parent.partition_field, parents.len())),
            Self::Union(union) => Some((&union.field, 1)),
            Self::List(_) | Self::Product(_) | Self::Groups(_) => None,
        }
    }

    /// Whether it puts its partitions into requests by itself, which groups and unions cannot.
    fn has_request_options(&self) -> bool {
        match self {
            Self::List(list) => list.option.is_some(),
            Self::Parents(parents) => parents.iter().any(|parent| parent.option.is_some()),
            Self::Product(_) | Self::Groups(_) | Self::Union(_) => false,
        }
    }
}

impl Read for PartitionRouter {
    fn read(node: &Node) -> Result<Self, Problem> {
        if node.is_list() {
            return Vec::read(node).map(Self::Product);
        }
        match &*node.kind("")? {
            "ListPartitionRouter" => List::read(node).map(Box::new).map(Self::List),
            "SubstreamPartitionRouter" => {
                let parents: Vec<Arc<Parent>> = node.need("parent_stream_configs")?;
                if parents.is_empty() {
                    let message = "needs at least one parent stream in 'parent_stream_configs'";
                    return Err(node.problem(Fault::Wrong, message.to_owned()));
                }
                Ok(Self::Parents(parents))
            }
            "GroupingPartitionRouter" => Groups::read(node).map(Box::new).map(Self::Groups),
            "UnionPartitionRouter" => Union::read(node).map(Box::new).map(Self::Union),
            _ => Err(node.unsupported()),
        }
    }
}
