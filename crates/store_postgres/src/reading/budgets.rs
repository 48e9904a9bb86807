//! Budgets: each one row, locked, changed as the domain decides, and written: whoever reserves comes after whoever did.

use std::sync::Arc;

use domain::Tenant;
use domain::budget::Account;
use store::StoreError;
use store::reading::BudgetRow;

use crate::failure::Failure;
use crate::perform::Inner;
use crate::query::Query;
use crate::row::{cell, text};
use crate::value::{Text, params};

pub(super) async fn change<T>(
    inner: &Inner,
    (tenant, scope): (&Tenant, &Arc<str>),
    change: impl Fn(&mut Account) -> T + Sync,
) -> Result<T, Failure>
where
    T: Send,
{
    let change = &change;
    inner
        .transaction(1, |session| async move {
            let key = || (Text::from(tenant.as_str()), Text::from(scope));
            let mut row = session.row(Query::lock_budget, params![key().0, key().1]).await?;
            if row.is_none() {
                let first = write(&Account::default())?;
                session.execute(Query::insert_budget, params![key().0, key().1, Text::from(&first)]).await?;
                row = session.row(Query::lock_budget, params![key().0, key().1]).await?;
            }
            let mut account = row.map_or_else(|| Ok(Account::default()), |row| parse(cell(&row, 0)?))?;
            let outcome = change(&mut account);
            let written = write(&account)?;
            session.later(Query::put_budget, params![key().0, key().1, Text::from(&written)]);
            Ok(outcome)
        })
        .await
}

pub(super) async fn list(inner: &Inner, tenant: &Tenant) -> Result<Vec<BudgetRow>, Failure> {
    let rows = inner.rows(Query::budgets, || params![Text::from(tenant.as_str())]).await?;
    rows.iter().map(|row| Ok(BudgetRow { scope: text(row, 0)?, account: parse(cell(row, 1)?)? })).collect()
}

fn write(account: &Account) -> Result<String, Failure> {
    serde_json::to_string(account).map_err(|error| StoreError::Refused(error.to_string()).into())
}

fn parse(text: &str) -> Result<Account, Failure> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(format!("a budget cannot be read: {error}")).into())
}
