//! Key pairs of the tests' own, in the forms that senders show keys in.

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use ring::signature::{KeyPair, RsaKeyPair};
use ring::{rand, signature};

pub const ED25519: &str = "MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
pub const P256: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJCrze+hRANCAARHHD51jEkEKFu6flMRjtD1JK3rB1fSW9L457DXbfpxTN1SD3rKiouResw39R3o8Mm7462Fg4LnAtwloS0J96hY";

pub const RSA: &str = "\
    MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQCljEqsYo4jkfpRtOxkIBGdSHs4dv9vhb7InOaFXUG32B25U3Qc5D+P0da9iK\
    F3ZRs49suKIGM/D5g6AeQ1uUdCjMdLF8Rt0Pf9gTt84S1SXAMtOG6MXsVv7/Ku76HdPPI9U8lNObQTSneyBBBvid5BZdQelF3jrrdDH4M+ewLr\
    904P4XezL1NrA0hjMOpiYCUaWBT1fRlxGsag6250c0ZjbiHt287aaKgXMYJPV5AvEPe+UQr/Y8blvt3Dcsf2xs+Evr8jWXFn8XpxqEyO/4ncf0\
    bXISkM4iEERGMTY9yYFf50JWXHqr9kMaEMDaaG1nzsdytf3zfkUwqDdW+Sd4x7AgMBAAECggEAKIzdua4GbRYTv7HWeYwVZHZdoG4dkX6sRc2Q\
    9bfrIhIw7bVQasdJ/nuC4zg1fN5qNaDWKIZYaRjzy7ms4a/5kYaURoOS3Odj51ehb6xkgpkBOjFper64E/wtcMZH2r5UA8ujMmRhBJyoBxXRxN\
    B7fX9o3viuqtegEjQE3OgaxhuPgzrg1nrhl92AH9c7xlMdmGBGjQgPkv5/xiaEU5veRWcnOwg1ZeS7gMDPkkxt5tT8N/g5UmnEtfE4zRakr2a4\
    0cCvjbp1XrUt4znwnaOmn6Odxus7C5C9X9Vpu07p3WVh0UVNrR2ssSI+gkYPKrBNoqwTJoNGXhIUadYs6LJdAQKBgQDd7cVEgxyHVHSCmdkfO9\
    R10dIU+MUBYwEaUay0DZev+wOo3lgO14ZcC4i1AnSwm1j2IRm1zhQRa6Zns929/pt6ebNq0vXXTXDOdTTfwGE4l2/O1zpCOs4HLL44C0LbsCiA\
    KtVBdlfMUjvVPF18wmSfMK7vw87BTwIVRyYZLJZE+wKBgQC+9qXa2cWUb7+uyQSu2fP/F1ABBNOTxbsYFg3HVTunvPYIT6WtxB0ixDobgOfo0n\
    0YvP3nAODbrM8DOGZde+sX7Q41/ej7icHezaYPUMZnixi6OD5CxnjvlrPEm4Sz2CLVTLlMYuBTAuxICBF7U0KcCBP8GT4rc1uKBijsv/4+gQKB\
    gQDEnpbKZ1rMLy/2UXXCrVBDfjyhJfHsk5lzhu76qpw8ZqjMYQklRR+dxv48WEun+Eot7g+IOmcfM/+/GuUXIk7/iHlD6Fm0gcCyuba5kgjQia\
    KeX6MW8GB+jM6OerOmTYDkZI6Bq+aHeEfYWN3+3X8mZoxmklVIgMY4sct4PD96JwKBgEwe7YYLgOLmmLYHk0JPxx9MH6wITH5/N1EmmV937kuy\
    2y/878IQhryxE6ia/dak8RDHZT6L7xYiEHLsLIHfP5tN93g2OoTqKMmzmBpKzIvBup2ghdEAZHy8yfP5OjCmW1xDNSnp0BnG9IDSFoXebpLb9X\
    tsZIfVeAvQ4Mde0O4BAoGAGotJchbAsaKiX/tmQshYaITB9JhZnZdQep1BUuyIMXYQ9FaQKnl1o3IcIfvM0eMqPEIfteelgzPaI5s70QmJfCqd\
    P4Y/L0W+JLpj3o4Np3bBlzxtyFg73PqkumU/+8DCUM8kHZgQPU6RQbkAZ2rYR/xhiqOCpSLbrITGHEUJw8Q=";

pub fn pkcs8(text: &str) -> Vec<u8> {
    BASE64.decode(text.as_bytes()).expect("base64")
}

/// The public half of a key as PEM.
pub fn pem(private: &str) -> String {
    let key = match private {
        RSA => forms(
            "300d06092a864886f70d0101010500",
            RsaKeyPair::from_pkcs8(&pkcs8(RSA)).expect("a key").public_key().as_ref(),
        ),
        _ => {
            let algorithm = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
            let pair = signature::EcdsaKeyPair::from_pkcs8(algorithm, &pkcs8(private), &rand::SystemRandom::new());
            forms("301306072a8648ce3d020106082a8648ce3d030107", pair.expect("a key").public_key().as_ref())
        }
    };
    key.into_iter().next_back().expect("PEM is the last form")
}

/// A public key raw in base64 (with and without a mark), raw in hex, as a JSON Web Key where it is a point, in a
/// certificate, and wrapped in base64 and as PEM.
pub fn forms(algorithm: &str, key: &[u8]) -> Vec<String> {
    let bits = [&[0], key].concat();
    let algorithm = HEXLOWER.decode(algorithm.as_bytes()).expect("hex");
    let spki = element(0x30, &[algorithm, element(0x03, &bits)].concat());
    let certificate = certificate(&spki);
    let spki = BASE64.encode(&spki);
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{spki}\n-----END PUBLIC KEY-----\n");
    let raw = BASE64.encode(key);
    let (x, y) = key.get(1..).unwrap_or_default().split_at(key.len() / 2);
    let (x, y) = (BASE64URL_NOPAD.encode(x), BASE64URL_NOPAD.encode(y));
    let jwk = format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}"}}"#);
    vec![format!("whpk_{raw}"), raw, HEXLOWER.encode(key), jwk, certificate, spki, pem]
}

/// As much of an X.509 certificate as is needed to carry a key: no names, and nobody's signature.
fn certificate(spki: &[u8]) -> String {
    let (serial, empty) = (element(0x02, &[1]), element(0x30, &[]));
    let time = |text: &str| element(0x17, text.as_bytes());
    let validity = element(0x30, &[time("200101000000Z"), time("491231235959Z")].concat());
    let to_be_signed = [&serial[..], &empty, &empty, &validity, &empty, spki].concat();
    let certificate = BASE64.encode(&element(0x30, &element(0x30, &to_be_signed)));
    format!("-----BEGIN CERTIFICATE-----\n{certificate}\n-----END CERTIFICATE-----\n")
}

fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = u16::try_from(contents.len()).expect("keys are short").to_be_bytes();
    [&[tag, 0x82], &length[..], contents].concat()
}
