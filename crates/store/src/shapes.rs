//! Shapes: what the events of a type and the records of a stream look like, and what changed about that.

use std::sync::Arc;

use domain::shape::{Change, Shape};
use domain::{EventId, SourceName, Tenant, Timestamp};

use crate::Verb;
use crate::read::{Listed, Page};

/// Changes kept per shape: the newest. A shape that changes more often is not one.
pub const CHANGES_PER_SHAPE: u32 = 200;
/// Shapes a source may have: senders with the most types have about three hundred, and a type made of data is no type.
pub const SHAPES_PER_SOURCE: u32 = 500;

/// What a shape is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ShapeOf {
    /// The data of the events of a type.
    Event,
    /// The records of a stream.
    Stream,
}

/// Whose shape it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShapeKey {
    pub tenant: Tenant,
    pub source: SourceName,
    pub of: ShapeOf,
    /// The type of the events, or the stream's name.
    pub name: Arc<str>,
}

/// What is known without the shape itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShapeHead {
    pub key: ShapeKey,
    /// Begins at 1, and moves with each value that changed the shape after it was learned.
    pub version: u32,
    /// Values that were looked at.
    pub seen: u64,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    /// When the version moved last.
    pub changed_at: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ShapeRow {
    pub head: ShapeHead,
    pub shape: Shape,
    /// Moves with each writing; 0: it was never written.
    pub generation: u64,
}

/// A change, with the version that it led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShapeChange {
    pub version: u32,
    pub at: Timestamp,
    pub change: Change,
    /// The event that showed it, where one did.
    pub event: Option<EventId>,
    /// The beginning of the value that is new, as JSON; empty where something is gone.
    pub example: Arc<str>,
}

/// What became of a writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    Kept,
    /// Somebody wrote it since it was read: read it again.
    Moved,
    /// It is new, and the source has [`SHAPES_PER_SOURCE`] already.
    Full,
}

pub trait Shapes: Send + Sync + 'static {
    fn shape(&self, key: ShapeKey) -> Verb<'_, Option<ShapeRow>>;

    /// Writes a shape whose generation is as it was read, with what was new about it; of the changes the newest
    /// [`CHANGES_PER_SHAPE`] stay.
    fn save_shape(&self, row: ShapeRow, changes: Vec<ShapeChange>) -> Verb<'_, Saved>;

    /// Source by source, each by kind and name.
    fn shapes(&self, tenant: Tenant, source: Option<SourceName>, page: Page) -> Verb<'_, Listed<ShapeHead>>;

    /// Newest first.
    fn shape_changes(&self, key: ShapeKey) -> Verb<'_, Vec<ShapeChange>>;

    /// A person says that what was learned is to be learned anew. Gives whether there was any.
    fn forget_shape(&self, key: ShapeKey) -> Verb<'_, bool>;
}
