//! Whether a database is one that a store can be in, asked before anything is made there.

use store::StoreError;

use crate::failure::Failure;
use crate::query::Query;
use crate::row::cell;
use crate::session::Session;
use crate::value::params;

/// The oldest server that the tests run on, as `server_version_num` has it.
const VERSION_MIN: i32 = 15_00_00;

pub(crate) async fn check(session: &Session) -> Result<(), Failure> {
    let Some(row) = session.row(Query::server, params![]).await? else {
        return Err(StoreError::Refused("the database does not say what it is".to_owned()).into());
    };
    let (encoding, number, version) = (cell(&row, 0)?, cell(&row, 1)?, cell(&row, 2)?);
    Ok(is_fit(encoding, number, version)?)
}

fn is_fit(encoding: &str, number: i32, version: &str) -> Result<(), StoreError> {
    if number < VERSION_MIN {
        let text = format!("the database is PostgreSQL {version}: 15 or later is needed");
        return Err(StoreError::Refused(text));
    }
    // Another one would refuse a webhook some day, for a letter in it.
    if encoding != "UTF8" {
        let text = format!("the database keeps text as {encoding}: make one with the encoding UTF8");
        return Err(StoreError::Refused(text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_server_and_another_encoding_are_refused_in_one_line() {
        assert_eq!(is_fit("UTF8", 15_00_00, "15.0"), Ok(()));
        assert_eq!(is_fit("UTF8", 18_00_01, "18.1 (Debian 18.1-1)"), Ok(()));
        let said = |encoding, number, version| is_fit(encoding, number, version).unwrap_err().to_string();
        assert!(said("UTF8", 14_00_19, "14.19").contains("PostgreSQL 14.19: 15 or later is needed"));
        assert!(said("SQL_ASCII", 15_00_14, "15.14").contains("SQL_ASCII: make one with the encoding UTF8"));
    }
}
