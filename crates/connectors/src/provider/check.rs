//! Evaluates `verify` on a request. Fails closed; compares in constant time and without an early exit.

use std::borrow::Cow;

use data_encoding::BASE64;
use domain::{Assurance, Timestamp};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::digest::{self, SIGNATURE_BYTES_MAX};
use super::field::{Field, View};
use super::keys::Keys;
use super::moment;
use super::program::{self, Bind, Check, Proof, Signed, Test};
use super::refusal::{Code, Refusal};
use super::signature::{self, Header};
use super::spec::Hash;

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
}

impl Evaluation<'_, '_> {
    pub fn check(&self, check: &Check) -> Result<Pass, Refusal> {
        match check {
            Check::None => Ok(Pass { assurance: Assurance::None, secret: None }),
            Check::Signed(signed) => self.signed(signed),
            Check::Token { slot, from } => self.token(*slot, from),
            Check::Basic { slot } => self.basic(*slot),
            Check::Bind(bind) => self.bind(bind),
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

    fn signed(&self, signed: &Signed) -> Result<Pass, Refusal> {
        if !self.keys.has(signed.slot) {
            return Err(no_secret());
        }
        let text = signature::read(self.view, &signed.signature.from)?;
        let header = signed.signature.header(&text)?;
        let time = self.time(signed, &header)?;
        let message = self.message(signed, &header)?;
        let secret = self.matching(signed, &header, &message)?;
        // Only now: a forged request learns nothing about the clock.
        if let Some(spec) = &signed.time {
            moment::judge(time.as_deref(), spec, self.received_at)?;
        }
        Ok(Pass { assurance: signed.assurance, secret: Some(secret) })
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
                None if matches!(field, Field::Maybe(_)) => {}
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
    fn matching(&self, signed: &Signed, header: &Header<'_>, message: &[Cow<'_, [u8]>]) -> Result<usize, Refusal> {
        let candidates = header.candidates()?;
        let encoding = signed.signature.encoding;
        let expected = self.expected(signed, message);
        let mut buffer = [0; SIGNATURE_BYTES_MAX];
        let mut readable = false;
        let mut matched = Match::default();
        for candidate in candidates {
            let Some(decoded) = digest::decode(candidate, encoding, &mut buffer) else { continue };
            readable = true;
            self.compare(signed, &expected, decoded, &mut matched);
        }
        match (readable, matched.secret()) {
            (_, Some(secret)) => Ok(secret),
            (true, None) => Err(Refusal::new(
                Code::SignatureMismatch,
                "no configured secret makes this signature: it is another one, or the request was changed",
            )),
            (false, None) => {
                Err(Refusal::new(Code::SignatureMalformed, "the signature is not encoded as this sender encodes it"))
            }
        }
    }

    /// What a right signature is compared with, made once however many candidates there are.
    fn expected<'m>(&self, signed: &Signed, message: &'m [Cow<'_, [u8]>]) -> Expected<'m> {
        match signed.proof {
            Proof::Mac => {
                let keys = self.keys.macs(signed.slot).iter();
                Expected::Bytes(
                    keys.map(|(index, key)| (*index, Tag::of(digest::mac(key, message).as_ref()))).collect(),
                )
            }
            Proof::SecretDigest(hash) => {
                let secrets = self.keys.compared(signed.slot).iter();
                let tag = |secret: &[u8]| Tag::of(secret_digest(hash, secret, message).as_ref());
                Expected::Bytes(secrets.map(|(index, secret)| (*index, tag(secret))).collect())
            }
            Proof::PublicKey(_) => match message {
                [one] => Expected::Message(Cow::Borrowed(one)),
                parts => Expected::Message(Cow::Owned(parts.concat())),
            },
        }
    }

    fn compare(&self, signed: &Signed, expected: &Expected<'_>, candidate: &[u8], matched: &mut Match) {
        match expected {
            Expected::Bytes(tags) => {
                for (index, tag) in tags {
                    matched.note(tag.as_slice().ct_eq(candidate), *index);
                }
            }
            Expected::Message(message) => {
                for (index, key) in self.keys.public(signed.slot) {
                    matched.note(u8::from(key.verify(message, candidate).is_ok()).into(), *index);
                }
            }
        }
    }

    fn token(&self, slot: usize, from: &Field) -> Result<Pass, Refusal> {
        if !self.keys.has(slot) {
            return Err(no_secret());
        }
        match self.view.read(from, None)? {
            Some(token) if !token.is_empty() => self.shared(slot, &token),
            _ => Err(Refusal::new(Code::SignatureMissing, "the request carries no token where this sender puts it")),
        }
    }

    fn basic(&self, slot: usize) -> Result<Pass, Refusal> {
        let missing = || Refusal::new(Code::SignatureMissing, "the request carries no HTTP Basic credentials");
        let header = self.view.incoming.header("authorization")?.ok_or_else(missing)?;
        let (scheme, credentials) = header.split_at_checked("Basic ".len()).ok_or_else(missing)?;
        if !scheme.eq_ignore_ascii_case(b"Basic ") {
            return Err(missing());
        }
        let credentials = BASE64.decode(credentials.trim_ascii());
        let credentials = credentials
            .map_err(|_| Refusal::new(Code::SignatureMalformed, "the HTTP Basic credentials are not base64"))?;
        self.shared(slot, &credentials)
    }

    fn shared(&self, slot: usize, given: &[u8]) -> Result<Pass, Refusal> {
        match self.equal_secret(slot, given) {
            Some(secret) => Ok(Pass { assurance: Assurance::Shared, secret: Some(secret) }),
            None => Err(Refusal::new(Code::SignatureMismatch, "the token is not one of the configured secrets")),
        }
    }

    /// Digests of equal length are compared, so that not even the secret's length shows in the time taken.
    fn equal_secret(&self, slot: usize, given: &[u8]) -> Option<usize> {
        let given = Hash::Sha256.of(&[given]);
        let mut matched = Match::default();
        for (index, secret) in self.keys.compared(slot) {
            matched.note(Hash::Sha256.of(&[secret]).as_ref().ct_eq(given.as_ref()), *index);
        }
        matched.secret()
    }

    fn bind(&self, bind: &Bind) -> Result<Pass, Refusal> {
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
                    value.is_some_and(|value| self.equal_secret(*slot, &value).is_some())
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
struct Tag {
    bytes: [u8; 64],
    length: usize,
}

impl Tag {
    fn of(tag: &[u8]) -> Self {
        let length = tag.len().min(64);
        let mut bytes = [0; 64];
        bytes[..length].copy_from_slice(&tag[..length]);
        Self { bytes, length }
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// Collects comparisons without branching on any of them.
#[derive(Default)]
struct Match {
    any: u8,
    secret: u32,
}

impl Match {
    fn note(&mut self, equal: Choice, secret: usize) {
        self.any |= equal.unwrap_u8();
        // At most SECRETS_MAX secrets exist, so the index fits.
        self.secret.conditional_assign(&(secret as u32), equal);
    }

    fn secret(&self) -> Option<usize> {
        (self.any == 1).then_some(self.secret as usize)
    }
}
