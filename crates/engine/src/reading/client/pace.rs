//! Holds requests back until their turn.

use connectors::manifest::wire::{Reply, Request};

use super::super::failure::ReadFailure;
use crate::clock::SharedClock;

#[derive(Default)]
pub(in super::super) struct Pace;

impl Pace {
    pub async fn admit(&self, _request: &Request, _clock: &SharedClock) -> Result<(), ReadFailure> {
        Ok(())
    }

    pub fn learn(&self, _request: &Request, _reply: &Reply, _clock: &SharedClock) {}
}
