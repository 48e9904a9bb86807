//! A public key with the algorithm that it verifies by. Verifies only; nothing here signs.

use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use p256::ecdsa::{Signature, VerifyingKey};
use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};

use super::spec::{Algorithm, Hash};

/// A key whose size fits its algorithm.
pub(crate) enum PublicKey {
    Ring(UnparsedPublicKey<Vec<u8>>),
    /// ECDSA over SHA-1, which ring does not have.
    P256Sha1(Box<VerifyingKey>, SignatureForm),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignatureForm {
    Der,
    Raw,
}

impl PublicKey {
    /// A key of the right size, or what is wrong with it. Of most, whether it is a point of the curve shows only when
    /// it verifies.
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, &'static str> {
        const ED25519_BYTES: usize = 32;
        const P256_POINT_BYTES: usize = 65;
        const RSA_BYTES_MIN: usize = 256;
        const NO_POINT: &str = "it is not an uncompressed point of P-256";
        let is_point = bytes.len() == P256_POINT_BYTES && bytes[0] == 4;
        let sha1 = |form| match VerifyingKey::from_sec1_bytes(bytes) {
            Ok(key) if is_point => Ok(Self::P256Sha1(Box::new(key), form)),
            _ => Err(NO_POINT),
        };
        let by: &'static dyn VerificationAlgorithm = match algorithm {
            Algorithm::Ed25519 if bytes.len() != ED25519_BYTES => return Err("an Ed25519 key has 32 bytes"),
            Algorithm::Ed25519 => &signature::ED25519,
            Algorithm::EcdsaP256Sha1Der => return sha1(SignatureForm::Der),
            Algorithm::EcdsaP256Sha1Raw => return sha1(SignatureForm::Raw),
            Algorithm::EcdsaP256Sha256Der | Algorithm::EcdsaP256Sha256Raw if !is_point => return Err(NO_POINT),
            Algorithm::EcdsaP256Sha256Der => &signature::ECDSA_P256_SHA256_ASN1,
            Algorithm::EcdsaP256Sha256Raw => &signature::ECDSA_P256_SHA256_FIXED,
            Algorithm::RsaPkcs1Sha1
            | Algorithm::RsaPkcs1Sha256
            | Algorithm::RsaPkcs1Sha384
            | Algorithm::RsaPkcs1Sha512
                if bytes.len() < RSA_BYTES_MIN =>
            {
                return Err("an RSA key has at least 2048 bits");
            }
            Algorithm::RsaPkcs1Sha1 => &signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            Algorithm::RsaPkcs1Sha256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Algorithm::RsaPkcs1Sha384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            Algorithm::RsaPkcs1Sha512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        };
        Ok(Self::Ring(UnparsedPublicKey::new(by, bytes.to_vec())))
    }

    /// Whether a signature of a message was made by the other half of this key.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Ring(key) => key.verify(message, signature).is_ok(),
            Self::P256Sha1(key, form) => {
                let signature = match form {
                    SignatureForm::Der => Signature::from_der(signature),
                    SignatureForm::Raw => Signature::from_slice(signature),
                };
                let digest = Hash::Sha1.of(&[message]);
                signature.is_ok_and(|signature| key.verify_prehash(digest.as_ref(), &signature).is_ok())
            }
        }
    }
}
