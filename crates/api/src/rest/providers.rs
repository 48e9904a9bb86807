//! Providers: the senders whose webhooks can be verified, and what each needs.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use connectors::provider::{Origin, Recipe, Settings};
use domain::Assurance;
use serde::Serialize;
use utoipa::ToSchema;

use super::Answer;
use super::objects::ObjectsQuery;
use crate::app::App;
use crate::cursor::{Listing, Mark, page_by_name};
use crate::extract::{Named, Params};
use crate::problem::Problem;
use engine::access::Caller;

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Provider)]
pub struct ProviderView {
    name: String,
    title: String,
    /// Where the sender documents its webhooks.
    docs: String,
    /// Whether its recipe comes with the program or from the owner's folder `providers`.
    origin: OriginView,
    /// Whether its recipe follows the sender's own words, an SDK or two sources that agree.
    confirmed: bool,
    /// What a verified request proves; none where its settings decide.
    #[schema(value_type = Option<String>)]
    assurance: Option<Assurance>,
    /// The ways of signing that are taken.
    verified: Vec<String>,
    /// What to do at the sender, step by step; `{url}` stands for the address of the source.
    setup: Vec<String>,
    /// The secrets it needs, the plain one first.
    secrets: Vec<Need>,
    /// Settings of `webhook` beside `provider` and the secrets.
    settings: Vec<Need>,
    /// Its events only say that something changed.
    thin: bool,
    /// One of its requests may hold many events.
    batched: bool,
    /// Why its verification is weaker than it looks.
    weaknesses: Vec<String>,
}

/// Where a recipe comes from.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProviderOrigin)]
#[serde(rename_all = "snake_case")]
pub enum OriginView {
    BuiltIn,
    Own,
}

impl From<Origin> for OriginView {
    fn from(origin: Origin) -> Self {
        match origin {
            Origin::BuiltIn => Self::BuiltIn,
            Origin::Own => Self::Own,
        }
    }
}

/// Something that a source of the provider is given.
#[derive(Debug, Serialize, ToSchema)]
pub struct Need {
    name: String,
    about: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<String>,
}

impl ProviderView {
    fn new(origin: Origin, recipe: &Recipe) -> Self {
        let secrets = recipe.roles().map(|(role, about)| (role.as_str(), about, None));
        let schemes = recipe.schemes(&Settings::default()).unwrap_or_default();
        let need = |(name, about, default): (&str, &str, Option<&str>)| Need {
            name: name.to_owned(),
            about: about.to_owned(),
            default: default.map(str::to_owned),
        };
        Self {
            name: recipe.name().to_owned(),
            title: recipe.title().to_owned(),
            docs: recipe.docs().to_owned(),
            origin: origin.into(),
            confirmed: recipe.is_confirmed(),
            assurance: recipe.assurance(&Settings::default()).ok(),
            verified: schemes.into_iter().map(|scheme| scheme.text).collect(),
            setup: recipe.setup("{url}").collect(),
            secrets: secrets.map(need).collect(),
            settings: recipe.settings().map(need).collect(),
            thin: recipe.is_thin(),
            batched: recipe.is_batched(),
            weaknesses: recipe.weaknesses().into_iter().map(str::to_owned).collect(),
        }
    }
}

pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<ObjectsQuery>,
) -> Answer<Listing<ProviderView>> {
    let topology = app.engine.topology();
    let view = |(origin, recipe): (Origin, Arc<Recipe>)| (recipe.name().to_owned(), ProviderView::new(origin, &recipe));
    let views = topology.catalogue().recipes().map(view).collect();
    let mark = Mark::of("providers", &caller.tenant, &());
    page_by_name(mark, views, query.limit, query.cursor.as_deref()).map(Json)
}

pub async fn get(State(app): State<App>, _: Caller, Named(name): Named<String>) -> Answer<ProviderView> {
    let topology = app.engine.topology();
    let catalogue = topology.catalogue();
    let found = catalogue.get(&name).zip(catalogue.origin(&name));
    let (recipe, origin) = found.ok_or_else(|| Problem::not_found("provider", &name))?;
    Ok(Json(ProviderView::new(origin, &recipe)))
}
