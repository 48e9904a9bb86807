//! Calls and figures: the verbs of [`store::watch::Watch`].

mod calls;
mod figures;

use domain::{Call, Tenant, Timestamp};
use store::Verb;
use store::read::{Listed, Page};
use store::watch::{CallFilter, Figure, Series, Step, Watch};

use crate::PostgresStore;

impl Watch for PostgresStore {
    fn record_calls(&self, calls: Vec<Call>) -> Verb<'_, ()> {
        self.verb(move |inner| async move { calls::record(&inner, &calls).await })
    }

    fn calls(&self, tenant: Tenant, filter: CallFilter, page: Page) -> Verb<'_, Listed<Call>> {
        self.search(move |inner| async move {
            let inline = inner.options.inline;
            let (tenant, filter, page) = (&tenant, &filter, &page);
            inner.read(|session| async move { calls::list(&session, tenant, filter, page, inline).await }).await
        })
    }

    fn add_figures(&self, at: Timestamp, figures: Vec<Figure>) -> Verb<'_, ()> {
        self.verb(move |inner| async move { figures::add(&inner, at, &figures).await })
    }

    fn figures(
        &self,
        tenant: Tenant,
        series: Series,
        step: Step,
        since: Timestamp,
    ) -> Verb<'_, Vec<(Timestamp, Figure)>> {
        self.verb(move |inner| async move { figures::read(&inner, &tenant, series, step, since).await })
    }
}
