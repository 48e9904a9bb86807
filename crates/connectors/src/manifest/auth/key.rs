//! Signing keys and what is signed with them. One library does it all; three algorithms of the format it does not have
//! (ES256K, ES512, and EdDSA by Ed448), and those are told as such when the manifest is loaded.

use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
    RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use ring::{error::KeyRejected, hmac};
use zeroize::Zeroizing;

use super::super::node::{Node, Read};
use super::super::problem::{Fault, Problem};
use super::super::trouble::Trouble;
use crate::provider::der;

/// What a JWT is signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

impl Algorithm {
    const ALL: [Self; 12] = [
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    pub fn read_in(node: &Node) -> Result<Self, Problem> {
        let field: Node = node.need("algorithm")?;
        let name = String::read(&field)?;
        if let Some(known) = Self::ALL.into_iter().find(|known| known.as_str() == name) {
            return Ok(known);
        }
        if matches!(name.as_str(), "ES256K" | "ES512") {
            let component = format!("JwtAuthenticator with {name}").into();
            let message = format!("JWTs cannot be signed with {name} here; ES256, ES384 and EdDSA can be used");
            return Err(field.problem(Fault::Unsupported { component }, message));
        }
        Err(field.wrong("one of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 and EdDSA"))
    }
}

/// The signature of a message by a key as the config has it: a text for MACs, PEM for all else.
pub(super) fn sign(algorithm: Algorithm, key: &str, message: &[u8]) -> Result<Vec<u8>, Trouble> {
    let mac = |mac| Ok(hmac::sign(&hmac::Key::new(mac, key.as_bytes()), message).as_ref().to_vec());
    let signed = match algorithm {
        Algorithm::Hs256 => mac(hmac::HMAC_SHA256),
        Algorithm::Hs384 => mac(hmac::HMAC_SHA384),
        Algorithm::Hs512 => mac(hmac::HMAC_SHA512),
        Algorithm::Rs256 => rsa(&RSA_PKCS1_SHA256, key, message),
        Algorithm::Rs384 => rsa(&RSA_PKCS1_SHA384, key, message),
        Algorithm::Rs512 => rsa(&RSA_PKCS1_SHA512, key, message),
        Algorithm::Ps256 => rsa(&RSA_PSS_SHA256, key, message),
        Algorithm::Ps384 => rsa(&RSA_PSS_SHA384, key, message),
        Algorithm::Ps512 => rsa(&RSA_PSS_SHA512, key, message),
        Algorithm::Es256 => ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING, key, message),
        Algorithm::Es384 => ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING, key, message),
        Algorithm::EdDsa => ed25519(key, message),
    };
    signed.map_err(|reason| Trouble::Signing { algorithm: algorithm.as_str(), reason })
}

fn rsa(encoding: &'static dyn RsaEncoding, key: &str, message: &[u8]) -> Result<Vec<u8>, String> {
    let pem = pem(key)?;
    let pair =
        if is_labelled(key, "RSA PRIVATE KEY") { RsaKeyPair::from_der(&pem) } else { RsaKeyPair::from_pkcs8(&pem) };
    let pair = pair.map_err(|rejected| unusable("an RSA private key of 2048 to 4096 bits", &rejected))?;
    let mut signature = vec![0; pair.public().modulus_len()];
    let signed = pair.sign(encoding, &SystemRandom::new(), message, &mut signature);
    signed.map_err(|_| "the key does not sign".to_owned())?;
    Ok(signature)
}

fn ecdsa(curve: &'static EcdsaSigningAlgorithm, key: &str, message: &[u8]) -> Result<Vec<u8>, String> {
    let (pem, random) = (pem(key)?, SystemRandom::new());
    let pair = if is_labelled(key, "EC PRIVATE KEY") {
        let (private, public) = sec1(&pem).ok_or("its key is an EC private key without its public half")?;
        EcdsaKeyPair::from_private_key_and_public_key(curve, private, public, &random)
    } else {
        EcdsaKeyPair::from_pkcs8(curve, &pem, &random)
    };
    let pair = pair.map_err(|rejected| unusable("a private key of the algorithm's curve", &rejected))?;
    let signature = pair.sign(&random, message).map_err(|_| "the key does not sign".to_owned())?;
    Ok(signature.as_ref().to_vec())
}

fn ed25519(key: &str, message: &[u8]) -> Result<Vec<u8>, String> {
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&pem(key)?);
    let pair = pair.map_err(|rejected| unusable("an Ed25519 private key", &rejected))?;
    Ok(pair.sign(message).as_ref().to_vec())
}

/// The private and the public half of RFC 5915's form of a key.
fn sec1(der: &[u8]) -> Option<(&[u8], &[u8])> {
    const OCTETS: u8 = 0x04;
    const CURVE: u8 = 0xa0;
    const PUBLIC: u8 = 0xa1;
    const BITS: u8 = 0x03;
    let (inside, _) = der::element(der, der::SEQUENCE)?;
    let (_, rest) = der::element(inside, der::INTEGER)?;
    let (private, rest) = der::element(rest, OCTETS)?;
    let rest = der::element(rest, CURVE).map_or(rest, |(_, after)| after);
    let (public, _) = der::element(rest, PUBLIC)?;
    let (bits, _) = der::element(public, BITS)?;
    // The first byte counts unused bits: a point has none.
    Some((private, bits.strip_prefix(&[0])?))
}

fn pem(key: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    if key.contains("ENCRYPTED") {
        return Err(
            "its key is protected by a passphrase; store the key without one (openssl pkcs8 -nocrypt)".to_owned()
        );
    }
    // A config often has the line breaks of a key as the two characters that stand for them.
    let key = Zeroizing::new(key.replace("\\n", "\n"));
    let pem = der::pem(&key).ok_or("its key must be a private key in PEM form (-----BEGIN PRIVATE KEY-----)")?;
    Ok(Zeroizing::new(pem))
}

fn is_labelled(key: &str, label: &str) -> bool {
    key.contains(&format!("-----BEGIN {label}-----"))
}

fn unusable(expects: &str, rejected: &KeyRejected) -> String {
    format!("its key must be {expects} ({rejected})")
}

#[cfg(test)]
mod tests;
