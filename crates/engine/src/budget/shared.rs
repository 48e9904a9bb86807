//! Budgets that several sources name: what each says of it has to be the same, and enough for the polls of all.

use std::collections::BTreeMap;

use domain::Tenant;
use domain::budget::Allowance;
use store::registry::ObjectKind;

use crate::definition::print_duration;
use crate::spec::{BudgetScope, BudgetSpec, Cost, SourceSpec};
use crate::topology::SpecError;

/// What is wrong with budgets that sources share.
pub fn wrong(sources: &[SourceSpec]) -> Vec<SpecError> {
    let mut wrong = disagreements(sources);
    if wrong.is_empty() {
        wrong = overspent(sources);
    }
    wrong
}

/// The budget of a source that others name too.
fn named(source: &SourceSpec) -> Option<(&BudgetSpec, &str)> {
    let budget = source.connector.as_ref()?.budget.as_ref()?;
    match &budget.scope {
        BudgetScope::Named(name) => Some((budget, name)),
        BudgetScope::Connection | BudgetScope::Source => None,
    }
}

/// The sources with which the polls at fixed intervals come to more than the budget that they share. What one alone comes
/// to was judged where it was read.
fn overspent(sources: &[SourceSpec]) -> Vec<SpecError> {
    let mut costs: BTreeMap<(&Tenant, &str), Cost> = BTreeMap::new();
    let mut errors = Vec::new();
    for source in sources {
        let (Some((budget, name)), Some(connector)) = (named(source), &source.connector) else { continue };
        let own = Cost::of(connector.streams.values(), connector.connections().len());
        let rate = budget.allowance.rate;
        let before = costs.entry((&source.tenant, name)).or_default();
        let all = before.and(own);
        if before.too_much_for(rate).is_none()
            && let Some(interval) = all.too_much_for(rate).filter(|_| before.per_hour() > 0)
        {
            let (needs, interval) = (all.per_hour(), print_duration(interval));
            let detail = format!(
                "{rate} is too small: the polls of the sources that share the budget '{name}' need at least {needs}/h; \
                 an interval of {interval} is what it allows"
            );
            errors.push(wrong_budget(source, "budget_too_small", detail));
        }
        *before = all;
    }
    errors
}

fn wrong_budget(source: &SourceSpec, code: &'static str, detail: String) -> SpecError {
    SpecError {
        kind: ObjectKind::Source,
        tenant: source.tenant.clone(),
        name: source.name.to_string(),
        field: "budget",
        code,
        detail,
    }
}

/// The sources that say something else of a shared budget than one before them.
fn disagreements(sources: &[SourceSpec]) -> Vec<SpecError> {
    let mut first: BTreeMap<(&Tenant, &str), (&SourceSpec, Allowance)> = BTreeMap::new();
    let mut errors = Vec::new();
    for source in sources {
        let Some((budget, name)) = named(source) else { continue };
        let (other, allowance) = *first.entry((&source.tenant, name)).or_insert((source, budget.allowance));
        if allowance != budget.allowance {
            let detail = format!("source '{}' says something else of the budget '{name}' that both share", other.name);
            errors.push(wrong_budget(source, "conflict", detail));
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use domain::budget::Counting;
    use store::registry::ManagedBy;

    use super::*;
    use crate::connector::{Connectors, Ours};
    use std::time::Duration;

    use crate::spec::{ConnectorSpec, PollSpec, Schedule, StreamSpec};

    fn source(tenant: &str, name: &str, scope: BudgetScope, rate: &str) -> SourceSpec {
        let ours =
            Ours { clock: crate::clock::SystemClock::shared(), entropy: crate::entropy::SystemEntropy::shared() };
        let allowance = Allowance { rate: rate.parse().expect("a rate"), counting: Counting::Moving };
        let connector = ConnectorSpec {
            name: "stripe".to_owned(),
            overrides: None,
            connector: ours.find("stripe", None).expect("it is ours"),
            configs: BTreeMap::new(),
            streams: BTreeMap::new(),
            budget: Some(BudgetSpec { allowance, scope }),
            normalize: false,
            subscribe: false,
        };
        SourceSpec {
            tenant: tenant.parse().expect("a name"),
            name: name.parse().expect("a name"),
            managed_by: ManagedBy::File,
            webhook: None,
            publish: false,
            connections: BTreeMap::new(),
            connector: Some(connector),
        }
    }

    #[test]
    fn sources_that_share_a_budget_say_the_same_of_it() {
        let app = || BudgetScope::Named("app".to_owned());
        let wrong = |sources: &[SourceSpec]| {
            disagreements(sources).iter().map(|error| (error.name.clone(), error.detail.clone())).collect::<Vec<_>>()
        };
        let one = source("a", "one", app(), "5/h");
        assert_eq!(wrong(&[one.clone(), source("a", "two", app(), "5/h")]), []);
        assert_eq!(wrong(&[one.clone(), source("b", "two", app(), "6/h")]), [], "other owners have their own");
        let own = source("a", "two", BudgetScope::Named("other".to_owned()), "6/h");
        assert_eq!(wrong(&[one.clone(), own, source("a", "three", BudgetScope::Source, "7/h")]), []);
        let told = wrong(&[one, source("a", "two", app(), "6/h"), source("a", "three", app(), "5/h")]);
        assert_eq!(
            told,
            [("two".to_owned(), "source 'one' says something else of the budget 'app' that both share".to_owned())]
        );
    }

    #[test]
    fn sources_that_share_a_budget_poll_no_more_often_than_it_allows() {
        let polled = |name: &str, scope: BudgetScope, seconds: u64| {
            let mut source = source("a", name, scope, "400/h");
            let poll = Some(PollSpec::On(Schedule::Every(Duration::from_secs(seconds))));
            let connector = source.connector.as_mut().expect("it has one");
            connector.streams.insert("orders".into(), StreamSpec { poll, ..StreamSpec::default() });
            source
        };
        let app = || BudgetScope::Named("app".to_owned());
        let told = |sources: &[SourceSpec]| {
            wrong(sources).into_iter().map(|error| (error.name, error.code, error.detail)).collect::<Vec<_>>()
        };
        assert_eq!(told(&[polled("one", app(), 10), polled("two", BudgetScope::Connection, 10)]), []);
        assert_eq!(told(&[polled("one", app(), 18), polled("two", app(), 18)]), [], "200/h each");
        let detail = "400/h is too small: the polls of the sources that share the budget 'app' need at least 720/h; \
                      an interval of 18s is what it allows";
        assert_eq!(
            told(&[polled("one", app(), 10), polled("two", app(), 10)]),
            [("two".to_owned(), "budget_too_small", detail.to_owned())]
        );
    }
}
