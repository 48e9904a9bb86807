//! What a token's recipe must say, so that no token of anyone else passes.

use super::Lint;
use super::extract::Allowed;
use crate::provider::anchor::{HostPattern, PathPattern};
use crate::provider::fetched::KeyFormat;
use crate::provider::program::Purpose;
use crate::provider::secret::Role;
use crate::provider::spec::{AskedSpec, CheckSpec, FetchedSpec, JwsAlgorithm, JwsSpec, KeyApiSpec};
use crate::provider::yaml::{At, place};

impl<'a> Lint<'a> {
    pub(super) fn token(&mut self, check: &'a At<CheckSpec>, spec: &'a JwsSpec) {
        let at = place(&check.referenced, 0);
        self.key_source(check, spec.key, spec.fetched.as_ref());
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
        if spec.fetched.is_some() && spec.detached.is_empty() && spec.audience.is_empty() && spec.bind.is_none() {
            self.say(
                check,
                "published keys sign for all of the sender's customers: name the 'audience', or 'bind' the body",
            );
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

    /// Keys are configured or fetched. What is fetched is pinned to hosts, and a published key signs for everyone.
    pub(super) fn key_source(
        &mut self,
        check: &'a At<CheckSpec>,
        key: Option<Role>,
        fetched: Option<&'a At<FetchedSpec>>,
    ) {
        match (key, fetched) {
            (Some(role), None) => self.role(check, role),
            (None, Some(fetched)) => self.fetched(fetched),
            // Who gives no credentials gives the keys themselves.
            (Some(role), Some(fetched)) if fetched.value.key_api.is_some() => {
                self.role(check, role);
                self.fetched(fetched);
            }
            _ => self.say(
                check,
                "say with 'key' which configured key verifies, or with 'fetched' where keys are: one of them",
            ),
        }
    }

    fn fetched(&mut self, fetched: &'a At<FetchedSpec>) {
        let (at, spec) = (place(&fetched.referenced, 0), &fetched.value);
        self.extract(at, &spec.url, Allowed { sig: true, ..Allowed::default() });
        if let Some(kid) = &spec.kid {
            self.extract(at, kid, Allowed { sig: true, ..Allowed::default() });
        }
        if spec.hosts.is_empty() {
            self.say(fetched, "name the hosts that keys may come from: what a request says is not enough");
        }
        for host in spec.hosts.iter().chain(&spec.certified).filter(|host| HostPattern::parse(host).is_none()) {
            self.say(
                fetched,
                format!(
                    "'{host}' is no whole host name: two fixed labels at its end, '{{label}}' or '{{region}}' before them"
                ),
            );
        }
        if let Some(path) = spec.path.as_ref().filter(|path| PathPattern::parse(path).is_none()) {
            self.say(
                fetched,
                format!("'{path}' is no path: it starts with '/', and '{{word}}' stands for what varies"),
            );
        }
        if !spec.certified.is_empty() && spec.format != KeyFormat::Certificate {
            self.say(fetched, "'certified' is for certificates");
        }
        if let Some(api) = &spec.key_api {
            self.key_api(fetched, api);
        }
    }

    /// Credentials go where the recipe says in so many words, and nowhere that a request can choose.
    fn key_api(&mut self, fetched: &'a At<FetchedSpec>, api: &'a KeyApiSpec) {
        self.role(fetched, api.credentials);
        if fetched.value.hosts.iter().any(|host| host.contains('{')) {
            self.say(fetched, "credentials are sent to 'hosts': write each of them out");
        }
        if fetched.value.path.is_none() {
            self.say(fetched, "credentials are sent to the address: say its whole 'path'");
        }
        if fetched.value.format == KeyFormat::Certificate {
            self.say(fetched, "'key_api' gives keys as 'jwks' or 'pem'");
        }
        if !api.post.is_empty() && api.post.values().all(|asked| *asked != AskedSpec::Kid) {
            self.say(fetched, "'post' lacks the name of the key: give one member the value 'kid'");
        }
        if api.token.as_ref().is_some_and(|token| PathPattern::parse(&token.path).is_none_or(|path| path.varies())) {
            self.say(fetched, "'token' has the fixed path of an address: it starts with '/'");
        }
        if api.absent.at.is_some() != api.absent.equals.is_some() {
            self.say(fetched, "'absent' has 'at' and 'equals', or neither of them");
        }
        let pointers = [Some(&api.at), api.expires.as_ref(), api.absent.at.as_ref()];
        for pointer in pointers.into_iter().flatten() {
            self.pointer(place(&fetched.referenced, 0), pointer);
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
        if is_mac != spec.key.is_some_and(|role| role != Role::Public) {
            self.say(check, "HS algorithms take a shared secret, the others a key of the role 'public'");
        }
    }
}
