//! What a token's recipe must say, so that no token of anyone else passes.

use super::Lint;
use super::extract::Allowed;
use crate::provider::program::Purpose;
use crate::provider::secret::Role;
use crate::provider::spec::{CheckSpec, JwsAlgorithm, JwsSpec};
use crate::provider::yaml::{At, place};

impl<'a> Lint<'a> {
    pub(super) fn token(&mut self, check: &'a At<CheckSpec>, spec: &'a JwsSpec) {
        let at = place(&check.referenced, 0);
        self.role(check, spec.key);
        self.family(check, spec);
        self.extract(at, &spec.from, Allowed::default());
        if !spec.detached.is_empty() {
            self.parts(check, &spec.detached, Allowed::default());
        }
        spec.issuer.iter().for_each(|issuer| self.setting(at, issuer));
        for audience in &spec.audience {
            self.extract(place(&audience.referenced, 0), &audience.value, Allowed::default());
        }
        for claim in &spec.claims {
            self.pointer(place(&claim.referenced, 0), &claim.value.claim);
            self.extract(place(&claim.referenced, 0), &claim.value.equals, Allowed::default());
        }
        if let Some(bind) = &spec.bind {
            self.pointer(at, &bind.claim);
            self.parts(check, &bind.of, Allowed::default());
        }
        if spec.no_expiry.as_deref().is_some_and(|reason| reason.trim().is_empty()) {
            self.say(check, "'no_expiry' says why the sender's tokens never expire");
        }
        if !spec.detached.is_empty() && spec.no_expiry.is_none() {
            self.say(check, "a detached token has no claims: say with 'no_expiry' what keeps it from being sent again");
        }
    }

    /// A public key must never be taken as the key of a MAC, whatever a token says.
    fn family(&mut self, check: &'a At<CheckSpec>, spec: &JwsSpec) {
        let family = |algorithm: &JwsAlgorithm| algorithm.as_str().get(..2).unwrap_or_default().to_owned();
        let Some(first) = spec.algorithms.first() else {
            return self.say(check, "name at least one algorithm: the token's own word is never taken");
        };
        if spec.algorithms.iter().any(|algorithm| family(algorithm) != family(first)) {
            self.say(check, "the algorithms are of different families: make one check of each, under 'any_of'");
        }
        let is_mac = matches!(first.purpose(), Purpose::Mac(_));
        if is_mac == (spec.key == Role::Public) {
            self.say(check, "HS algorithms take a shared secret, the others a key of the role 'public'");
        }
    }
}
