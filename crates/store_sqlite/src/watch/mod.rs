//! What is kept to look back at: the verbs of [`store::watch::Watch`].

mod calls;
mod figures;

use domain::{Call, Tenant, Timestamp};
use store::Verb;
use store::read::{Listed, Page};
use store::watch::{CallFilter, Figure, Series, Step, Watch};

use crate::SqliteStore;
use crate::job::Work;

impl Watch for SqliteStore {
    fn record_calls(&self, calls: Vec<Call>) -> Verb<'_, ()> {
        self.write(Work::rows(calls.len()), move |tx, _| calls::record(tx, &calls))
    }

    fn calls(&self, tenant: Tenant, filter: CallFilter, page: Page) -> Verb<'_, Listed<Call>> {
        self.read(move |view| calls::list(view, tenant.as_str(), &filter, &page))
    }

    fn add_figures(&self, at: Timestamp, figures: Vec<Figure>) -> Verb<'_, ()> {
        self.write(Work::rows(figures.len()), move |tx, _| figures::add(tx, at, &figures))
    }

    fn figures(
        &self,
        tenant: Tenant,
        series: Series,
        step: Step,
        since: Timestamp,
    ) -> Verb<'_, Vec<(Timestamp, Figure)>> {
        self.read(move |view| figures::since(view, &tenant, series, step, since))
    }
}
