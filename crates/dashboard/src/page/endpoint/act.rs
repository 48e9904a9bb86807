//! What is done to an endpoint, each by a form.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use domain::SourceName;
use engine::access::Scope;
use engine::endpoint::Sender;
use serde::Deserialize;
use serde_json::{Map, Value as Json};
use store::registry::ObjectKind;

use crate::desk::Desk;
use crate::extract::{Form, Path};
use crate::list::said;
use crate::reply::Trouble;
use crate::session::Visitor;
use crate::written::told;

pub(crate) async fn make(State(desk): State<Desk>, visitor: Visitor) -> Result<Response, Trouble> {
    visitor.needs(Scope::Admin)?;
    let name = desk.engine.make_endpoint(visitor.tenant().clone()).await?;
    Ok(told(Some(format!("source/{name}")), "", Redirect::to(&format!("/endpoints/{name}?done=made"))))
}

#[derive(Deserialize)]
pub(crate) struct Reply {
    #[serde(default)]
    status: String,
    #[serde(default)]
    delay: String,
    #[serde(default)]
    headers: String,
    #[serde(default)]
    body: String,
    /// Any text: nothing of the rest counts.
    plain: Option<String>,
}

impl Reply {
    /// As a definition has it; what is wrong with its values is told by who reads it.
    fn definition(&self) -> Result<Option<Json>, Trouble> {
        if self.plain.is_some() {
            return Ok(None);
        }
        let mut reply = Map::new();
        if let Some(status) = said(&self.status) {
            let status: u32 = status.parse().map_err(|_| Trouble::wrong("A status is a number from 200 to 599."))?;
            reply.insert("status".to_owned(), status.into());
        }
        reply.extend(said(&self.delay).map(|delay| ("delay".to_owned(), delay.into())));
        // Browsers send line breaks of their own kind.
        let body = self.body.replace("\r\n", "\n");
        reply.extend((!body.is_empty()).then(|| ("body".to_owned(), body.into())));
        let headers = self.headers.lines().filter_map(said).map(header).collect::<Result<Map<_, _>, _>>()?;
        reply.extend((!headers.is_empty()).then(|| ("headers".to_owned(), headers.into())));
        Ok(Some(reply.into()))
    }
}

fn header(line: &str) -> Result<(String, Json), Trouble> {
    let wrong = || Trouble::wrong("Write each header in a line of its own, as content-type: application/json.");
    let (name, value) = line.split_once(':').ok_or_else(wrong)?;
    Ok((name.trim().to_owned(), value.trim().into()))
}

pub(crate) async fn set_reply(
    State(desk): State<Desk>,
    visitor: Visitor,
    Path(name): Path<SourceName>,
    Form(reply): Form<Reply>,
) -> Result<Response, Trouble> {
    visitor.needs(Scope::Admin)?;
    desk.engine.set_endpoint_reply(visitor.tenant().clone(), &name, reply.definition()?).await?;
    Ok(Redirect::to(&format!("/endpoints/{name}?done=saved")).into_response())
}

/// `provider`, and every secret and setting under a name that says which of both it is.
pub(crate) async fn choose(
    State(desk): State<Desk>,
    visitor: Visitor,
    Path(name): Path<SourceName>,
    Form(fields): Form<BTreeMap<String, String>>,
) -> Result<Response, Trouble> {
    visitor.needs(Scope::Admin)?;
    let mut sender = Sender::default();
    for (key, value) in &fields {
        let Some(value) = said(value) else { continue };
        match key.split_once('.') {
            Some(("secret", role)) => drop(sender.secrets.insert(role.to_owned(), value.to_owned())),
            Some(("setting", setting)) => drop(sender.settings.insert(setting.to_owned(), value.to_owned())),
            _ if key == "provider" => sender.provider = value.to_owned(),
            _ => {}
        }
    }
    desk.engine.choose_sender(visitor.tenant().clone(), &name, sender).await?;
    Ok(Redirect::to(&format!("/endpoints/{name}?done=verified")).into_response())
}

pub(crate) async fn remove(
    State(desk): State<Desk>,
    visitor: Visitor,
    Path(name): Path<SourceName>,
) -> Result<Response, Trouble> {
    visitor.needs(Scope::Admin)?;
    desk.engine.remove_object(ObjectKind::Source, visitor.tenant().clone(), name.as_str()).await?;
    Ok(Redirect::to("/sources?done=removed").into_response())
}
