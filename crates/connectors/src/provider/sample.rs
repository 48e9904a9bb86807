//! Fills in a sample and signs it as its sender would, by the recipe itself: for `send`, the demo and tests.
//!
//! Whatever is signed here verifies by the same recipe; it proves nothing about the recipe (the vectors do).

use std::borrow::Cow;
use std::cell::Cell;
use std::sync::Arc;

use bytes::Bytes;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use domain::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256,
    RsaKeyPair,
};

use super::check::{Evaluation, secret_digest};
use super::digest::{self, Hash, encode};
use super::error::KeyError;
use super::example::Sample;
use super::fetched::NothingFetched;
use super::field::{Field, View};
use super::incoming::{Incoming, Peer, Urls};
use super::keys::Keys;
use super::moment;
use super::program::{Bind, Check, Jws, Parse, Proof, Purpose, Signed};
use super::recipe::Recipe;
use super::secret::{Role, RoleSecret};
use super::settings::Settings;
use super::signature::Header;
use super::spec::{Algorithm, Encoding, Transform};

/// A request ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedSample {
    pub method: String,
    pub url: String,
    pub headers: Vec<(Arc<str>, Bytes)>,
    pub body: Bytes,
}

/// Why a sample cannot be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error(
        "only the sender of '{provider}' has the key that signs: give a PKCS#8 test key in base64 with the role \
         'private', and its public half to the source"
    )]
    NeedsPrivateKey { provider: String },
    #[error(
        "'{provider}' signs by keys that it publishes and that are fetched from nowhere else, so no sample can be \
         signed: let the sender itself send a test event"
    )]
    OnlyTheSender { provider: String },
    #[error("the private test key cannot be used: it is not a PKCS#8 key in base64 for this algorithm")]
    UnusablePrivateKey,
    #[error("a sample of '{provider}' cannot be signed: {problem}")]
    NotSignable { provider: String, problem: &'static str },
}

/// What chance and the clock give to a sample.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub now: Timestamp,
    /// Makes the ids of a sample; another one makes another event.
    pub nonce: u128,
}

/// Fills in `sample`, addresses it to `url` and signs it with the first secret that can.
pub fn sign_sample(
    recipe: &Recipe,
    secrets: &[RoleSecret],
    settings: &Settings,
    sample: &Sample,
    url: &str,
    moment: Moment,
) -> Result<SignedSample, SignError> {
    let (private, configured): (Vec<_>, Vec<_>) =
        secrets.iter().cloned().partition(|secret| secret.role() == Some(Role::Private));
    let keys = Keys::compile(recipe, &configured, settings)?;
    let request = fill(sample, url, moment);
    let mut signer = Signer { recipe, keys: &keys, private: private.first(), request, moment };
    signer.sign(&keys.program.check)?;
    Ok(signer.request)
}

/// Puts time and chance into a sample's places.
fn fill(sample: &Sample, url: &str, moment: Moment) -> SignedSample {
    let Moment { now, nonce } = moment;
    let uuid = format!("{nonce:032x}");
    let uuid = format!("{}-{}-{}-{}-{}", &uuid[..8], &uuid[8..12], &uuid[12..16], &uuid[16..20], &uuid[20..]);
    // Numbers as large as senders use them, and exact in every JSON reader.
    let number = (nonce % 1_000_000_000_000).to_string();
    let fill = |text: &str| {
        text.replace("{{uuid}}", &uuid)
            .replace("{{hex}}", &format!("{nonce:032x}"))
            .replace("{{number}}", &number)
            .replace("{{unix}}", &now.as_secs().to_string())
            .replace("{{unix_ms}}", &now.as_millis().to_string())
            .replace("{{iso}}", &now.to_string())
    };
    let is_form = sample.headers.values().any(|value| value.starts_with("application/x-www-form-urlencoded"));
    let body = Bytes::from(encoded(&fill(&sample.body), is_form));
    let body_hash = encode(Hash::Sha256.of(&[&body]).as_ref(), Encoding::Hex);
    let mut url = url.to_owned();
    for (name, value) in &sample.query {
        url.push(if url.contains('?') { '&' } else { '?' });
        url.push_str(&format!("{name}={}", fill(value).replace("{{body_sha256}}", &body_hash)));
    }
    let headers = sample.headers.iter().map(|(name, value)| (name.as_str().into(), fill(value).into()));
    SignedSample { method: "POST".to_owned(), url, headers: headers.collect(), body }
}

