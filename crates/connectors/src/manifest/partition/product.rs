//! Every combination of the partitions of several routers. The first router's fields win where names are the same.

use serde_json::{Map, Value as Json};

use crate::manifest::slice::Slice;

use super::error::PartitionError;
use super::walk::{Next, PARTITIONS_HELD_MAX, Walk};

/// First every side is walked and held, then the combinations come, the last side moving fastest.
pub(super) struct ProductWalk {
    walks: Vec<Walk>,
    sides: Vec<Vec<Slice>>,
    /// The combination that comes next, one index per side; `None` after the last one.
    at: Option<Vec<usize>>,
    held: usize,
}

impl ProductWalk {
    pub fn new(walks: Vec<Walk>) -> Self {
        let at = Some(vec![0; walks.len()]);
        Self { walks, sides: Vec::new(), at, held: 0 }
    }

    /// The router whose partitions are being gathered.
    pub fn current(&mut self) -> Option<&mut Walk> {
        self.walks.get_mut(self.sides.len().saturating_sub(1))
    }

    pub fn next(&mut self) -> Result<Next, PartitionError> {
        if self.sides.is_empty() && !self.walks.is_empty() {
            self.sides.push(Vec::new());
        }
        while let Some(walk) = self.walks.get_mut(self.sides.len().saturating_sub(1)) {
            match walk.next()? {
                Next::Partition(slice) => self.hold(slice)?,
                Next::Parent(parent) => return Ok(Next::Parent(parent)),
                Next::Done => self.sides.push(Vec::new()),
            }
        }
        Ok(self.combination().map_or(Next::Done, Next::Partition))
    }

    fn hold(&mut self, slice: Slice) -> Result<(), PartitionError> {
        self.held += 1;
        if self.held > PARTITIONS_HELD_MAX {
            return Err(PartitionError::TooMany);
        }
        if let Some(side) = self.sides.last_mut() {
            side.push(slice);
        }
        Ok(())
    }

    fn combination(&mut self) -> Option<Slice> {
        let at = self.at.take()?;
        let parts = at.iter().zip(&self.sides).map(|(index, side)| side.get(*index));
        let parts: Vec<&Slice> = parts.collect::<Option<_>>()?;
        let combined = combine(&parts);
        self.at = following(at, &self.sides);
        Some(combined)
    }
}

/// The last side moves first, then the one before it: as an odometer.
fn following(mut at: Vec<usize>, sides: &[Vec<Slice>]) -> Option<Vec<usize>> {
    for (index, side) in at.iter_mut().zip(sides).rev() {
        *index += 1;
        if *index < side.len() {
            return Some(at);
        }
        *index = 0;
    }
    None
}

fn combine(parts: &[&Slice]) -> Slice {
    // From the last to the first: a name that is there keeps its place and takes the value of the earlier router.
    let merged = |fields: fn(&Slice) -> &Map<String, Json>| {
        let mut all = Map::new();
        for part in parts.iter().rev() {
            all.extend(fields(part).iter().map(|(field, value)| (field.clone(), value.clone())));
        }
        all
    };
    Slice::of(merged(Slice::partition)).with_extra_fields(merged(Slice::extra_fields))
}
