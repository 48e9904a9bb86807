//! Taking in: the verbs of [`store::intake::Intake`].

mod accept;
mod identify;
pub(crate) mod requests;

use domain::request::{Reason, Verdict};
use domain::{RequestId, SourceName, Tenant, Timestamp};
use store::intake::{AcceptGroup, Accepted, Intake, KeptRequest, NewEvent, RejectedBounds, Waiting};
use store::{StoreError, Verb};

pub(crate) use self::accept::{Owing, accept_events, owe};
pub(crate) use self::identify::{put_subject, read_subject};
use crate::SqliteStore;
use crate::failure::Failure;
use crate::job::{Company, Work};
use crate::names::NameId;
use crate::query::Query;
use crate::row::count;
use crate::tx::Tx;

/// Whose an event is, in numbers.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) tenant: NameId,
    pub(crate) source: NameId,
    pub(crate) connection: NameId,
}

impl Intake for SqliteStore {
    fn accept(&self, groups: Vec<AcceptGroup>, now: Timestamp) -> Verb<'_, Vec<Result<Vec<Accepted>, StoreError>>> {
        let rows = groups.iter().map(|group| group.events.len()).sum::<usize>().max(groups.len());
        let bytes = groups.iter().map(|group| bytes_of(&group.events)).sum();
        self.write(Work::ingest(rows, bytes), move |tx, company| {
            groups.iter().map(|group| accept_in(tx, company, group, now)).collect()
        })
    }

    fn keep_requests(&self, requests: Vec<KeptRequest>, bounds: RejectedBounds) -> Verb<'_, ()> {
        let bytes = requests.iter().map(|kept| kept.request.body.len()).sum();
        self.write(Work::ingest(requests.len(), bytes), move |tx, _| {
            requests.iter().try_for_each(|kept| requests::keep(tx, kept, bounds))
        })
    }

    fn pending_requests(&self, due: Timestamp, limit: u32) -> Verb<'_, Vec<KeptRequest>> {
        self.read(move |view| {
            let lookup = view.lookup();
            view.rows(Query::pending_requests, (due.as_micros(), limit), |row| requests::read(row, lookup))
        })
    }

    fn waiting(&self, tenant: Tenant, source: SourceName) -> Verb<'_, Waiting> {
        self.read(move |view| {
            let lookup = view.lookup();
            let (Some(tenant), Some(source)) = (lookup.id(tenant.as_str())?, lookup.id(source.as_str())?) else {
                return Ok(Waiting::default());
            };
            let read = |row: &rusqlite::Row<'_>| Ok(Waiting { count: count(row, 0)?, bytes: count(row, 1)? });
            Ok(view.row(Query::waiting, (tenant, source), read)?.unwrap_or_default())
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
        self.write(Work::ingest(1 + events.len(), bytes_of(&events)), move |tx, _| {
            requests::rejudge(tx, (tenant.as_str(), request), verdict, reason.as_ref(), due)?;
            accept_events(tx, &events, now)
        })
    }

    fn rejected_requests(
        &self,
        tenant: Tenant,
        source: SourceName,
        before: Option<RequestId>,
        limit: u32,
    ) -> Verb<'_, Vec<RequestId>> {
        self.read(move |view| {
            let lookup = view.lookup();
            let (Some(tenant), Some(source)) = (lookup.id(tenant.as_str())?, lookup.id(source.as_str())?) else {
                return Ok(Vec::new());
            };
            let before = crate::read::before(before.map(RequestId::uuid));
            view.rows(Query::rejected_ids, (tenant, source, before, limit), |row| {
                Ok(RequestId::from_uuid(crate::row::uuid(row, 0)?))
            })
        })
    }
}

/// In company a failing group fails everyone, who are then run again alone; alone it is told apart from the others.
fn accept_in(
    tx: &mut Tx<'_, '_>,
    company: Company,
    group: &AcceptGroup,
    now: Timestamp,
) -> Result<Result<Vec<Accepted>, StoreError>, Failure> {
    match company {
        Company::Group => accept::accept_group(tx, group, now).map(Ok),
        Company::Alone => match tx.part(|tx| accept::accept_group(tx, group, now)) {
            Err(Failure::Row(error)) => Ok(Err(error)),
            result => result.map(Ok),
        },
    }
}

pub(crate) fn bytes_of(events: &[NewEvent]) -> usize {
    events.iter().map(|new| new.event.payload.len() + new.event.head.len()).sum()
}
