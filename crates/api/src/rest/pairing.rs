//! Pairing: letting a source wait for the secret that its sender hands over, and what was handed over.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use domain::{ConnectionName, PairingId, SourceName, Timestamp};
use engine::handshakes::{PAIRING_DEFAULT, PAIRING_MAX, Pairings};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Answer;
use crate::app::App;
use crate::extract::{Json as Body, Named, NamedPair};
use crate::problem::{Code, Fault, Problem};
use engine::access::Caller;

/// For whom to wait, and how long.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = NewPairing)]
pub struct OpenPairing {
    /// Of one account; without it of the source itself.
    #[schema(value_type = Option<String>)]
    connection: Option<ConnectionName>,
    /// 1 to 60; default 10.
    minutes: Option<u64>,
}

/// What a source's sender handed over. The secrets themselves are never shown here.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Pairing)]
pub struct PairingView {
    provider: String,
    /// What the secret is for; `null`: this sender hands none over.
    role: Option<&'static str>,
    /// Who waits for a secret; the first one that comes ends it.
    waiting: Vec<WaitingView>,
    paired: Vec<PairedView>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PairingWaiting)]
pub struct WaitingView {
    /// `null`: the source itself.
    #[schema(value_type = Option<String>)]
    connection: Option<ConnectionName>,
    #[schema(value_type = String, format = DateTime)]
    until: Timestamp,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PairedSecret)]
pub struct PairedView {
    #[schema(value_type = String, example = "par_01h455vb4pex5vsknk084sn02q")]
    id: PairingId,
    #[schema(value_type = Option<String>)]
    connection: Option<ConnectionName>,
    role: String,
    #[schema(value_type = String, format = DateTime)]
    paired_at: Timestamp,
    /// The address that sent it.
    from: String,
    /// Until when it can be shown to be given back to the sender, once; `null`: not, or not any more.
    #[schema(value_type = Option<String>, format = DateTime)]
    hand_back_until: Option<Timestamp>,
}

impl From<Pairings> for PairingView {
    fn from(pairings: Pairings) -> Self {
        let Pairings { provider, role, state } = pairings;
        let waiting = state.open.into_iter().map(|open| WaitingView { connection: open.connection, until: open.until });
        let paired = state.paired.into_iter().map(|secret| PairedView {
            id: secret.id,
            connection: secret.connection,
            role: secret.role,
            paired_at: secret.paired_at,
            from: secret.from,
            hand_back_until: secret.hand_back_until,
        });
        Self { provider, role: role.map(|role| role.as_str()), waiting: waiting.collect(), paired: paired.collect() }
    }
}

/// A secret as it came, shown this once.
#[derive(Serialize, ToSchema)]
pub struct HandedBack {
    secret: String,
}

pub async fn open(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<SourceName>,
    Body(wish): Body<OpenPairing>,
) -> Answer<PairingView> {
    let time = wish.minutes.map_or(PAIRING_DEFAULT, |minutes| Duration::from_secs(minutes.saturating_mul(60)));
    if time.is_zero() || time > PAIRING_MAX {
        let fault = Fault { field: "minutes".into(), detail: "use a whole number from 1 to 60".into() };
        return Err(Code::InvalidBody.because("A source waits for 1 to 60 minutes.").with(vec![fault]));
    }
    let pairings = app.engine.open_pairing(&caller.tenant, &name, wish.connection, time).await?;
    Ok(Json(pairings.into()))
}

pub async fn close(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<SourceName>,
) -> Result<StatusCode, Problem> {
    app.engine.close_pairing(&caller.tenant, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn get(State(app): State<App>, caller: Caller, Named(name): Named<SourceName>) -> Answer<PairingView> {
    Ok(Json(app.engine.pairings(&caller.tenant, &name).await?.into()))
}

pub async fn forget_all(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<SourceName>,
) -> Result<StatusCode, Problem> {
    app.engine.unpair(&caller.tenant, &name, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn forget(
    State(app): State<App>,
    caller: Caller,
    NamedPair(name, id): NamedPair<SourceName, PairingId>,
) -> Result<StatusCode, Problem> {
    app.engine.unpair(&caller.tenant, &name, Some(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn hand_back(
    State(app): State<App>,
    caller: Caller,
    NamedPair(name, id): NamedPair<SourceName, PairingId>,
) -> Answer<HandedBack> {
    let secret = app.engine.hand_back(&caller.tenant, &name, id).await?;
    Ok(Json(HandedBack { secret: secret.to_string() }))
}
