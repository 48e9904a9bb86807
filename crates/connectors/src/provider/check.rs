//! Evaluates `verify` on a request. Fails closed; compares in constant time and without an early exit.

mod fetched;
mod matching;
mod shared;
mod signed;
mod token;

use std::cell::Cell;

use domain::{Assurance, Timestamp};

pub(crate) use self::signed::secret_digest;
use super::fetched::FetchedKeys;
use super::field::View;
use super::judge::Pending;
use super::keys::Keys;
use super::program::{self, Check, Test};
use super::refusal::{Code, Refusal};

/// What a passed check proves, and by which of the configured secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pass {
    pub assurance: Assurance,
    pub secret: Option<usize>,
}

/// Longest text that an open handshake makes a MAC of. Messages of this shape are refused where it exists.
pub(crate) const CHALLENGE_BYTES_MAX: usize = 128;

/// Whether a text looks like a challenge: short, letters, digits, `-` and `_` only. No JSON object or form does.
pub(crate) fn is_challenge(text: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    text.len() <= CHALLENGE_BYTES_MAX && text.iter().all(plain)
}

/// A request under judgement.
pub(crate) struct Evaluation<'a, 'v> {
    pub view: &'a View<'v>,
    pub keys: &'a Keys,
    pub received_at: Timestamp,
    pub fetched: &'a dyn FetchedKeys,
    /// The key that a check had to do without.
    pub awaited: &'a Cell<Option<Pending>>,
}

impl Evaluation<'_, '_> {
    pub fn check(&self, check: &Check) -> Result<Pass, Refusal> {
        match check {
            Check::None => Ok(Pass { assurance: Assurance::None, secret: None }),
            Check::Signed(signed) => self.signed(signed),
            Check::Token { slot, from, select_by, each: None } => self.token(*slot, from, select_by.as_ref()),
            Check::Token { slot, from, select_by, each: Some(each) } => {
                self.token_in_each(*slot, from, select_by.as_ref(), each)
            }
            Check::Basic { slot } => self.basic(*slot),
            Check::Bind(bind) => self.bind(bind),
            Check::Jws(jws) => self.jws(jws),
            Check::Address(allowed) => self.address(allowed),
            Check::ClientCert { slot, from } => self.client_cert(*slot, from),
            Check::AnyOf(checks) => self.any_of(checks),
            Check::AllOf { checks, binds_body } => self.all_of(checks, *binds_body),
            Check::OnlyIf { when, check } => {
                if self.holds(when)? {
                    self.check(check)
                } else {
                    Err(Refusal::new(
                        Code::SignatureMissing,
                        "the request has not the form that this sender's requests have",
                    ))
                }
            }
        }
    }

    /// The strongest branch that passes; if none does, the nearest miss. A branch that passes does not excuse a
    /// wrong signature of a stronger one: whoever sends both means both.
    fn any_of(&self, checks: &[Check]) -> Result<Pass, Refusal> {
        let mut best: Option<Pass> = None;
        let mut miss: Option<Refusal> = None;
        let mut wrong = Assurance::None;
        for check in checks {
            match self.check(check) {
                Ok(pass) if best.is_none_or(|best| pass.assurance > best.assurance) => best = Some(pass),
                Ok(_) => {}
                Err(refusal) if refusal.code.is_final() => return Err(refusal),
                Err(refusal) => {
                    if refusal.code != Code::SignatureMissing {
                        wrong = wrong.max(program::assurance(check));
                    }
                    if miss.as_ref().is_none_or(|miss| refusal.code.nearness() > miss.code.nearness()) {
                        miss = Some(refusal);
                    }
                }
            }
        }
        match (best, miss) {
            (Some(pass), Some(miss)) if wrong > pass.assurance => Err(miss),
            (Some(pass), _) => Ok(pass),
            (None, Some(miss)) => Err(miss),
            (None, None) => Err(Refusal::new(Code::SignatureMissing, "the recipe has no check that could pass")),
        }
    }

    /// As strong as the strongest that passed, by the way that it passed.
    fn all_of(&self, checks: &[Check], binds_body: bool) -> Result<Pass, Refusal> {
        let mut all = Pass { assurance: Assurance::None, secret: None };
        for check in checks {
            let pass = self.check(check)?;
            all = Pass { assurance: all.assurance.max(pass.assurance), secret: all.secret.or(pass.secret) };
        }
        Ok(if binds_body { Pass { assurance: Assurance::Body, ..all } } else { all })
    }

    /// Whether all tests hold.
    pub fn holds(&self, tests: &[Test]) -> Result<bool, Refusal> {
        for test in tests {
            let holds = match test {
                Test::Method(method) => self.view.incoming.method == &**method,
                Test::Present(field) => self.view.is_present(field)?,
                Test::Absent(field) => !self.view.is_present(field)?,
                Test::Equals(field, to) => self.view.read(field, None)?.is_some_and(|value| *value == **to),
                Test::EqualsSecret(field, slot) => {
                    let value = self.view.read(field, None)?.filter(|value| !value.is_empty());
                    value.is_some_and(|value| self.equal_secret(*slot, &value, None).is_ok())
                }
            };
            if !holds {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn no_secret() -> Refusal {
    Refusal::new(Code::SignatureMissing, "no secret is configured for this way of signing")
}
