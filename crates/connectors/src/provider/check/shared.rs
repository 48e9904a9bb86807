//! What is compared as it is: tokens, HTTP Basic, digests beside a signature, addresses and client certificates.

use data_encoding::BASE64;
use domain::Assurance;
use ipnet::IpNet;
use subtle::ConstantTimeEq;

use super::matching::{Match, Selected};
use super::{Evaluation, Pass, no_secret};
use crate::provider::digest::{self, SIGNATURE_BYTES_MAX};
use crate::provider::field::Field;
use crate::provider::json;
use crate::provider::program::{Bind, Each};
use crate::provider::refusal::{Code, Refusal};
use crate::provider::spec::Hash;

impl Evaluation<'_, '_> {
    pub(super) fn token(&self, slot: usize, from: &Field, select_by: Option<&Field>) -> Result<Pass, Refusal> {
        if !self.keys.has(slot) {
            return Err(no_secret());
        }
        let selected = self.selection(select_by)?;
        match self.view.read(from, None)? {
            Some(token) if !token.is_empty() => self.shared(slot, &token, selected.as_deref()),
            _ => Err(Refusal::new(Code::SignatureMissing, "the request carries no token where this sender puts it")),
        }
    }

    /// The items of one request may belong to several senders: one that carries no right token spoils them all.
    pub(super) fn token_in_each(
        &self,
        slot: usize,
        from: &Field,
        select_by: Option<&Field>,
        each: &Each,
    ) -> Result<Pass, Refusal> {
        let missing = || Refusal::new(Code::SignatureMissing, "an event of the request carries no token");
        let items = json::split(self.view.body, &each.array).unwrap_or_default();
        let mut first = None;
        for (position, item) in items.into_iter().enumerate() {
            let view = self.view.item(&self.view.body[item], &each.item, position);
            let pass = Evaluation { view: &view, ..*self }.token(slot, from, select_by)?;
            first.get_or_insert(pass);
        }
        first.ok_or_else(missing)
    }

    pub(super) fn basic(&self, slot: usize) -> Result<Pass, Refusal> {
        let missing = || Refusal::new(Code::SignatureMissing, "the request carries no HTTP Basic credentials");
        let header = self.view.incoming.header("authorization")?.ok_or_else(missing)?;
        let (scheme, credentials) = header.split_at_checked("Basic ".len()).ok_or_else(missing)?;
        if !scheme.eq_ignore_ascii_case(b"Basic ") {
            return Err(missing());
        }
        let credentials = BASE64.decode(credentials.trim_ascii());
        let credentials = credentials
            .map_err(|_| Refusal::new(Code::SignatureMalformed, "the HTTP Basic credentials are not base64"))?;
        self.shared(slot, &credentials, None)
    }

    fn shared(&self, slot: usize, given: &[u8], selected: Selected<'_>) -> Result<Pass, Refusal> {
        let secret = self.equal_secret(slot, given, selected)?;
        Ok(Pass { assurance: Assurance::Shared, secret: Some(secret) })
    }

    /// Digests of equal length are compared, so that not even the secret's length shows in the time taken.
    pub(super) fn equal_secret(&self, slot: usize, given: &[u8], selected: Selected<'_>) -> Result<usize, Refusal> {
        let given = Hash::Sha256.of(&[given]);
        let mut matched = Match::default();
        for (index, secret) in self.keys.compared(slot) {
            if self.is_chosen(*index, selected) {
                let equal = Hash::Sha256.of(&[secret]).as_ref().ct_eq(given.as_ref());
                matched.note(equal, *index, self.is_in_force(*index));
            }
        }
        matched.secret("the token is not one of the configured secrets")
    }

    /// Where the request came from. Beside a signature it narrows; alone it proves no more than a shared secret does.
    pub(super) fn address(&self, allowed: &[IpNet]) -> Result<Pass, Refusal> {
        // An IPv4 address may come mapped into IPv6: it is the same address.
        let address = self.view.incoming.peer.address.map(|address| address.to_canonical());
        match address {
            Some(address) if allowed.iter().any(|net| net.contains(&address)) => {
                Ok(Pass { assurance: Assurance::Shared, secret: None })
            }
            _ => Err(Refusal::new(
                Code::AddressRefused,
                "the request came from an address that is not one of the sender's",
            )),
        }
    }

    /// What a trusted proxy says of the client's certificate. From anyone else the header is a claim of the client.
    pub(super) fn client_cert(&self, slot: usize, from: &Field) -> Result<Pass, Refusal> {
        if !self.view.incoming.peer.by_trusted_proxy {
            return Err(Refusal::new(Code::SignatureMissing, "no trusted proxy says which certificate the client has"));
        }
        let pass = self.token(slot, from, None)?;
        Ok(Pass { assurance: Assurance::Origin, ..pass })
    }

    pub(super) fn bind(&self, bind: &Bind) -> Result<Pass, Refusal> {
        let missing = || Refusal::new(Code::SignedFieldMissing, "the request does not say the digest of its body");
        let claimed = self.view.read(&bind.value, None)?.ok_or_else(missing)?;
        let mut parts = Vec::with_capacity(bind.of.len());
        for field in &bind.of {
            parts.push(self.view.read(field, None)?.ok_or_else(missing)?);
        }
        let actual = bind.hash.of(&parts.iter().map(AsRef::as_ref).collect::<Vec<_>>());
        let mut buffer = [0; SIGNATURE_BYTES_MAX];
        let claimed = digest::decode(&claimed, bind.encoding, &mut buffer);
        if claimed.is_some_and(|claimed| actual.as_ref().ct_eq(claimed).into()) {
            Ok(Pass { assurance: Assurance::None, secret: None })
        } else {
            Err(Refusal::new(Code::SignatureMismatch, "the body is not the one whose digest was signed"))
        }
    }
}
