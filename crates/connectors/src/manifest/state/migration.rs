//! `state_migrations`: states that a connector's former version wrote, turned into ones that its cursor reads.

use serde_json::{Map, Value as Json};

use crate::manifest::cursor::{CursorError, IncrementalSync};
use crate::manifest::node::Node;
use crate::manifest::partition::PartitionRouter;
use crate::manifest::problem::{Fault, Problem};
use crate::manifest::scope::Scope;
use crate::manifest::setting::Setting;

use super::StreamState;

/// From `{"<id>": {"<cursor field>": value}}` to the states of partitions.
#[derive(Clone, Debug)]
pub struct StateMigration {
    partition_field: Setting,
    cursor_field: Setting,
    /// With several parents nobody could tell whose id it is: the state is left as it is.
    has_one_parent: bool,
}

impl StateMigration {
    /// Reads one of a stream's migrations, given the router and the cursor of that stream.
    pub fn read_for(
        node: &Node,
        router: Option<&PartitionRouter>,
        sync: Option<&IncrementalSync>,
    ) -> Result<Self, Problem> {
        if &*node.kind("LegacyToPerPartitionStateMigration")? != "LegacyToPerPartitionStateMigration" {
            return Err(node.unsupported());
        }
        let needs = |what: &str| node.problem(Fault::Wrong, format!("needs {what} in the same stream"));
        let Some(IncrementalSync::Dates(cursor)) = sync else { return Err(needs("an incremental_sync of dates")) };
        let identity = router.and_then(PartitionRouter::identity);
        let (partition_field, parents) = identity.ok_or_else(|| needs("a partition_router of parents or a union"))?;
        Ok(Self {
            partition_field: partition_field.clone(),
            cursor_field: cursor.field_setting().clone(),
            has_one_parent: parents == 1,
        })
    }

    /// The state as the cursor reads it; any other shape is left as it is.
    pub fn migrate(&self, state: StreamState, scope: &Scope<'_>) -> Result<StreamState, CursorError> {
        let text = |option, setting: &Setting| {
            setting.text(scope).map_err(|failure| CursorError::Template { option, failure })
        };
        let cursor_field = text("cursor_field", &self.cursor_field)?;
        if !self.has_one_parent || !is_by_id(&state.0, &cursor_field) {
            return Ok(state);
        }
        let partition_field = text("partition_field", &self.partition_field)?;
        let states = state.0.into_iter().map(|(id, cursor)| {
            let partition = Map::from_iter([(partition_field.clone(), Json::String(id))]);
            Json::Object(Map::from_iter([
                ("partition".to_owned(), Json::Object(partition)),
                ("cursor".to_owned(), cursor),
            ]))
        });
        let states = Json::Array(states.collect());
        Ok(StreamState(Map::from_iter([("states".to_owned(), states)])))
    }
}

fn is_by_id(state: &Map<String, Json>, cursor_field: &str) -> bool {
    let is_cursor =
        |value: &Json| value.as_object().is_some_and(|cursor| cursor.len() == 1 && cursor.contains_key(cursor_field));
    !state.is_empty() && !state.contains_key("states") && state.values().all(is_cursor)
}
