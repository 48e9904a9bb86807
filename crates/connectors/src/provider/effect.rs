//! What a handshake asks for beside an answer. Decides nothing: whether it is granted depends on a person.

use std::fmt;

use zeroize::Zeroizing;

use super::anchor::Anchor;
use super::check::Evaluation;
use super::field::Field;
use super::refusal::{Code, Refusal};
use super::secret::Role;

/// Shortest secret that a sender may hand over: a shorter one could be guessed.
pub const OFFERED_SECRET_BYTES_MIN: usize = 16;
/// Longest one; senders' have a tenth of it.
pub const OFFERED_SECRET_BYTES_MAX: usize = 1024;

/// What is to be done if a person agreed to it, or agrees later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Keep the secret by which this sender signs from now on.
    StoreSecret(OfferedSecret),
    /// Open this address. Its host is one that the recipe names.
    ProposeUrl(String),
}

/// A secret as a request brought it. Wiped when dropped, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct OfferedSecret {
    pub role: Role,
    pub value: Zeroizing<String>,
    /// The sender wants to hear it back from a person.
    pub hand_back: bool,
}

impl fmt::Debug for OfferedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OfferedSecret").field("role", &self.role).finish_non_exhaustive()
    }
}

/// The same as a program says it.
#[derive(Debug)]
pub(crate) enum EffectProgram {
    StoreSecret { role: Role, from: Field, hand_back: bool },
    ProposeUrl { from: Field, anchor: Anchor },
}

impl Evaluation<'_, '_> {
    pub(crate) fn effect(&self, effect: &EffectProgram) -> Result<Effect, Refusal> {
        match effect {
            EffectProgram::StoreSecret { role, from, hand_back } => {
                let value = Zeroizing::new(self.text(from)?);
                let fits = (OFFERED_SECRET_BYTES_MIN..=OFFERED_SECRET_BYTES_MAX).contains(&value.len());
                if !fits || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
                    return Err(refused(
                        "what the request offers as a secret is too short, too long or not plain text",
                    ));
                }
                Ok(Effect::StoreSecret(OfferedSecret { role: *role, value, hand_back: *hand_back }))
            }
            EffectProgram::ProposeUrl { from, anchor } => {
                let url = self.text(from)?;
                if !anchor.allows(&url) {
                    return Err(refused("the request asks for an address to be opened that is not the sender's"));
                }
                Ok(Effect::ProposeUrl(url))
            }
        }
    }

    fn text(&self, from: &Field) -> Result<String, Refusal> {
        Ok(self.view.text(from)?.unwrap_or_default().into_owned())
    }
}

fn refused(detail: &'static str) -> Refusal {
    Refusal::new(Code::ChallengeRefused, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let value = Zeroizing::new("hunter2hunter2hunter2".to_owned());
        let shown = format!("{:?}", Effect::StoreSecret(OfferedSecret { role: Role::Signing, value, hand_back: true }));
        assert!(shown.contains("Signing") && !shown.contains("hunter2"), "{shown}");
    }
}
