//! Whose webhook it is, and which keys it is judged by.

use connectors::provider::{Accepted, Incoming, Judgement, Keys};
use domain::ConnectionName;
use domain::request::Reason;

use crate::key_set::KeySet;
use crate::topology::Source;

/// The code of a request that is not signed by whom it says it is of.
const SIGNATURE_MISMATCH: &str = "signature_mismatch";

/// Whose events these are: as the path says, as the secret that verified says, or as the payload will say.
pub(super) enum Account {
    Named(ConnectionName),
    Unnamed,
}

impl Account {
    /// `None` when the path names a connection that the source does not have.
    pub fn of(source: &Source, path: &str) -> Option<Self> {
        if path.is_empty() {
            return Some(Self::Unnamed);
        }
        let name: ConnectionName = path.parse().ok()?;
        let known = source.spec.connections.contains_key(&name) || name == ConnectionName::default_connection();
        known.then_some(Self::Named(name))
    }

    pub fn connection(&self, source: &Source, told: Option<&str>) -> ConnectionName {
        match (self, told) {
            (Self::Named(name), _) => name.clone(),
            (Self::Unnamed, Some(told)) if !source.spec.connections.is_empty() => {
                let known = source.spec.connections.get_key_value(told).map(|(name, _)| name.clone());
                known.unwrap_or_else(ConnectionName::unassigned)
            }
            (Self::Unnamed, _) => ConnectionName::default_connection(),
        }
    }
}

/// Judges by the keys that belong to the account; where the path names none, by the source's own and then by those
/// of the connections that it may be of. The source's own count for no account that has others. Gives the connection
/// whose secret verified.
pub(super) fn judge_by_account(
    set: &KeySet,
    account: &Account,
    incoming: &Incoming<'_>,
    judge: impl Fn(&Keys) -> Judgement,
) -> (Judgement, Option<ConnectionName>) {
    let own = match account {
        Account::Named(name) => set.of(name).or(set.keys.as_ref()),
        Account::Unnamed => set.keys.as_ref(),
    };
    let mut judgement = own.map(&judge);
    let is_unnamed = matches!(account, Account::Unnamed);
    if let Some(Judgement::Accepted(accepted)) = judgement.as_ref().filter(|_| is_unnamed)
        && let Some(theirs) = by_their_own(set, accepted, &judge)
    {
        return theirs;
    }
    if is_unnamed && !judgement.as_ref().is_some_and(is_final) {
        for (name, keys) in set.candidates(incoming) {
            match judge(keys) {
                proved if is_final(&proved) => return (proved, Some(name.clone())),
                // The account whose key is not at hand may be the right one, whatever the others say.
                waiting @ Judgement::Pending(_) => judgement = Some(waiting),
                other => judgement = judgement.or(Some(other)),
            }
        }
    }
    let no_keys = || {
        let detail = "neither the source nor this connection has a secret to verify with".to_owned();
        Judgement::Rejected(Reason { code: "secret_missing".into(), detail })
    };
    (judgement.unwrap_or_else(no_keys), None)
}

/// The judgement of a request that the source's own keys passed, where it says that its events are of an account that
/// has keys of its own: only those count for it. `None` where it is of no such account.
fn by_their_own(
    set: &KeySet,
    accepted: &Accepted,
    judge: &impl Fn(&Keys) -> Judgement,
) -> Option<(Judgement, Option<ConnectionName>)> {
    let told = || accepted.events.iter().map(|event| event.connection.as_deref());
    let (name, keys) = told().flatten().find_map(|told| set.told(told))?;
    if told().any(|told| told != Some(name.as_str())) {
        // Each of them by its own keys, and the rest by the source's, which it passed.
        if told().flatten().filter_map(|told| set.told(told)).all(|(_, keys)| is_final(&judge(keys))) {
            return None;
        }
        let detail = format!("the source's own secret does not speak for '{name}', which has one of its own");
        return Some((Judgement::Rejected(Reason { code: SIGNATURE_MISMATCH.into(), detail }), None));
    }
    let judgement = judge(keys);
    let proved = is_final(&judgement).then(|| name.clone());
    Some((judgement, proved))
}

/// No other key would make more of it.
fn is_final(judgement: &Judgement) -> bool {
    matches!(judgement, Judgement::Accepted(_) | Judgement::Handshake(_) | Judgement::Asks(..))
}

#[cfg(test)]
mod tests;
