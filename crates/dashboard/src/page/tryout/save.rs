//! A tried route as configuration: written for the file, or saved here where the API owns it.

use axum::extract::State;
use axum::response::{Redirect, Response};
use engine::access::Scope;
use engine::definition::write_route;
use engine::prepare::Draft;
use serde_json::{Map, Value as Json};
use store::registry::{ManagedBy, ObjectKind};

use super::{Bench, Panel};
use crate::desk::Desk;
use crate::extract::Form;
use crate::reply::Trouble;
use crate::session::Visitor;
use crate::written::told;

/// What the configuration file would hold. JSON texts are YAML texts, so that nothing has to be quoted twice.
pub(super) fn definition_text(bench: &Bench, draft: &Draft) -> String {
    let known = bench.known.clone().unwrap_or_default();
    let lines = definition(known, draft).into_iter().enumerate();
    let line = |(index, (key, value)): (usize, (String, Json))| {
        format!("{} {key}: {value}\n", if index == 0 { "  -" } else { "   " })
    };
    format!("routes:\n{}", lines.map(line).collect::<String>())
}

fn definition(mut known: Map<String, Json>, draft: &Draft) -> Map<String, Json> {
    known.insert("from".to_owned(), draft.from.as_str().into());
    known.insert("to".to_owned(), draft.to.as_str().into());
    for (key, text) in [("when", &draft.when), ("map", &draft.map)] {
        match text {
            Some(text) => drop(known.insert(key.to_owned(), text.as_str().into())),
            None => drop(known.remove(key)),
        }
    }
    known
}

pub(super) fn is_by_file(desk: &Desk, visitor: &Visitor, draft: &Draft) -> bool {
    let topology = desk.engine.topology();
    let name = draft.route.as_ref();
    let route = name.and_then(|name| topology.route(visitor.tenant().as_str(), name.as_str()));
    route.is_some_and(|route| route.spec.managed_by == ManagedBy::File)
}

/// The definition of the route that the panel names, as its owner wrote it.
pub(super) fn known(desk: &Desk, visitor: &Visitor, draft: &Draft) -> Option<Map<String, Json>> {
    let topology = desk.engine.topology();
    let route = topology.route(visitor.tenant().as_str(), draft.route.as_ref()?.as_str())?;
    write_route(&route.spec).as_object().cloned()
}

pub(crate) async fn save(
    State(desk): State<Desk>,
    visitor: Visitor,
    Form(mut panel): Form<Panel>,
) -> Result<Response, Trouble> {
    visitor.needs(Scope::Admin)?;
    panel.fill(&desk, &visitor, &[], &[])?;
    let draft = panel.draft()?.ok_or_else(|| Trouble::wrong("A route needs a source and a destination."))?;
    let known = known(&desk, &visitor, &draft).unwrap_or_default();
    let name = draft.route.as_ref().map_or_else(|| format!("{}-{}", draft.from, draft.to), ToString::to_string);
    let definition = Json::Object(definition(known, &draft));
    let tenant = visitor.tenant().clone();
    desk.engine.put_object(ObjectKind::Route, tenant, &name, definition, draft.route.is_none()).await?;
    Ok(told(Some(format!("route/{name}")), "", Redirect::to(&format!("/routes/{name}?done=saved"))))
}
