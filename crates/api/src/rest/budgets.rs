//! Budgets: what each source allows us to ask, how much of it is used and by what, and who waits.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use domain::Timestamp;
use domain::budget::Counting;
use engine::access::Caller;
use engine::budget::BudgetView as Known;
use serde::Serialize;
use utoipa::ToSchema;

use super::Answer;
use super::objects::ObjectsQuery;
use crate::app::App;
use crate::cursor::{Listing, Mark, page_by_name};
use crate::extract::Params;

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Budget)]
pub struct BudgetView {
    /// Who shares it: `connection/<source>/<connection>`, `source/<source>`, `shared/<name>`; of `polls/<source>`, the
    /// streams that are polled from one budget.
    scope: String,
    /// Requests in a time, as `5000/h`; absent where only what the source itself says counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<String>,
    /// moving, fixed or bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<&'static str>,
    /// Of a bucket: so many at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    burst: Option<u32>,
    /// Requests that count now, over all nodes, those reserved but not sent included; without a limit, those of the
    /// last hour.
    used: u64,
    /// Requests of this node in the current window, by what they were for.
    #[schema(value_type = Object)]
    by_purpose: BTreeMap<&'static str, u64>,
    /// What the source said is left.
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<u64>,
    /// The source takes nothing before then, so nothing is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    stopped_until: Option<Timestamp>,
    /// Requests that wait for their turn on this node.
    waiting: usize,
}

impl From<Known> for BudgetView {
    fn from(known: Known) -> Self {
        let (window, burst) = match known.allowance.map(|allowance| allowance.counting) {
            None => (None, None),
            Some(Counting::Moving) => (Some("moving"), None),
            Some(Counting::Fixed) => (Some("fixed"), None),
            Some(Counting::Bucket { burst }) => (Some("bucket"), Some(burst)),
        };
        Self {
            scope: known.scope.to_string(),
            limit: known.allowance.map(|allowance| allowance.rate.to_string()),
            window,
            burst,
            used: known.used,
            by_purpose: known.by_purpose.iter().map(|(purpose, count)| (purpose.as_str(), *count)).collect(),
            left: known.left,
            stopped_until: known.stopped_until,
            waiting: known.waiting,
        }
    }
}

pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<ObjectsQuery>,
) -> Answer<Listing<BudgetView>> {
    let known = app.engine.budget_views(&caller.tenant).await?;
    let views = known.into_iter().map(|known| (known.scope.to_string(), known.into())).collect();
    let mark = Mark::of("budgets", &caller.tenant, &());
    page_by_name(mark, views, query.limit, query.cursor.as_deref()).map(Json)
}
