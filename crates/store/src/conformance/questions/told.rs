//! What people are told and what is written down of what they do: alerts and their messages, the audit log, listeners.

use std::sync::Arc;
use std::time::Duration;

use domain::audit::Outcome;

use super::super::growth::LISTENERS;
use super::others::{CONFIGURED, counted};
use super::{Answer, Asked, Cost, PAGE, Question, name, tenant, then};
use crate::audit::AuditFilter;
use crate::read::Page;

const UNTOLD: Cost = Cost::Whole("it is what is open, or owed to channels");
const WALKED: Cost = Cost::Searches("it is written by people, slowly, and few look at it");
/// Every node has one, and there are few.
const NODES: Cost = Cost::Whole("each node has one chain");

impl Asked {
    pub(super) fn told(&self) -> Vec<Question> {
        let mut questions = alerts();
        questions.extend(self.audit());
        questions.extend(chains());
        questions.extend(self.listeners());
        questions
    }

    /// Each field of the filter by itself.
    fn audit(&self) -> Vec<Question> {
        let whole = AuditFilter {
            who: Some("nobody".to_owned()),
            action: Some("never*".to_owned()),
            object: Some("nothing".to_owned()),
            outcome: Some(Outcome::Refused),
            since: Some(self.growth.begin),
            until: Some(self.growth.begin + Duration::from_secs(1)),
        };
        let none = AuditFilter::default;
        let AuditFilter { who, action, object, outcome, since, until } = whole;
        let cases = [
            ("nothing", none(), Cost::Indexed, true),
            ("since", AuditFilter { since, ..none() }, Cost::Indexed, true),
            ("until", AuditFilter { until, ..none() }, Cost::Indexed, true),
            ("who", AuditFilter { who, ..none() }, WALKED, false),
            ("action", AuditFilter { action, ..none() }, WALKED, false),
            ("object", AuditFilter { object, ..none() }, WALKED, false),
            ("outcome", AuditFilter { outcome, ..none() }, WALKED, false),
        ];
        let asked = |(by, filter, cost, finds): (&'static str, AuditFilter, Cost, bool)| {
            let page = self.page.clone();
            let question = Question::new("audit", by, cost, move |store| {
                then(store.audit(tenant(), filter.clone(), page.clone()), |listed| Answer::of(&listed))
            });
            if finds { question } else { question.in_vain() }
        };
        cases.into_iter().map(asked).collect()
    }

    fn listeners(&self) -> Vec<Question> {
        let one = format!("l{}", self.number % LISTENERS);
        vec![
            Question::new("listeners", "tenant", CONFIGURED, |store| {
                then(store.listeners(tenant()), |all| counted(&all))
            }),
            Question::new("listener", "name", Cost::Indexed, move |store| {
                then(store.listener(tenant(), name(&one)), |found| Answer::rows(usize::from(found.is_some())))
            }),
        ]
    }
}

fn alerts() -> Vec<Question> {
    const ONE: Cost = Cost::Whole("at most one is open for each kind and thing");
    vec![
        Question::new("alerts", "tenant", Cost::Indexed, |store| {
            then(store.alerts(tenant(), false, Page::first(PAGE)), |all| counted(&all.rows))
        }),
        Question::new("alerts", "open", Cost::Indexed, |store| {
            then(store.alerts(tenant(), true, Page::first(PAGE)), |all| counted(&all.rows))
        }),
        Question::new("open_alerts", "all tenants", ONE, |store| then(store.open_alerts(), |all| counted(&all))),
        Question::new("unsettled_alerts", "all tenants", UNTOLD, |store| {
            then(store.unsettled_alerts(), |all| counted(&all))
        }),
        Question::new("waiting_notices", "all tenants", UNTOLD, |store| {
            then(store.waiting_notices(), |all| counted(&all))
        }),
        Question::new("told", "tenant", UNTOLD, |store| then(store.told(tenant()), |all| counted(&all))),
        Question::new("notices", "tenant", Cost::Indexed, |store| {
            then(store.notices(tenant(), PAGE), |all| counted(&all))
        }),
    ]
}

fn chains() -> Vec<Question> {
    let node = || Arc::<str>::from("n0");
    vec![
        Question::new("audit_chain", "node", Cost::Indexed, move |store| {
            then(store.audit_chain(tenant(), node(), 7, PAGE), |all| counted(&all))
        }),
        Question::new("audit_chains", "tenant", NODES, |store| {
            then(store.audit_chains(Some(tenant())), |all| counted(&all))
        }),
        Question::new("audit_chains", "all tenants", NODES, |store| {
            then(store.audit_chains(None), |all| counted(&all))
        }),
        Question::new("audit_statements", "signer", Cost::Indexed, move |store| {
            then(store.audit_statements(tenant(), (node(), 7), PAGE), |all| counted(&all))
        }),
        Question::new("last_audit_statement", "signer", Cost::Indexed, move |store| {
            then(store.last_audit_statement(tenant(), node()), |found| Answer::rows(usize::from(found.is_some())))
        }),
    ]
}
