//! The cluster that a store belongs to: named once, so that nodes of two clusters never share one by mistake.

use bytes::Bytes;
use store::Store;

use super::master_key::store_failure;
use crate::exit::{Exit, Failure, Outcome};

/// Under this name the store keeps it.
const CLUSTER_SETTING: &str = "cluster";

/// Fails if a store is another cluster's, and leaves nothing in it. Who has no name takes a store that has none.
pub async fn may_join(store: &dyn Store, ours: Option<&str>) -> Outcome {
    let Some(ours) = ours.filter(|name| !name.is_empty()) else { return is_nobodys(store).await };
    of(store).await?.map_or(Ok(()), |theirs| same(&theirs, ours))
}

/// Makes an unnamed store this cluster's, or fails as [`may_join`]. To be called once nothing else speaks against this
/// node: one that is refused for another reason leaves no name, by which the rightful ones would be refused.
pub async fn join(store: &dyn Store, ours: Option<&str>) -> Outcome {
    let Some(ours) = ours.filter(|name| !name.is_empty()) else { return is_nobodys(store).await };
    let kept = store.keep_setting(CLUSTER_SETTING.into(), Bytes::from(ours.to_owned())).await;
    same(&String::from_utf8_lossy(&kept.map_err(|error| store_failure(&error))?), ours)
}

fn same(theirs: &str, ours: &str) -> Outcome {
    if theirs == ours {
        return Ok(());
    }
    let message = format!("this store belongs to the cluster '{theirs}', not to '{ours}'");
    let hint = "Give this node the store of its own cluster with --store, or the right name with --cluster.";
    Err(Failure::new(Exit::Store, "cluster_other", message).hint(hint))
}

async fn is_nobodys(store: &dyn Store) -> Outcome {
    let Some(theirs) = of(store).await? else { return Ok(()) };
    let message =
        format!("this store belongs to the cluster '{theirs}', and this node says of none that it is its own");
    let hint = format!("Say --cluster {theirs} if it is, or give this node the store of its own cluster with --store.");
    Err(Failure::new(Exit::Store, "cluster_other", message).hint(hint))
}

/// The cluster that a store belongs to, if it was ever named.
pub async fn of(store: &dyn Store) -> Outcome<Option<String>> {
    let kept = store.setting(CLUSTER_SETTING.into()).await.map_err(|error| store_failure(&error))?;
    Ok(kept.filter(|kept| !kept.is_empty()).map(|kept| String::from_utf8_lossy(&kept).into_owned()))
}

#[cfg(test)]
mod tests {
    use store_sqlite::{OpenOptions, SqliteStore};

    use super::*;

    #[tokio::test]
    async fn a_store_belongs_to_the_first_cluster_that_names_itself() {
        let store = SqliteStore::open(OpenOptions::memory()).expect("a store");
        assert!(join(&store, None).await.is_ok() && join(&store, Some("")).await.is_ok());
        assert!(may_join(&store, Some("us")).await.is_ok(), "asking names nobody");
        assert!(join(&store, Some("eu")).await.is_ok() && join(&store, Some("eu")).await.is_ok());
        for refused in [join(&store, Some("us")).await, may_join(&store, Some("us")).await] {
            let refused = refused.expect_err("it is another one's");
            assert_eq!((refused.exit, refused.code.as_str()), (Exit::Store, "cluster_other"));
        }
        let refused = join(&store, None).await.expect_err("it is somebody's");
        assert_eq!((refused.exit, refused.code.as_str()), (Exit::Store, "cluster_other"));
        assert!(refused.message.contains("'eu'"), "{}", refused.message);
    }
}
