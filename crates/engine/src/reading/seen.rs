//! What the templates of a request see beside the configuration: the slice that is read and, of a job, what was said about
//! it so far.

use connectors::manifest::scope::Scope;
use connectors::manifest::slice::Slice;
use jiff::Timestamp;
use serde_json::Value as Json;

#[derive(Clone, Copy, Default)]
pub(super) struct Seen<'a> {
    slice: Option<&'a Slice>,
    said: Option<&'a Said>,
}

/// What a source said about a job of its own.
#[derive(Clone, Default)]
pub(super) struct Said {
    pub creation: Option<Json>,
    pub polling: Option<Json>,
    /// What is downloaded.
    pub target: Option<String>,
}

impl Said {
    pub fn seen<'a>(&'a self, slice: Option<&'a Slice>) -> Seen<'a> {
        Seen { slice, said: Some(self) }
    }
}

impl<'a> Seen<'a> {
    pub fn slice(slice: &'a Slice) -> Self {
        Self { slice: Some(slice), said: None }
    }

    pub fn of(slice: &'a Slice, said: Option<&'a Said>) -> Self {
        Self { slice: Some(slice), said }
    }

    pub fn scope(&self, config: &'a Json, now: Timestamp) -> Scope<'a> {
        let mut scope = Scope::new(config, now);
        scope = self.slice.map_or_else(|| scope.no_slice(), |slice| scope.slice(slice));
        let Some(said) = self.said else { return scope };
        if let Some(creation) = &said.creation {
            scope = scope.creation_response(creation);
        }
        if let Some(polling) = &said.polling {
            scope = scope.polling_response(polling);
        }
        if let Some(target) = &said.target {
            scope = scope.download_target(target);
        }
        scope
    }
}
