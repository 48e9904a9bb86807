//! Why what a reading lacked says nothing about what is gone: it is known not to be the whole list.

use connectors::manifest::extension::Deletes;
use domain::run::{Run, RunKind};
use store::StoreError;
use store::read::Page;
use store::reading::RunFilter;

use super::Parts;
use super::model::Model;
use super::run::{Outcome, Taken};

/// How such a reason begins.
const NOT_LOOKED_FOR: &str = "what is gone was not looked for: ";

/// Whether a run waits for nobody to confirm what is gone, because that was not looked for.
#[must_use]
pub fn is_unjudged(run: &Run) -> bool {
    run.problem.as_ref().is_some_and(|problem| problem.starts_with(NOT_LOOKED_FOR))
}

/// The reason, if what is gone would be looked for.
pub(super) fn unjudged(model: &Model, outcome: &Outcome) -> Option<String> {
    if model.deletes != Deletes::Scan {
        return None;
    }
    let because = |why: &str| format!("{NOT_LOOKED_FOR}{why}");
    if let Some(lacking) = &outcome.lacking {
        return Some(because(lacking));
    }
    (!model.tells_absence()).then(|| {
        because(
            "the list ends before now, so that a record which it lacks may only have changed since, and no record can \
             be asked for by its id",
        )
    })
}

impl Parts {
    /// Whether a poll that found nothing has to be listed all the same: it did not look for what is gone, and the last
    /// one that was listed did not say why.
    pub(super) async fn is_news(&self, taken: &Taken, outcome: &Outcome) -> Result<bool, StoreError> {
        let Some(why) = &outcome.unjudged else { return Ok(false) };
        let key = &taken.key;
        let filter = RunFilter {
            source: Some(key.source.clone()),
            connection: Some(key.connection.clone()),
            stream: Some(key.stream.to_string()),
            kind: Some(RunKind::Poll),
            state: None,
        };
        let listed = self.store.runs(key.tenant.clone(), filter, Page::first(1)).await?;
        let last = listed.rows.first().and_then(|run: &Run| run.problem.as_ref());
        Ok(last != Some(why))
    }
}
