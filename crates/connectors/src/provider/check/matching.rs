//! Collects comparisons with several secrets without branching on any of them.

use subtle::{Choice, ConditionallySelectable};

use super::Evaluation;
use crate::provider::field::Field;
use crate::provider::refusal::{Code, Refusal};

/// Which secret was right, of those in force and of those whose window does not include the request.
#[derive(Default)]
pub(super) struct Match {
    in_force: Found,
    lapsed: Found,
}

#[derive(Default)]
struct Found {
    any: u8,
    secret: u32,
}

impl Found {
    fn note(&mut self, equal: Choice, secret: usize) {
        self.any |= equal.unwrap_u8();
        // At most SECRETS_TOGETHER_MAX secrets exist, so the index fits.
        self.secret.conditional_assign(&(secret as u32), equal);
    }
}

impl Match {
    pub fn note(&mut self, equal: Choice, secret: usize, in_force: bool) {
        // Windows are no secret: they may be branched on.
        if in_force { self.in_force.note(equal, secret) } else { self.lapsed.note(equal, secret) }
    }

    /// The secret that was right, or why none was.
    pub fn secret(&self, mismatch: &'static str) -> Result<usize, Refusal> {
        match (self.in_force.any, self.lapsed.any) {
            (1, _) => Ok(self.in_force.secret as usize),
            (_, 1) => Err(Refusal::new(
                Code::SecretLapsed,
                "the secret that makes this signature is outside of its window (not_before, not_after)",
            )),
            _ => Err(Refusal::new(Code::SignatureMismatch, mismatch)),
        }
    }
}

/// The name by which a request chooses among the secrets, if its recipe lets it.
pub(super) type Selected<'s> = Option<&'s [u8]>;

impl Evaluation<'_, '_> {
    /// Whether a secret is one of those that the request chose; a secret without a name is always among them.
    pub(super) fn is_chosen(&self, secret: usize, selected: Selected<'_>) -> bool {
        match (selected, self.keys.name(secret)) {
            (Some(selected), Some(name)) => name.as_bytes() == selected,
            _ => true,
        }
    }

    pub(super) fn is_in_force(&self, secret: usize) -> bool {
        self.keys.window(secret).includes(self.received_at)
    }

    /// The name that stands where the recipe says; one that is absent chooses only secrets without a name.
    pub(crate) fn selection<'v>(
        &'v self,
        select_by: Option<&'v Field>,
    ) -> Result<Option<std::borrow::Cow<'v, [u8]>>, Refusal> {
        match select_by {
            None => Ok(None),
            Some(field) => Ok(Some(self.view.read(field, None)?.unwrap_or_default())),
        }
    }
}
