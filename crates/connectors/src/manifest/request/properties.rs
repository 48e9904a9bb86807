//! Where a requester says which properties its requests ask for, and how the slice's portion of them becomes a parameter.

use serde_json::Value as Json;

use super::super::node::Node;
use super::super::problem::Problem;
use super::super::properties::QueryProperties;
use super::super::scope::{Given, Scope, Variable};
use super::super::trouble::Trouble;

/// The slice's extra field that holds the properties of a request.
pub const SLICE_FIELD: &str = "query_properties";

/// What stands beside the request's parameters, in its new or its old spelling.
pub(super) fn beside(requester: &Node) -> Result<Option<QueryProperties>, Problem> {
    match requester.get("fetch_properties_from_endpoint") {
        Some(endpoint) => QueryProperties::of_endpoint(&endpoint).map(Some),
        None => requester.maybe("query_properties"),
    }
}

/// The slice's properties as a parameter has them.
pub(super) fn joined(scope: &Scope<'_>) -> Result<String, Trouble> {
    let Some(Given::Slice(slice)) = scope.given(Variable::Slice) else { return Err(Trouble::NoProperties) };
    let Some(Json::Array(names)) = slice.extra_fields.get(SLICE_FIELD) else { return Err(Trouble::NoProperties) };
    let names: Vec<&str> = names.iter().filter_map(Json::as_str).collect();
    Ok(names.join(","))
}
