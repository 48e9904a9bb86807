//! Hashes, MACs and the spellings of their bytes. Every comparison of secret-dependent bytes is constant-time.

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use ring::{digest, hmac};

use super::spec::Encoding;
pub(crate) use super::spec::Hash;

/// The longest MAC or signature that is read: an RSA signature of 8192 bits.
pub(crate) const SIGNATURE_BYTES_MAX: usize = 1024;

impl Hash {
    pub fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha384 => hmac::HMAC_SHA384,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }

    pub fn of(self, parts: &[&[u8]]) -> digest::Digest {
        let algorithm = match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        let mut context = digest::Context::new(algorithm);
        for part in parts {
            context.update(part);
        }
        context.finish()
    }
}

/// The MAC of the parts one after another.
pub(crate) fn mac<P: AsRef<[u8]>>(key: &hmac::Key, parts: &[P]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(part.as_ref());
    }
    context.sign()
}

pub(crate) fn encode(bytes: &[u8], encoding: Encoding) -> String {
    match encoding {
        Encoding::Hex => HEXLOWER.encode(bytes),
        Encoding::HexUpper => HEXUPPER.encode(bytes),
        Encoding::Base64 => BASE64.encode(bytes),
        Encoding::Base64url => BASE64URL_NOPAD.encode(bytes),
    }
}

/// Decodes into `buffer`; `None` if the text is not so encoded or too long.
pub(crate) fn decode<'b>(
    text: &[u8],
    encoding: Encoding,
    buffer: &'b mut [u8; SIGNATURE_BYTES_MAX],
) -> Option<&'b [u8]> {
    let (codec, text) = match encoding {
        Encoding::Hex => (HEXLOWER, text),
        Encoding::HexUpper => (HEXUPPER, text),
        Encoding::Base64 => (BASE64, text),
        Encoding::Base64url => (BASE64URL_NOPAD, text.strip_suffix(b"==").or(text.strip_suffix(b"=")).unwrap_or(text)),
    };
    let room = buffer.get_mut(..codec.decode_len(text.len()).ok()?)?;
    let length = codec.decode_mut(text, room).ok()?;
    Some(&buffer[..length])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [Encoding; 4] = [Encoding::Hex, Encoding::HexUpper, Encoding::Base64, Encoding::Base64url];

    #[test]
    fn each_value_has_one_spelling() {
        let mut buffer = [0; SIGNATURE_BYTES_MAX];
        for (text, encoding) in [
            ("AB", Encoding::Hex),
            ("ab", Encoding::HexUpper),
            ("YQ", Encoding::Base64),
            ("YR==", Encoding::Base64),
            ("a b=", Encoding::Base64),
        ] {
            assert_eq!(decode(text.as_bytes(), encoding, &mut buffer), None, "{text}");
        }
        assert_eq!(decode(b"YQ==", Encoding::Base64url, &mut buffer), Some(b"a".as_slice()));
        assert_eq!(decode(&[b'a'; 4096], Encoding::Hex, &mut buffer), None, "longer than any signature");
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let mut buffer = [0; SIGNATURE_BYTES_MAX];
            for encoding in ALL {
                let text = encode(&bytes, encoding);
                prop_assert_eq!(decode(text.as_bytes(), encoding, &mut buffer), Some(bytes.as_slice()));
            }
        }

        #[test]
        fn no_text_panics(text: Vec<u8>) {
            let mut buffer = [0; SIGNATURE_BYTES_MAX];
            for encoding in ALL {
                let _ = decode(&text, encoding, &mut buffer);
            }
        }
    }
}
