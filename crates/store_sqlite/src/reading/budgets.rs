//! Budgets: each one row, read, changed as the domain decides, and written.

use std::sync::Arc;

use domain::Tenant;
use domain::budget::Account;
use store::StoreError;
use store::reading::BudgetRow;

use crate::failure::Failure;
use crate::query::Query;
use crate::row::text;
use crate::tx::Tx;
use crate::view::View;

pub(crate) fn change<T>(
    tx: &mut Tx<'_, '_>,
    (tenant, scope): (&Tenant, &Arc<str>),
    change: impl FnOnce(&mut Account) -> T,
) -> Result<T, Failure> {
    let tenant = tx.name(tenant.as_str())?;
    let known = tx.row(Query::budget, (tenant, &**scope), |row| Ok(row.get::<_, String>(0)?))?;
    let mut account = known.map_or_else(|| Ok(Account::default()), |text| parse(&text))?;
    let outcome = change(&mut account);
    let written = serde_json::to_string(&account).map_err(|error| StoreError::Refused(error.to_string()))?;
    tx.execute(Query::put_budget, (tenant, &**scope, written))?;
    Ok(outcome)
}

pub(crate) fn list(view: &mut View<'_, '_>, tenant: &Tenant) -> Result<Vec<BudgetRow>, Failure> {
    let Some(tenant) = view.lookup().id(tenant.as_str())? else { return Ok(Vec::new()) };
    view.rows(Query::budgets, [tenant], |row| {
        Ok(BudgetRow { scope: text(row, 0)?, account: parse(&row.get::<_, String>(1)?)? })
    })
}

fn parse(text: &str) -> Result<Account, Failure> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(format!("a budget cannot be read: {error}")).into())
}
