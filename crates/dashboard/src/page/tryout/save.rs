//! A tried route as configuration: written for the file, or saved here where the API owns it.

use axum::extract::State;
use axum::response::{Redirect, Response};
use domain::RouteName;
use engine::access::Scope;
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
    let lines = definition(known, draft, bench.panel.new_name()).into_iter().enumerate();
    let line = |(index, (key, value)): (usize, (String, Json))| {
        format!("{} {key}: {value}\n", if index == 0 { "  -" } else { "   " })
    };
    format!("routes:\n{}", lines.map(line).collect::<String>())
}

fn definition(mut known: Map<String, Json>, draft: &Draft, new_name: Option<&str>) -> Map<String, Json> {
    known.extend(new_name.map(|name| ("name".to_owned(), name.into())));
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
    route.shown().as_object().cloned()
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
    let new_name = panel.new_name();
    let of_pair = || RouteName::of_pair(&draft.from, &draft.to).to_string();
    let given = draft.route.as_ref().map(ToString::to_string).or_else(|| new_name.map(str::to_owned));
    let name = given.unwrap_or_else(of_pair);
    let definition = Json::Object(definition(known, &draft, new_name));
    let tenant = visitor.tenant().clone();
    desk.engine.put_object(ObjectKind::Route, tenant, &name, definition, draft.route.is_none()).await?;
    Ok(told(Some(format!("route/{name}")), "", Redirect::to(&format!("/routes/{name}?done=saved"))))
}
