//! Settings that all nodes change: each change is decided on what the store has then, and kept only if that is so still.
//! What a node remembers of a setting is never written back.

use std::sync::Arc;

use bytes::Bytes;
use store::{Store, StoreError};

/// How often a change is decided on anew. Each time another node's change was kept, so only a crowd comes this far.
const TRIES_MAX: u32 = 64;

/// Changes a setting. `decide` says what it is to be (`None`: it may stay as it is) and what to answer; it is asked
/// again for each state that it turns out to be in.
pub(crate) async fn change<T, E: From<StoreError>>(
    store: &dyn Store,
    name: Arc<str>,
    decide: impl Fn(Option<&Bytes>) -> Result<(Option<Bytes>, T), E>,
) -> Result<T, E> {
    for _ in 0..TRIES_MAX {
        let before = store.setting(Arc::clone(&name)).await?;
        let (after, answer) = decide(before.as_ref())?;
        let Some(after) = after else { return Ok(answer) };
        if store.exchange_setting(Arc::clone(&name), before, after).await? {
            return Ok(answer);
        }
    }
    let detail = format!("others changed the setting {name} {TRIES_MAX} times while it was to be changed; try again");
    Err(StoreError::Conflict(detail).into())
}
