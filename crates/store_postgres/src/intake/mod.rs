//! Taking in: the verbs of [`store::intake::Intake`].

pub(crate) mod accept;
pub(crate) mod identify;
mod novelty;
pub(crate) mod requests;

use std::sync::Arc;

use domain::request::{Reason, Verdict};
use domain::{RequestId, SourceName, Tenant, Timestamp};
use store::intake::{AcceptGroup, Accepted, Intake, KeptRequest, NewEvent, RejectedBounds, Waiting};
use store::{StoreError, Verb};

pub(crate) use self::novelty::Novelty;
use crate::PostgresStore;
use crate::hint;
use crate::intake::identify::Keys;
use crate::query::Query;
use crate::row::{cell, count};
use crate::value::{Text, params};

impl Intake for PostgresStore {
    /// Goes with whatever else has come in since the last commit.
    fn accept(&self, groups: Vec<AcceptGroup>, now: Timestamp) -> Verb<'_, Vec<Result<Vec<Accepted>, StoreError>>> {
        Box::pin(async move {
            self.inner.is_open()?;
            let tenants = hint::tenants(&groups);
            let answers = self.gatherer.hand_over(groups, now)?;
            let answered = self.performer.wait(answers).await??.hand_over();
            self.hints.tell_waiting(&tenants, &answered);
            Ok(answered)
        })
    }

    fn keep_requests(&self, requests: Vec<KeptRequest>, bounds: RejectedBounds) -> Verb<'_, ()> {
        let requests = Arc::new(requests);
        self.verb(move |inner| async move {
            inner.know_tenants(requests.iter().map(|kept| &kept.request.tenant)).await?;
            inner
                .transaction(requests.len(), |session| {
                    let requests = Arc::clone(&requests);
                    async move { requests::keep(&session, &requests, bounds).await }
                })
                .await
        })
    }

    fn pending_requests(&self, due: Timestamp, limit: u32) -> Verb<'_, Vec<KeptRequest>> {
        self.verb(move |inner| async move {
            let rows = inner.rows(Query::pending_requests, || params![due.as_micros(), i64::from(limit)]).await?;
            rows.iter().map(requests::read).collect()
        })
    }

    fn waiting(&self, tenant: Tenant, source: SourceName) -> Verb<'_, Waiting> {
        self.verb(move |inner| async move {
            let key = || params![Text::from(tenant.as_str()), Text::from(source.as_str())];
            let rows = inner.rows(Query::waiting, key).await?;
            let Some(row) = rows.first() else { return Ok(Waiting::default()) };
            Ok(Waiting { count: count(row, 0)?, bytes: count(row, 1)? })
        })
    }

    fn rejudge(
        &self,
        tenant: Tenant,
        request: RequestId,
        verdict: Verdict,
        reason: Option<Reason>,
        due: Option<Timestamp>,
        events: Vec<NewEvent>,
        now: Timestamp,
    ) -> Verb<'_, Vec<Accepted>> {
        let judged = Arc::new((tenant, reason, events));
        self.claiming(move |inner| async move {
            inner.know_tenants(judged.2.iter().map(|new| &new.event.tenant)).await?;
            let (store, mut untold) = (&*inner, inner.untold());
            let accepted = store
                .claiming(1 + judged.2.len(), &mut untold, |session| {
                    let judged = Arc::clone(&judged);
                    async move {
                        let (tenant, reason, events) = &*judged;
                        requests::rejudge(&session, tenant, request, verdict, reason.as_ref(), due).await?;
                        let events: Vec<_> = events.iter().map(|new| (new, now)).collect();
                        accept::accept_events(&session, store, &events, Keys::Asked).await
                    }
                })
                .await?;
            Ok(untold.told_by(accepted))
        })
    }

    fn rejected_requests(
        &self,
        tenant: Tenant,
        source: SourceName,
        before: Option<RequestId>,
        limit: u32,
    ) -> Verb<'_, Vec<RequestId>> {
        self.verb(move |inner| async move {
            let before = before.map_or(uuid::Uuid::max(), RequestId::uuid);
            let key = || params![Text::from(tenant.as_str()), Text::from(source.as_str()), before, i64::from(limit)];
            let rows = inner.rows(Query::rejected_ids, key).await?;
            rows.iter().map(|row| Ok(RequestId::from_uuid(cell(row, 0)?))).collect()
        })
    }
}
