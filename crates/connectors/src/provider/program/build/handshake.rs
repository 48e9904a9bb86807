//! Handshakes with their places settled: when, what is answered, and what they do beside it.

use super::{Builder, Built};
use crate::provider::anchor::{Anchor, HostPattern};
use crate::provider::effect::EffectProgram;
use crate::provider::program::Handshake;
use crate::provider::secret::Role;
use crate::provider::spec::{BodySpec, EffectSpec, HandshakeSpec, PieceSpec};

impl Builder<'_> {
    pub(super) fn handshake(&mut self, spec: &HandshakeSpec) -> Built<Handshake> {
        let effect = spec.effect.as_ref().map(|effect| self.effect(&effect.value)).transpose()?;
        let (when, respond) = (self.tests(&spec.when)?, self.respond(&spec.respond)?);
        Ok(Handshake { when, verified: spec.verified, effect, respond })
    }

    /// Whether some handshake answers strangers with a MAC made by this role's key.
    pub(super) fn has_open_mac_handshake(&self, role: Role) -> bool {
        let uses = |piece: &PieceSpec| matches!(piece, PieceSpec::Hmac { key, .. } if *key == role);
        self.spec.handshakes.iter().map(|handshake| &handshake.value).filter(|handshake| !handshake.verified).any(
            |handshake| match &handshake.respond.body {
                BodySpec::Empty => handshake.respond.headers.values().any(uses),
                BodySpec::Text(pieces) => pieces.iter().chain(handshake.respond.headers.values()).any(uses),
                BodySpec::Json(members) => {
                    members.values().flatten().chain(handshake.respond.headers.values()).any(uses)
                }
            },
        )
    }

    fn effect(&mut self, spec: &EffectSpec) -> Built<EffectProgram> {
        Ok(match spec {
            EffectSpec::StoreSecret(spec) => {
                let from = self.request_field(&spec.from)?;
                EffectProgram::StoreSecret { role: spec.role, from, hand_back: spec.hand_back }
            }
            EffectSpec::ProposeUrl(spec) => {
                let hosts = spec.hosts.iter().filter_map(|host| HostPattern::parse(host)).collect();
                let anchor = Anchor { hosts, path: None };
                EffectProgram::ProposeUrl { from: self.request_field(&spec.from)?, anchor }
            }
        })
    }
}
