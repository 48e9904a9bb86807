//! What the templates of a request see beside the configuration: the slice that is read and, of a job, what was said about
//! it so far.

use connectors::manifest::scope::Scope;
use connectors::manifest::slice::Slice;
use jiff::Timestamp;
use serde_json::Value as Json;

#[derive(Clone, Copy, Default)]
pub(super) struct Seen<'a> {
    pub slice: Option<&'a Slice>,
    pub creation: Option<&'a Json>,
    pub polling: Option<&'a Json>,
    pub target: Option<&'a str>,
}

impl<'a> Seen<'a> {
    pub fn slice(slice: &'a Slice) -> Self {
        Self { slice: Some(slice), ..Self::default() }
    }

    pub fn scope(&self, config: &'a Json, now: Timestamp) -> Scope<'a> {
        let scope = Scope::new(config, now);
        let scope = self.slice.map_or(scope.no_slice(), |slice| scope.slice(slice));
        let scope = self.creation.map_or(scope, |response| scope.creation_response(response));
        let scope = self.polling.map_or(scope, |response| scope.polling_response(response));
        self.target.map_or(scope, |target| scope.download_target(target))
    }
}
