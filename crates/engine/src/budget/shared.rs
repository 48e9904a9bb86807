//! Budgets that several sources name: what each says of it has to be the same.

use std::collections::BTreeMap;

use domain::Tenant;
use domain::budget::Allowance;
use store::registry::ObjectKind;

use crate::spec::{BudgetScope, SourceSpec};
use crate::topology::SpecError;

/// The sources that say something else of a shared budget than one before them.
pub fn disagreements(sources: &[SourceSpec]) -> Vec<SpecError> {
    let mut first: BTreeMap<(&Tenant, &str), (&SourceSpec, Allowance)> = BTreeMap::new();
    let mut errors = Vec::new();
    for source in sources {
        let budget = source.connector.as_ref().and_then(|connector| connector.budget.as_ref());
        let Some((budget, name)) = budget.and_then(|budget| match &budget.scope {
            BudgetScope::Named(name) => Some((budget, name.as_str())),
            BudgetScope::Connection | BudgetScope::Source => None,
        }) else {
            continue;
        };
        let (other, allowance) = *first.entry((&source.tenant, name)).or_insert((source, budget.allowance));
        if allowance != budget.allowance {
            errors.push(SpecError {
                kind: ObjectKind::Source,
                tenant: source.tenant.clone(),
                name: source.name.to_string(),
                field: "budget",
                code: "conflict",
                detail: format!("source '{}' says something else of the budget '{name}' that both share", other.name),
            });
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
    use crate::spec::{BudgetSpec, ConnectorSpec};

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
}
