//! What a person asks of a source: whether its credentials work, and reading a stream now.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{Redirect, Response};
use domain::run::StreamKey;
use domain::{ConnectionName, SourceName};
use engine::access::Scope;
use engine::alert::stream_object;
use engine::streams::Wish;
use engine::upstream::Account;
use serde::Deserialize;

use super::find;
use crate::desk::Desk;
use crate::extract::{Form, Path};
use crate::reply::Trouble;
use crate::session::Visitor;
use crate::written::told;

#[derive(Deserialize)]
pub(crate) struct Which {
    connection: ConnectionName,
}

pub(crate) async fn check(
    State(desk): State<Desk>,
    visitor: Visitor,
    Path(name): Path<SourceName>,
    Form(which): Form<Which>,
) -> Result<Response, Trouble> {
    visitor.needs(Scope::Operate)?;
    find(&desk, &visitor, &name)?;
    let account =
        Account { tenant: visitor.tenant().clone(), source: name.clone(), connection: which.connection.clone() };
    let checked = desk.engine.check_connection(&account).await?;
    if checked.works {
        let object = format!("source/{name}/connection/{}", which.connection);
        return Ok(told(Some(object), "", Redirect::to(&format!("/sources/{name}?done=works"))));
    }
    let why = checked.why.unwrap_or_else(|| "it does not say why".to_owned());
    Err(Trouble::failed("The source does not accept it", format!("Connection '{}': {why}", which.connection)))
}

#[derive(Deserialize)]
pub(crate) struct Read {
    connection: ConnectionName,
    stream: String,
}

/// Has what is new of a stream read now, and shows the run.
pub(crate) async fn poll(
    State(desk): State<Desk>,
    visitor: Visitor,
    Path(name): Path<SourceName>,
    Form(Read { connection, stream }): Form<Read>,
) -> Result<Response, Trouble> {
    order(&desk, &visitor, (name, connection, stream), Wish::Poll, "").await
}

#[derive(Deserialize)]
pub(crate) struct Compare {
    connection: ConnectionName,
    stream: String,
    wish: Wanted,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Wanted {
    DryRun,
    Reconcile,
    /// The same, though it tells more deletions than a run may by itself.
    ConfirmDeletes,
}

impl Wanted {
    /// What the log says beside its code.
    const fn told(self) -> &'static str {
        match self {
            Self::DryRun => "dry_run ",
            Self::Reconcile => "",
            Self::ConfirmDeletes => "confirm_deletes ",
        }
    }
}

/// Has a stream compared with what is known of it now, and shows the run.
pub(crate) async fn reconcile(
    State(desk): State<Desk>,
    visitor: Visitor,
    Path(name): Path<SourceName>,
    Form(Compare { connection, stream, wish }): Form<Compare>,
) -> Result<Response, Trouble> {
    let wanted = Wish::Reconcile {
        dry: matches!(wish, Wanted::DryRun),
        deletes_confirmed: matches!(wish, Wanted::ConfirmDeletes),
    };
    order(&desk, &visitor, (name, connection, stream), wanted, wish.told()).await
}

async fn order(
    desk: &Desk,
    visitor: &Visitor,
    (source, connection, stream): (SourceName, ConnectionName, String),
    wish: Wish,
    detail: &str,
) -> Result<Response, Trouble> {
    visitor.needs(Scope::Operate)?;
    let key = StreamKey { tenant: visitor.tenant().clone(), source, connection, stream: Arc::from(stream) };
    let object = stream_object(&key);
    let run = desk.engine.order_stream(key, wish).await?;
    let detail = format!("{detail}run/{}", run.id);
    Ok(told(Some(object), detail, Redirect::to(&format!("/runs/{}", run.id))))
}
