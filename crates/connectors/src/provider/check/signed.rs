//! A signature over a message: takes both from the request and compares with what each secret makes.

use std::borrow::Cow;

use subtle::ConstantTimeEq;

use super::fetched::verifies;
use super::matching::{Match, Selected};
use super::{CHALLENGE_BYTES_MAX, Evaluation, Pass, is_challenge, no_secret};
use crate::provider::digest::{self, SIGNATURE_BYTES_MAX};
use crate::provider::fetched::FetchedKey;
use crate::provider::field::Field;
use crate::provider::moment;
use crate::provider::program::{Proof, Signed};
use crate::provider::refusal::{Code, Refusal};
use crate::provider::signature::Header;
use crate::provider::spec::{Algorithm, Hash};

impl Evaluation<'_, '_> {
    pub(super) fn signed(&self, signed: &Signed) -> Result<Pass, Refusal> {
        if signed.fetched.is_none() && !self.keys.has(signed.slot) {
            return Err(no_secret());
        }
        let text = signed.signature.read(self.view)?;
        let header = signed.signature.header(&text)?;
        let time = self.time(signed, &header)?;
        let message = self.message(signed, &header)?;
        let selected = self.selection(signed.select_by.as_ref())?;
        let secret = match (&signed.fetched, signed.proof) {
            (Some(fetch), Proof::PublicKey(algorithm)) => {
                let url = self.view.read(&fetch.url, Some(&header))?;
                let kid = match &fetch.kid {
                    Some(kid) => Some(self.view.read(kid, Some(&header))?.ok_or_else(no_key_name)?),
                    None => None,
                };
                let keys = self.fetched_keys(fetch, url.as_deref(), kid.as_deref())?;
                self.verified_by(&keys, algorithm, signed, &header, &message)?;
                None
            }
            _ => Some(self.matching(signed, &header, &message, selected.as_deref())?),
        };
        // Only now: a forged request learns nothing about the clock.
        if let Some(spec) = &signed.time {
            moment::judge(time.as_deref(), spec, self.received_at)?;
        }
        Ok(Pass { assurance: signed.assurance, secret })
    }

    /// The timestamp's text; missing is told before the signature is, because the message lacks it too.
    fn time<'v>(&'v self, signed: &'v Signed, header: &'v Header<'_>) -> Result<Option<Cow<'v, [u8]>>, Refusal> {
        let Some(spec) = &signed.time else { return Ok(None) };
        let text = self.view.read(&spec.from, Some(header))?.filter(|text| !text.is_empty());
        if text.is_none() && !spec.advisory {
            return Err(Refusal::new(
                Code::TimestampMissing,
                "the request carries no timestamp where this sender puts it",
            ));
        }
        Ok(text)
    }

    fn message<'v>(&'v self, signed: &'v Signed, header: &'v Header<'_>) -> Result<Vec<Cow<'v, [u8]>>, Refusal> {
        let mut parts = Vec::with_capacity(signed.message.len());
        for field in &signed.message {
            match self.view.read(field, Some(header))? {
                // What a sender signs says something; its own library refuses an empty body too.
                Some(part) if part.is_empty() && matches!(field, Field::Body) => {
                    return Err(Refusal::new(
                        Code::SignedFieldMissing,
                        "the request has no body, which is what is signed",
                    ));
                }
                Some(part) => parts.push(part),
                None if matches!(field, Field::Maybe(_) | Field::Segment(_)) => {}
                None => {
                    return Err(Refusal::new(
                        Code::SignedFieldMissing,
                        "a part of what is signed is missing from the request",
                    ));
                }
            }
        }
        let length: usize = parts.iter().map(|part| part.len()).sum();
        if signed.refuses_challenges && length <= CHALLENGE_BYTES_MAX && is_challenge(&parts.concat()) {
            return Err(Refusal::new(Code::ChallengeRefused, "the message has the form of a handshake's challenge"));
        }
        Ok(parts)
    }

