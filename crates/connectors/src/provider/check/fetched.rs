//! The published keys by which a request may be signed: only of pinned hosts, in force when it arrived, and certified.

use super::{Evaluation, no_secret};
use crate::provider::fetched::FetchedKey;
use crate::provider::judge::Pending;
use crate::provider::key_api::{KeyApi, KeyRequest};
use crate::provider::program::Fetch;
use crate::provider::public_key::PublicKey;
use crate::provider::refusal::{Code, Refusal};
use crate::provider::spec::Algorithm;

/// Longest name of a key.
const KID_BYTES_MAX: usize = 256;

impl Evaluation<'_, '_> {
    /// The keys at an address that count for this request. Where they are not at hand, the request waits for them.
    pub(super) fn fetched_keys(
        &self,
        fetch: &Fetch,
        url: Option<&[u8]>,
        kid: Option<&[u8]>,
    ) -> Result<Vec<FetchedKey>, Refusal> {
        let url = url.and_then(|url| std::str::from_utf8(url).ok()).filter(|url| fetch.anchor.allows(url));
        let url = url
            .ok_or_else(|| Refusal::new(Code::KeyUrlRefused, "the request names a key where this sender keeps none"))?;
        let kid = match kid.map(std::str::from_utf8) {
            None => None,
            Some(Ok(kid)) if !kid.is_empty() && kid.len() <= KID_BYTES_MAX => Some(kid),
            Some(_) => return Err(Refusal::new(Code::SignatureMalformed, "the name of the key is not readable")),
        };
        let request = fetch.key_api.as_ref().map(|api| self.asked(api, url, kid)).transpose()?.map(Box::new);
        let wanted = Pending { key_url: url.to_owned(), format: fetch.format, request };
        // An API was asked for this very key, so that its answer holds that one or none.
        let among = if wanted.request.is_some() { None } else { kid };
        let Some(document) = self.fetched.document(&wanted.address(), among) else {
            self.awaited.set(Some(wanted));
            return Err(Refusal::new(Code::KeyAwaited, "the key has to be fetched first"));
        };
        let counts = |key: &&FetchedKey| {
            let named = kid.is_none_or(|kid| key.kid.as_deref() == Some(kid));
            let certified = fetch.certified.is_empty()
                || key.names.iter().any(|name| fetch.certified.iter().any(|own| own.matches(name)));
            named && certified && key.window.includes(self.received_at)
        };
        let keys: Vec<FetchedKey> = document.keys.iter().filter(counts).cloned().collect();
        if keys.is_empty() {
            return Err(Refusal::new(
                Code::KeyUnknown,
                "the sender publishes no key of this name that was in force, or its certificate names somebody else",
            ));
        }
        Ok(keys)
    }

    /// What to ask an API for, by the first of the source's credentials that are in force.
    fn asked(&self, api: &KeyApi, url: &str, kid: Option<&str>) -> Result<KeyRequest, Refusal> {
        let in_force = self.keys.compared(api.slot).iter().find(|(secret, _)| self.is_in_force(*secret));
        let (_, credentials) = in_force.ok_or_else(no_secret)?;
        let kid = kid.ok_or_else(|| {
            Refusal::new(Code::SignatureMalformed, "the request does not say by which key it is signed")
        })?;
        api.ask(url, kid, credentials).ok_or_else(no_secret)
    }
}

/// Whether one of the keys verifies; those of other kinds do not.
pub(super) fn verifies(keys: &[FetchedKey], algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
    keys.iter().any(|key| PublicKey::of(algorithm, &key.bytes).is_ok_and(|key| key.verifies(message, signature)))
}
