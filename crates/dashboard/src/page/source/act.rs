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
pub(crate) struct Order {
    connection: ConnectionName,
    stream: String,
    wish: Wanted,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Wanted {
    Poll,
    DryRun,
    Reconcile,
    /// The same, though it tells more deletions than a run may by itself.
    ConfirmDeletes,
}

impl Wanted {
    /// As the form says it.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::DryRun => "dry_run",
            Self::Reconcile => "reconcile",
            Self::ConfirmDeletes => "confirm_deletes",
        }
    }
}

impl From<Wanted> for Wish {
    fn from(wanted: Wanted) -> Self {
        match wanted {
            Wanted::Poll => Self::Poll,
            Wanted::DryRun => Self::Reconcile { dry: true, deletes_confirmed: false },
            Wanted::Reconcile => Self::Reconcile { dry: false, deletes_confirmed: false },
            Wanted::ConfirmDeletes => Self::Reconcile { dry: false, deletes_confirmed: true },
        }
    }
}

/// Has a stream read now, and shows the run.
pub(crate) async fn order(
    State(desk): State<Desk>,
    visitor: Visitor,
    Path(name): Path<SourceName>,
    Form(order): Form<Order>,
) -> Result<Response, Trouble> {
    visitor.needs(Scope::Operate)?;
    let key = StreamKey {
        tenant: visitor.tenant().clone(),
        source: name,
        connection: order.connection,
        stream: Arc::from(order.stream),
    };
    let object = stream_object(&key);
    let run = desk.engine.order_stream(key, order.wish.into()).await?;
    let detail = format!("{} run/{}", order.wish.as_str(), run.id);
    Ok(told(Some(object), detail, Redirect::to(&format!("/runs/{}", run.id))))
}
