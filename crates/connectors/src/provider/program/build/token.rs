//! The parts of a program that tokens and published keys need.

use super::{Builder, Built, claim};
use crate::provider::anchor::{Anchor, HostPattern, PathPattern};
use crate::provider::key_api::KeyApi;
use crate::provider::program::assurance::{binds_body, token_proves};
use crate::provider::program::{Bind, Check, Fetch, Issued, Jws, Purpose};
use crate::provider::spec::{ClaimBindSpec, ClaimSpec, Extract, FetchedSpec, JwsSpec};
use crate::provider::yaml::At;

impl Builder<'_> {
    pub(super) fn fetched(&mut self, spec: Option<&At<FetchedSpec>>) -> Built<Option<Fetch>> {
        let Some(FetchedSpec { url, hosts, path, format, kid, certified, key_api }) = spec.map(|spec| &spec.value)
        else {
            return Ok(None);
        };
        // What lint let through parses; a pattern that does not matches nothing.
        let patterns = |texts: &[String]| texts.iter().filter_map(|text| HostPattern::parse(text)).collect();
        let path = path.as_deref().map(|path| PathPattern::parse(path).unwrap_or_default());
        Ok(Some(Fetch {
            url: self.checked_field(url)?,
            anchor: Anchor { hosts: patterns(hosts), path },
            format: *format,
            kid: kid.as_ref().map(|kid| self.checked_field(kid)).transpose()?,
            certified: patterns(certified),
            key_api: key_api
                .as_ref()
                .map(|spec| KeyApi::new(spec, *format, self.slot(spec.credentials, Purpose::Credentials))),
        }))
    }

    pub(super) fn token_check(&mut self, spec: &JwsSpec) -> Built<Check> {
        let from = self.checked_field(&spec.from)?;
        let algorithms =
            spec.algorithms.iter().map(|algorithm| (*algorithm, self.slot_of(spec.key, algorithm.purpose()))).collect();
        let detached = if spec.detached.is_empty() { None } else { Some(self.checked_fields(&spec.detached)?) };
        let claims = spec.claims.iter().map(|claim| {
            let ClaimSpec { claim, equals } = &claim.value;
            Ok((claim.as_str().into(), self.checked_field(equals)?))
        });
        let claims = claims.collect::<Built<_>>()?;
        let issuers = spec.issuer.iter().map(|issuer| Ok(self.required(issuer)?.into())).collect::<Built<_>>()?;
        let jws = Check::Jws(Box::new(Jws {
            assurance: token_proves(&from, detached.as_deref()),
            fetched: self.fetched(spec.fetched.as_ref())?,
            audiences: self.checked_fields(&spec.audience)?,
            issued: spec.issued.as_ref().map(|issued| Issued { past: issued.past.0, future: issued.future.0 }),
            no_expiry: spec.no_expiry.is_some(),
            from,
            algorithms,
            detached,
            issuers,
            claims,
        }));
        let Some(bind) = &spec.bind else { return Ok(jws) };
        let checks = vec![jws, Check::Bind(self.claim_bind(&spec.from, bind)?)];
        Ok(Check::AllOf { binds_body: binds_body(&checks), checks })
    }

    fn claim_bind(&mut self, token: &Extract, bind: &ClaimBindSpec) -> Built<Bind> {
        let value = claim(self.checked_field(token)?, &bind.claim);
        Ok(Bind { value, hash: bind.hash, encoding: bind.encoding, of: self.checked_fields(&bind.of)? })
    }
}
