//! Every algorithm by keys in every form, and what is said about keys that do not fit.

use data_encoding::BASE64;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, KeyPair as _, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
    RSA_PSS_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};
use serde_json::json;

use super::*;
use crate::manifest::auth::Jwt;
use crate::manifest::request::trial::problem;

// Keys made for these tests, known to everyone and used nowhere else; without their PEM armour, so that nobody takes
// them for lost ones.
const RSA: &str = "\
    MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDQa+D5Sr20S9gdOtw5NYFH/FFHO5RLo65fTEMX+WLEzIT572wOKfLp\
    l40QMomFpFDBKWfQjtmA77cta94I4A/meUxp3/X2xZ/zsLk0uDsnr2exRtfdrDChSWzRVZTqbkxxJM9OaKNsw/lSa9zse3ab/M+CXwTh\
    aZeGKPRgIVDwX4f5wxaRZ74n5hf6irTRZ5x201Yy7O4OBSMUWGPxfEPfOEpp2PE8V2Smj+938+whu0LSKUqsTn/XnwggUfH01vkHqCE/\
    Jzo9GYrUqCmKcz5SsMhlt8OQt/7uNT6LOasbkk381nk6viFoXtupTrJ0AwSkZH0JJ48Lwvj3TgCJ14jNAgMBAAECggEAPp/rnXxjvAT+\
    DupcuaPmEKc0FN9GE+Q+xMu5bT61+sQpQKA8K5VXM/EhpbhJsipJSYETfIsvt5pPxAohUTFiFbJkz3tIALoo8aQsQjcJL0d5NL9ApY7T\
    neLeG5hHgplZxrV0xO6UDF5mT+mxHC2M2hoAj//VC5YavWkY5LmeBFtlPIihzHEg6UCagd3kF54zfZb66jmm4gfIda7Q1VsKkodxT4kz\
    BYVBxIXC2yn3BjN/8jVwaZ1q2zXv581l2wL9C3Rsv3BxwxrEO2toOQjPR2pPYOb9IEaxmFEMXd9VuqJ5n7h9eT9sMHacHfjbrpcoBsn3\
    AHJFI2FbNveElCjf0QKBgQDrvd2FsbDx1UA+gpeJaW5KBw62OPQsGWNbzTFMXTbOpSqn8VyRGvnpxE2lopzXF+sokk/9xZMTjBGzqED0\
    0X3wkq9Uq45ZcP1HRuGLkuFFaQ6zligO2VMDQuw1eFnxAFgB7Zz3UivZSY+osBi+o/5rPOHoio3S7Mb1XiNOp6Oe8wKBgQDiVP0k2q8V\
    nO/0KjQX1Y/S7u4QIGSXyX0V4lUh0jS273U47Bpfa0EzaVz5EGcEmpozp9UbM2jW8Mzi7boti6aDdYZXu4SvqZMyx/gtsQsuoGU0OsGZ\
    r34gjO84ndLwoS3dlMmIv//G2Qo2ZeE4uIdY5eXuKiJ59F0DisduZAepPwKBgQDhd+mcShP7aEOWxd5bjZvvb4qRnC1k1C9kiP9ikzCt\
    OelvUPiAzDVEcPz2s22gh37hgfbBt6rwoiH4G69st8TlR9YrfB2cy+Viu5dSn/uXIGDwQGg1s4Oi9ennRiF30CVcSr+7CDtqCeI9q5cv\
    FrhqJoPGnmYA23d7DDtmqg1jIwKBgDRT0fMjXDdzAUdCOqkIByiNdRzlYFx3iSP2IBihsO5ajo+Khs5ozbpFMemjkS3PULeAphST3jlT\
    kwskS1ccYnMiSN0fzZ2PZyjmcsqdlChDjSJ2MyyFFnQQIX7Ffm+D1EbWj4G+YjRnGaVaCKhEgYZcILzfoPjxNlALVfB/0AWhAoGAHOl+\
    pcBzUAN3RbEQ4RVWdMuNVTvYvF3MeC6kpV9dUZXeV56eJeA8xQbuZUq3xQ2RwX7FGd3a7aYVD3/I2C6tYtGH3PFsAew63b3fbBJteq6Y\
    Gxe223chsNP3dd3ZKm6XTcn0wOcgm7LH0LK6UYYxS3/NhxWRI+7nZMPJ9Kyjv60=";
const P256: &str = "\
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgDn9NNamSPCiusVAmwBaFZxUuLki5Th2uR36DcEws1XKhRANCAARe1sVP\
    O3BojJgEBtQixYNRN4bsbn+o+LPbCfAKof5chksW9/nnvyXfXyJSdwfhFEaPmFMTGemWgOhMX2AKDnW7";
const P256_OLD: &str = "\
    MHcCAQEEIA5/TTWpkjworrFQJsAWhWcVLi5IuU4drkd+g3BMLNVyoAoGCCqGSM49AwEHoUQDQgAEXtbFTztwaIyYBAbUIsWDUTeG7G5/\
    qPiz2wnwCqH+XIZLFvf5578l318iUncH4RRGj5hTExnploDoTF9gCg51uw==";
const P384: &str = "\
    MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDA78O8KkaCGNJDTiBT8PNXveCA4wzJlIuSLIRy1JOAUx0DroKEVO3SAJhIJ\
    D1bDdCWhZANiAATVULTBHf2CPpx5C5LsmHDBLTcPIEqBnDo3Eo606wcO2NH6hM6V7P8MD0swel7zmgRp9Qxt/8Cww41ByS6+j5k4ahHH\
    1n55Xc0mjOOepk0CNiAvmOlq5XzXctZTc5urI88=";
