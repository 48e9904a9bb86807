//! What a handshake's effect must say, so that no stranger gets a secret in or an address opened.

use super::Lint;
use super::extract::Allowed;
use crate::provider::anchor::HostPattern;
use crate::provider::spec::{EffectSpec, HandshakeSpec};
use crate::provider::yaml::{At, place};

impl<'a> Lint<'a> {
    pub(super) fn effect(&mut self, handshake: &'a At<HandshakeSpec>) {
        let Some(effect) = &handshake.value.effect else { return };
        let at = place(&effect.referenced, 0);
        match &effect.value {
            EffectSpec::StoreSecret(spec) => {
                if handshake.value.verified {
                    self.say(effect, "'store_secret' comes before anything can be verified: leave 'verified' out");
                }
                self.role(effect, spec.role);
                self.extract(at, &spec.from, Allowed::default());
            }
            EffectSpec::ProposeUrl(spec) => {
                if !handshake.value.verified {
                    self.say(effect, "'propose_url' is for requests that pass 'verify': say 'verified: true'");
                }
                self.extract(at, &spec.from, Allowed::default());
                if spec.hosts.is_empty() {
                    self.say(effect, "name the hosts of which an address may be opened");
                }
                for host in spec.hosts.iter().filter(|host| HostPattern::parse(host).is_none()) {
                    self.say(effect, format!("'{host}' is no host with at least a fixed domain, as a.{{label}}.b.com"));
                }
            }
        }
    }
}