/// Where a sample keeps room for its signature.
const PLACE: &str = "{{signature}}";

fn escaped(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// `{{base64:TEXT:base64}}` in base64, escaped where the body is a form.
fn encoded(text: &str, is_form: bool) -> String {
    let Some((before, rest)) = text.split_once("{{base64:") else { return text.to_owned() };
    let Some((inner, after)) = rest.split_once(":base64}}") else { return text.to_owned() };
    let inner = BASE64.encode(inner.as_bytes());
    let inner = if is_form { escaped(&inner) } else { inner };
    format!("{before}{inner}{}", encoded(after, is_form))
}

struct Signer<'a> {
    recipe: &'a Recipe,
    keys: &'a Keys,
    private: Option<&'a RoleSecret>,
    request: SignedSample,
    moment: Moment,
}

impl Signer<'_> {
    fn not_signable(&self, problem: &'static str) -> SignError {
        SignError::NotSignable { provider: self.recipe.name().to_owned(), problem }
    }

    fn sign(&mut self, check: &Check) -> Result<(), SignError> {
        match check {
            // A bound digest is a place in the sample's own query or headers.
            Check::None | Check::Bind(_) | Check::Address(_) => Ok(()),
            Check::Jws(jws) => self.sign_token(jws),
            Check::ClientCert { .. } => Err(self.not_signable("only a proxy can say which certificate a client has")),
            Check::Signed(signed) => self.sign_message(signed),
            Check::Token { slot, from, .. } => {
                let token = self.first_compared(*slot)?;
                self.put(from, token)
            }
            Check::Basic { slot } => {
                let credentials = BASE64.encode(self.first_compared(*slot)?.as_bytes());
                self.put(&Field::Header("authorization".into()), format!("Basic {credentials}"))
            }
            Check::AllOf { checks, .. } => checks.iter().try_for_each(|check| self.sign(check)),
            Check::AnyOf(checks) => {
                let mut last = self.not_signable("no branch of its recipe has a secret");
                for check in checks {
                    match self.sign(check) {
                        Ok(()) => return Ok(()),
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
            Check::OnlyIf { when, check } => {
                let holds = self.with_view(|view, signer| {
                    let (fetched, awaited) = (&NothingFetched, &Cell::new(None));
                    let evaluation =
                        Evaluation { view, keys: signer.keys, received_at: signer.moment.now, fetched, awaited };
                    evaluation.holds(when).unwrap_or(false)
                });
                if holds {
                    self.sign(check)
                } else {
                    Err(self.not_signable("the sample has not the form that is signed"))
                }
            }
        }
    }

    fn first_compared(&self, slot: usize) -> Result<String, SignError> {
        let first = self.keys.compared(slot).first();
        let (_, secret) = first.ok_or_else(|| self.not_signable("no secret of the needed role was given"))?;
        Ok(String::from_utf8_lossy(secret).into_owned())
    }

    fn with_view<T>(&self, read: impl FnOnce(&View<'_>, &Self) -> T) -> T {
        let urls = Urls { configured: &self.request.url, received: &self.request.url };
        let (method, headers) = (self.request.method.as_str(), self.request.headers.as_slice());
        let incoming = Incoming { method, urls, headers, body: &self.request.body, peer: Peer::default() };
        read(&View::new(&incoming, incoming.body, &self.keys.program.pointers), self)
    }

    fn only_the_sender(&self) -> SignError {
        SignError::OnlyTheSender { provider: self.recipe.name().to_owned() }
    }

    fn sign_message(&mut self, signed: &Signed) -> Result<(), SignError> {
        if signed.fetched.is_some() {
            return Err(self.only_the_sender());
        }
        if !self.keys.has(signed.slot) {
            return Err(self.not_signable("no secret of the needed role was given"));
        }
        // The header before its signature is in it: what else stands there is part of some messages.
        let mut preamble = String::new();
        if let Some(time) = &signed.time {
            let now = moment::write(self.moment.now, time.unit);
            match &time.from {
                Field::Header(_) => self.put(&time.from, now)?,
                // A field by its place has no name in front.
                Field::Sig(_) if matches!(signed.signature.parse, Parse::Positional { .. }) => preamble = now,
                Field::Sig(name) => preamble = format!("{name}={now}"),
                _ => {}
            }
        }
        // What the sample has there already, such as a list of headers, is signed with it.
        if let (Parse::Kv { separator, .. }, Some(own)) = (&signed.signature.parse, self.own(&signed.signature.from)) {
            preamble = format!("{preamble}{separator}{own}");
        }
        let signature = self.with_view(|view, signer| signer.signature(view, signed, preamble.as_bytes()))?;
        let text = write(&signed.signature.parse, &preamble, &signature);
        match (&signed.signature.parse, &signed.signature.from) {
            (Parse::Numbered { .. }, Field::Header(name)) => self.put(&Field::Header(format!("{name}1").into()), text),
            (_, from) => self.put(from, text),
        }
    }

    /// A header as the sample has it.
    fn own(&self, at: &Field) -> Option<String> {
        let Field::Header(name) = at else { return None };
        let (_, value) = self.request.headers.iter().find(|(known, _)| **known == **name)?;
        std::str::from_utf8(value).ok().map(str::to_owned)
    }

    fn signature(&self, view: &View<'_>, signed: &Signed, preamble: &[u8]) -> Result<String, SignError> {
        let header =
            Header::new(preamble, &signed.signature.parse).map_err(|_| self.not_signable("its header is too long"))?;
        let missing = || self.not_signable("it lacks a part of what is signed");
        let mut message = Vec::new();
        for field in &signed.message {
            message.push(view.read(field, Some(&header)).ok().flatten().ok_or_else(missing)?);
        }
        let bytes = match signed.proof {
            Proof::Mac => {
                let (_, key) = self.keys.macs(signed.slot).first().ok_or_else(missing)?;
                digest::mac(key, &message).as_ref().to_vec()
            }
            Proof::SecretDigest(hash) => {
                let (_, secret) = self.keys.compared(signed.slot).first().ok_or_else(missing)?;
                secret_digest(hash, secret, &message).as_ref().to_vec()
            }
            Proof::PublicKey(algorithm) => self.by_private_key(algorithm, &message)?,
        };
        Ok(encode(&bytes, signed.signature.encoding))
    }

    fn by_private_key(&self, algorithm: Algorithm, message: &[Cow<'_, [u8]>]) -> Result<Vec<u8>, SignError> {
        let provider = self.recipe.name().to_owned();
        let private = self.private.ok_or(SignError::NeedsPrivateKey { provider })?;
        let pkcs8 = BASE64.decode(private.value().trim().as_bytes()).map_err(|_| SignError::UnusablePrivateKey)?;
        private_signature(algorithm, &pkcs8, &message.concat()).ok_or(SignError::UnusablePrivateKey)
    }

    fn put(&mut self, at: &Field, value: String) -> Result<(), SignError> {
        match at {
            Field::Header(name) => {
                self.request.headers.retain(|(known, _)| **known != **name);
                self.request.headers.push((name[..].into(), value.into()));
                Ok(())
            }
            Field::Transformed(inner, steps) => {
                let prefix = steps.iter().rev().fold(value, |value, step| match step {
                    Transform::TrimPrefix(prefix) => format!("{prefix}{value}"),
                    _ => value,
                });
                self.put(inner, prefix)
            }
            Field::Json(_) | Field::Form(_) | Field::Multipart(_) | Field::Xml(_) | Field::Query(_)
                if self.has_place() =>
            {
                self.fill_in(&value)
            }
            Field::Query(name) => {
                let mark = if self.request.url.contains('?') { '&' } else { '?' };
                self.request.url.push_str(&format!("{mark}{name}={}", escaped(&value)));
                Ok(())
            }
            Field::Json(slot) => self.put_json(*slot, &value),
            _ => Err(self.not_signable("its signature does not stand where a sample could have it")),
        }
    }
}

impl Signer<'_> {
    fn has_place(&self) -> bool {
        self.request.url.contains(PLACE) || String::from_utf8_lossy(&self.request.body).contains(PLACE)
    }

    /// Writes a text in place of the one that the sample's body has there.
    fn put_json(&mut self, slot: usize, text: &str) -> Result<(), SignError> {
        let body = self.request.body.clone();
        let found = self.keys.program.pointers.find(&body);
        let old = found.raw(slot).ok_or_else(|| self.not_signable("its body has no place for the signature"))?;
        let start = old.as_ptr() as usize - body.as_ptr() as usize;
        let new = serde_json::Value::from(text).to_string();
        self.request.body = [&body[..start], new.as_bytes(), &body[start + old.len()..]].concat().into();
        Ok(())
    }

    /// Puts a signature into the place that the sample keeps for it in its body or query.
    fn fill_in(&mut self, signature: &str) -> Result<(), SignError> {
        let escaped = escaped(signature);
        if self.request.url.contains(PLACE) {
            self.request.url = self.request.url.replace(PLACE, &escaped);
            return Ok(());
        }
        let is_form = self.with_view(|view, _| view.is_form());
        match std::str::from_utf8(&self.request.body) {
            Ok(body) if body.contains(PLACE) => {
                let body = body.replace(PLACE, if is_form { &escaped } else { signature });
                self.request.body = body.into();
                Ok(())
            }
            _ => Err(self.not_signable("the sample has no '{{signature}}' where its signature stands")),
        }
    }

    /// A token as the sender would make it, by the first algorithm of the recipe.
    fn sign_token(&mut self, jws: &Jws) -> Result<(), SignError> {
        if jws.fetched.is_some() && !jws.takes_configured() {
            return Err(self.only_the_sender());
        }
        let (algorithm, slot) = jws.algorithms.first().ok_or_else(|| self.not_signable("it has no algorithm"))?;
        let now = self.moment.now.as_secs();
        let mut claims = serde_json::Map::new();
        claims.insert("iat".into(), now.into());
        claims.insert("exp".into(), (now + 300).into());
        if let Some(issuer) = jws.issuers.first() {
            claims.insert("iss".into(), (**issuer).into());
        }
        let missing = || self.not_signable("it lacks a part of what is signed");
        let (payload, token) = self.with_view(|view, signer| {
            let text = |field: &Field| view.text(field).ok().flatten().map(Cow::into_owned).ok_or_else(missing);
            if let Some(audience) = jws.audiences.first() {
                claims.insert("aud".into(), text(audience)?.into());
            }
            for (pointer, wanted) in &jws.claims {
                claims.insert(pointer.trim_start_matches('/').to_owned(), text(wanted)?.into());
            }
            for bind in signer.binds() {
                let (name, digest) = bound(view, bind).ok_or_else(missing)?;
                claims.insert(name, digest.into());
            }
            let header = format!(r#"{{"alg":"{}","typ":"JWT"}}"#, algorithm.as_str());
            let payload = match &jws.detached {
                Some(fields) => {
                    let parts: Option<Vec<_>> =
                        fields.iter().map(|field| view.read(field, None).ok().flatten()).collect();
                    parts.ok_or_else(missing)?.concat()
                }
                None if matches!(jws.from, Field::Body) => signer.request.body.to_vec(),
                None => serde_json::Value::Object(claims).to_string().into_bytes(),
            };
            Ok::<_, SignError>((BASE64URL_NOPAD.encode(&payload), BASE64URL_NOPAD.encode(header.as_bytes())))
        })?;
        let message = [Cow::Owned(format!("{token}.{payload}").into_bytes())];
        let signature = match algorithm.purpose() {
            Purpose::Verify(algorithm) => self.by_private_key(algorithm, &message)?,
            Purpose::Mac(_) | Purpose::Compare | Purpose::Credentials => {
                let (_, key) = self
                    .keys
                    .macs(*slot)
                    .first()
                    .ok_or_else(|| self.not_signable("no secret of the needed role was given"))?;
                digest::mac(key, &message).as_ref().to_vec()
            }
        };
        let carried = if jws.detached.is_some() { "" } else { payload.as_str() };
        let text = format!("{token}.{carried}.{}", BASE64URL_NOPAD.encode(&signature));
        if matches!(jws.from, Field::Body) {
            self.request.body = text.into();
            return Ok(());
        }
        self.put(&jws.from, text)
    }

    /// The digests that the recipe wants in a token.
    fn binds(&self) -> Vec<&Bind> {
        fn collect<'c>(check: &'c Check, found: &mut Vec<&'c Bind>) {
            match check {
                Check::Bind(bind) => found.push(bind),
                Check::AllOf { checks, .. } | Check::AnyOf(checks) => {
                    checks.iter().for_each(|check| collect(check, found));
                }
                Check::OnlyIf { check, .. } => collect(check, found),
                _ => {}
            }
        }
        let mut found = Vec::new();
        collect(&self.keys.program.check, &mut found);
        found
    }
}

/// The name and the value of a claim that is a digest.
fn bound(view: &View<'_>, bind: &Bind) -> Option<(String, String)> {
    let Field::Transformed(_, steps) = &bind.value else { return None };
    let Some(Transform::Json(pointer)) = steps.last() else { return None };
    let parts: Option<Vec<_>> = bind.of.iter().map(|field| view.read(field, None).ok().flatten()).collect();
    let parts = parts?;
    let digest = bind.hash.of(&parts.iter().map(AsRef::as_ref).collect::<Vec<_>>());
    Some((pointer.trim_start_matches('/').to_owned(), encode(digest.as_ref(), bind.encoding)))
}

/// A signature header as the recipe reads it.
fn write(parse: &Parse, preamble: &str, signature: &str) -> String {
    match parse {
        Parse::Plain { prefix } => format!("{prefix}{signature}"),
        Parse::Kv { field, .. } if preamble.is_empty() => format!("{field}={signature}"),
        Parse::Kv { separator, field } => format!("{preamble}{separator}{field}={signature}"),
        Parse::Tagged { mark, tag, .. } => format!("{tag}{mark}{signature}"),
        Parse::List { .. } | Parse::Numbered { .. } => signature.to_owned(),
        Parse::Positional { .. } if preamble.is_empty() => signature.to_owned(),
        Parse::Positional { separator, .. } => format!("{preamble}{separator}{signature}"),
        Parse::Pairs { mark, .. } => format!("sample{mark}{signature}"),
        Parse::B64json { field } => BASE64.encode(format!(r#"{{"{field}":"{signature}"}}"#).as_bytes()),
    }
}

fn private_signature(algorithm: Algorithm, pkcs8: &[u8], message: &[u8]) -> Option<Vec<u8>> {
    let random = SystemRandom::new();
    match algorithm {
        Algorithm::Ed25519 => {
            let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).ok()?;
            Some(key.sign(message).as_ref().to_vec())
        }
        Algorithm::EcdsaP256Sha256Der | Algorithm::EcdsaP256Sha256Raw => {
            let form = match algorithm {
                Algorithm::EcdsaP256Sha256Der => &ECDSA_P256_SHA256_ASN1_SIGNING,
                _ => &ECDSA_P256_SHA256_FIXED_SIGNING,
            };
            let key = EcdsaKeyPair::from_pkcs8(form, pkcs8, &random).ok()?;
            Some(key.sign(&random, message).ok()?.as_ref().to_vec())
        }
        Algorithm::RsaPkcs1Sha256 => {
            let key = RsaKeyPair::from_pkcs8(pkcs8).ok()?;
            let mut signature = vec![0; key.public().modulus_len()];
            key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).ok()?;
            Some(signature)
        }
        // ring makes no SHA-1 signatures, and no sender signs samples by the others.
        Algorithm::EcdsaP256Sha1Der
        | Algorithm::EcdsaP256Sha1Raw
        | Algorithm::RsaPkcs1Sha1
        | Algorithm::RsaPkcs1Sha384
        | Algorithm::RsaPkcs1Sha512 => None,
    }
}