const ED: &str = "MC4CAQAwBQYDK2VwBCIEIFUOESpoo649NtnusHDI1BAzXu1UxZjiBLEljyEjEsvV";

fn armoured(label: &str, base64: &str) -> String {
    format!("-----BEGIN {label}-----\n{base64}\n-----END {label}-----\n")
}

fn verifies(with: &'static dyn VerificationAlgorithm, public: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(with, public).verify(b"message", signature).is_ok()
}

#[test]
fn rsa_keys_sign_in_either_form() {
    let pkcs8 = BASE64.decode(RSA.as_bytes()).expect("base64");
    let pair = RsaKeyPair::from_pkcs8(&pkcs8).expect("a key");
    let (inside, _) = der::element(&pkcs8, der::SEQUENCE).expect("a sequence");
    let (_, rest) = der::element(inside, der::INTEGER).expect("a version");
    let (_, rest) = der::element(rest, der::SEQUENCE).expect("an algorithm");
    let (pkcs1, _) = der::element(rest, 0x04).expect("the key");
    let forms = [armoured("PRIVATE KEY", RSA), armoured("RSA PRIVATE KEY", &BASE64.encode(pkcs1))];
    let table: [(Algorithm, &'static dyn VerificationAlgorithm); 6] = [
        (Algorithm::Rs256, &RSA_PKCS1_2048_8192_SHA256),
        (Algorithm::Rs384, &RSA_PKCS1_2048_8192_SHA384),
        (Algorithm::Rs512, &RSA_PKCS1_2048_8192_SHA512),
        (Algorithm::Ps256, &RSA_PSS_2048_8192_SHA256),
        (Algorithm::Ps384, &RSA_PSS_2048_8192_SHA384),
        (Algorithm::Ps512, &RSA_PSS_2048_8192_SHA512),
    ];
    for form in &forms {
        for (algorithm, with) in table {
            let signature = sign(algorithm, form, b"message").expect("it signs");
            assert!(verifies(with, pair.public_key().as_ref(), &signature), "{algorithm:?}");
        }
    }
}

#[test]
fn curve_keys_sign_in_either_form() {
    let p256 = BASE64.decode(P256.as_bytes()).expect("base64");
    let random = SystemRandom::new();
    let p256 = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &p256, &random).expect("a key");
    for key in [armoured("PRIVATE KEY", P256), armoured("EC PRIVATE KEY", P256_OLD)] {
        let signature = sign(Algorithm::Es256, &key, b"message").expect("it signs");
        assert!(verifies(&ECDSA_P256_SHA256_FIXED, p256.public_key().as_ref(), &signature));
    }
    let p384 = BASE64.decode(P384.as_bytes()).expect("base64");
    let p384 = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &p384, &random).expect("a key");
    let signature = sign(Algorithm::Es384, &armoured("PRIVATE KEY", P384), b"message").expect("it signs");
    assert!(verifies(&ECDSA_P384_SHA384_FIXED, p384.public_key().as_ref(), &signature));
    let ed = BASE64.decode(ED.as_bytes()).expect("base64");
    let ed = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&ed).expect("a key");
    let signature = sign(Algorithm::EdDsa, &armoured("PRIVATE KEY", ED), b"message").expect("it signs");
    assert!(verifies(&ED25519, ed.public_key().as_ref(), &signature));
}

#[test]
fn line_breaks_of_a_key_may_be_written_out() {
    let key = armoured("PRIVATE KEY", P256).replace('\n', "\\n");
    assert!(sign(Algorithm::Es256, &key, b"message").is_ok());
}

#[test]
fn a_key_that_does_not_fit_is_told_without_showing_it() {
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\ns3cret\n-----END ENCRYPTED PRIVATE KEY-----";
    let table = [
        (Algorithm::Rs256, "s3cret".to_owned(), "PEM"),
        (Algorithm::Rs256, armoured("PRIVATE KEY", P256), "RSA private key"),
        (Algorithm::Es256, armoured("PRIVATE KEY", P384), "algorithm's curve"),
        (Algorithm::Es384, armoured("PRIVATE KEY", P256), "algorithm's curve"),
        (Algorithm::EdDsa, armoured("PRIVATE KEY", RSA), "Ed25519"),
        (Algorithm::Es256, encrypted.to_owned(), "passphrase"),
    ];
    for (algorithm, key, expected) in table {
        let trouble = sign(algorithm, &key, b"message").expect_err("it does not fit").to_string();
        assert!(trouble.contains(expected) && trouble.contains(algorithm.as_str()), "{trouble}");
        assert!(!trouble.contains("s3cret") && !trouble.contains(&key), "{trouble}");
    }
}

#[test]
fn algorithms_that_cannot_be_had_are_told_when_the_manifest_is_loaded() {
    for (algorithm, expected) in
        [("ES256K", "cannot be signed with ES256K"), ("ES512", "ES512"), ("none", "one of HS256")]
    {
        let jwt = json!({"type": "JwtAuthenticator", "algorithm": algorithm, "secret_key": "k"});
        let problem = problem::<Jwt>(&jwt);
        assert!(problem.contains(expected), "{problem}");
    }
}