    /// The place of the secret by which one of the candidates is right.
    fn matching(
        &self,
        signed: &Signed,
        header: &Header<'_>,
        message: &[Cow<'_, [u8]>],
        selected: Selected<'_>,
    ) -> Result<usize, Refusal> {
        let candidates = header.candidates()?;
        let encoding = signed.signature.encoding;
        let expected = self.expected(signed, message, selected);
        let mut buffer = [0; SIGNATURE_BYTES_MAX];
        let mut readable = false;
        let mut matched = Match::default();
        for candidate in candidates {
            let Some(decoded) = digest::decode(candidate, encoding, &mut buffer) else { continue };
            readable = true;
            self.compare(signed, &expected, decoded, selected, &mut matched);
        }
        if !readable {
            return Err(Refusal::new(
                Code::SignatureMalformed,
                "the signature is not encoded as this sender encodes it",
            ));
        }
        matched.secret("no configured secret makes this signature: it is another one, or the request was changed")
    }

    /// What a right signature is compared with, made once however many candidates there are.
    fn expected<'m>(&self, signed: &Signed, message: &'m [Cow<'_, [u8]>], selected: Selected<'_>) -> Expected<'m> {
        match signed.proof {
            Proof::Mac => {
                let keys = self.keys.macs(signed.slot).iter().filter(|(index, _)| self.is_chosen(*index, selected));
                Expected::Bytes(
                    keys.map(|(index, key)| (*index, Tag::of(digest::mac(key, message).as_ref()))).collect(),
                )
            }
            Proof::SecretDigest(hash) => {
                let secrets = self.keys.compared(signed.slot).iter();
                let secrets = secrets.filter(|(index, _)| self.is_chosen(*index, selected));
                let tag = |secret: &[u8]| Tag::of(secret_digest(hash, secret, message).as_ref());
                Expected::Bytes(secrets.map(|(index, secret)| (*index, tag(secret))).collect())
            }
            Proof::PublicKey(_) => match message {
                [one] => Expected::Message(Cow::Borrowed(one)),
                parts => Expected::Message(Cow::Owned(parts.concat())),
            },
        }
    }

    /// Whether one of the candidates was made by one of the keys.
    fn verified_by(
        &self,
        keys: &[FetchedKey],
        algorithm: Algorithm,
        signed: &Signed,
        header: &Header<'_>,
        message: &[Cow<'_, [u8]>],
    ) -> Result<(), Refusal> {
        let message = message.concat();
        let mut buffer = [0; SIGNATURE_BYTES_MAX];
        for candidate in header.candidates()? {
            let Some(candidate) = digest::decode(candidate, signed.signature.encoding, &mut buffer) else { continue };
            if verifies(keys, algorithm, &message, candidate) {
                return Ok(());
            }
        }
        Err(Refusal::new(Code::SignatureMismatch, "the sender's published key does not verify this signature"))
    }

    fn compare(
        &self,
        signed: &Signed,
        expected: &Expected<'_>,
        candidate: &[u8],
        selected: Selected<'_>,
        matched: &mut Match,
    ) {
        match expected {
            Expected::Bytes(tags) => {
                for (index, tag) in tags {
                    matched.note(tag.as_slice().ct_eq(candidate), *index, self.is_in_force(*index));
                }
            }
            Expected::Message(message) => {
                let keys = self.keys.public(signed.slot).iter().filter(|(index, _)| self.is_chosen(*index, selected));
                for (index, key) in keys {
                    let verified = u8::from(key.verifies(message, candidate)).into();
                    matched.note(verified, *index, self.is_in_force(*index));
                }
            }
        }
    }
}

fn no_key_name() -> Refusal {
    Refusal::new(Code::SignatureMalformed, "the request does not say by which key it is signed")
}

pub(crate) fn secret_digest(hash: Hash, secret: &[u8], message: &[Cow<'_, [u8]>]) -> ring::digest::Digest {
    let parts: Vec<&[u8]> = std::iter::once(secret).chain(message.iter().map(AsRef::as_ref)).collect();
    hash.of(&parts)
}

enum Expected<'m> {
    /// A MAC or digest per secret, with the secret's place.
    Bytes(Vec<(usize, Tag)>),
    /// What public keys verify.
    Message(Cow<'m, [u8]>),
}

/// A MAC or digest by value: the two come as different types, and none is longer than SHA-512's.
pub(super) struct Tag {
    bytes: [u8; 64],
    length: usize,
}

impl Tag {
    pub(super) fn of(tag: &[u8]) -> Self {
        let length = tag.len().min(64);
        let mut bytes = [0; 64];
        bytes[..length].copy_from_slice(&tag[..length]);
        Self { bytes, length }
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}
