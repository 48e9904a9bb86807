//! Which of many keys a request can be for, told from the request before any of them is tried. Believes nothing: the
//! keys that are found still have to verify it.

use std::cell::Cell;

use domain::Timestamp;

use super::check::Evaluation;
use super::event;
use super::fetched::NothingFetched;
use super::field::{Field, View};
use super::incoming::Incoming;
use super::inflate;
use super::keys::Keys;
use super::program::Check;

impl Keys {
    /// The names of which a request has to say one to pass by these keys; `None` if one that says no name, or another,
    /// may pass as well.
    #[must_use]
    pub fn names(&self) -> Option<Vec<&str>> {
        let (slot, _) = self.selector()?;
        let names: Vec<&str> = self.places(slot).map(|secret| self.name(secret)).collect::<Option<_>>()?;
        (!names.is_empty()).then_some(names)
    }

    /// The name of the key that a request says it is signed by, where its sender's requests say one. Empty if this one
    /// says none that can be read.
    #[must_use]
    pub fn name_said_by(&self, incoming: &Incoming<'_>) -> Option<Vec<u8>> {
        let (_, field) = self.selector()?;
        let view = View::new(incoming, incoming.body, &self.program.pointers);
        let (received_at, awaited) = (Timestamp::EPOCH, Cell::new(None));
        let evaluation =
            Evaluation { view: &view, keys: self, received_at, fetched: &NothingFetched, awaited: &awaited };
        let said = evaluation.selection(Some(field)).ok().flatten();
        Some(said.map(std::borrow::Cow::into_owned).unwrap_or_default())
    }

    /// The sender's name of the account that a request says it is of; `None` if it says none, or may be of several.
    #[must_use]
    pub fn account_said_by(&self, incoming: &Incoming<'_>) -> Option<String> {
        if inflate::is_encoded(incoming).unwrap_or(true) {
            return None;
        }
        event::account(&self.program.event, incoming)
    }

    /// The field by which requests choose among these keys, and the place of the keys, if nothing passes without them.
    fn selector(&self) -> Option<(usize, &Field)> {
        // An open handshake is answered whatever key a request names.
        let answers_anyone = self.program.handshakes.iter().any(|handshake| !handshake.verified);
        if answers_anyone { None } else { selector(&self.program.check) }
    }
}

fn selector(check: &Check) -> Option<(usize, &Field)> {
    match check {
        Check::Signed(signed) if signed.fetched.is_none() => Some((signed.slot, signed.select_by.as_ref()?)),
        Check::Token { slot, select_by: Some(field), each: None, .. } => Some((*slot, field)),
        // All of them have to pass, so one that cannot is enough.
        Check::AllOf { checks, .. } => checks.iter().find_map(selector),
        Check::OnlyIf { check, .. } => selector(check),
        Check::None
        | Check::Signed(_)
        | Check::Token { .. }
        | Check::Basic { .. }
        | Check::Bind(_)
        | Check::Jws(_)
        | Check::Address(_)
        | Check::ClientCert { .. }
        | Check::AnyOf(_) => None,
    }
}
