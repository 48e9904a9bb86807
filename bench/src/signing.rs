//! How the generator's requests are signed: HMAC-SHA256 of the body in a header, which most senders use.

use ring::hmac;

/// The webhook side of the configured sources, as `trireme.yaml` and the requests both need it.
#[derive(Clone, Debug)]
pub struct Signing {
    /// The provider that the sources listen to.
    pub provider: String,
    /// More keys of the source's `webhook` mapping, for providers that are told where the signature is.
    pub settings: Vec<(String, String)>,
    pub secret: String,
    /// Header that carries the signature.
    pub header: String,
    /// What stands before the signature in it, such as `sha256=`.
    pub prefix: String,
    pub encoding: Encoding,
    /// Header that carries the event's id, where the provider has one.
    pub id_header: Option<String>,
    /// More headers that the provider wants on every request.
    pub headers: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Hex,
    Base64,
}

impl Signing {
    /// For sources of the provider `generic-hmac` as it is by default. The event's id is looked up in the body, so
    /// that deduplication is part of what is measured.
    #[must_use]
    pub fn generic_hmac(secret: &str) -> Self {
        let settings = vec![("id_pointer".to_owned(), "/bench_id".to_owned())];
        Self { settings, ..Self::new("generic-hmac", "x-signature", secret) }
    }

    /// A plain hexadecimal signature in `header`.
    #[must_use]
    pub fn new(provider: &str, header: &str, secret: &str) -> Self {
        Self {
            provider: provider.to_owned(),
            settings: Vec::new(),
            secret: secret.to_owned(),
            header: header.to_owned(),
            prefix: String::new(),
            encoding: Encoding::Hex,
            id_header: None,
            headers: Vec::new(),
        }
    }

    pub(crate) fn signer(&self) -> Signer {
        Signer { key: hmac::Key::new(hmac::HMAC_SHA256, self.secret.as_bytes()), encoding: self.encoding }
    }
}

#[derive(Clone)]
pub(crate) struct Signer {
    key: hmac::Key,
    encoding: Encoding,
}

impl Signer {
    /// Characters of every signature.
    pub(crate) fn length(&self) -> usize {
        self.base().encode_len(hmac::HMAC_SHA256.digest_algorithm().output_len())
    }

    /// Writes the signature of `body` into `out`, which has [`Self::length`] bytes.
    pub(crate) fn sign(&self, body: &[u8], out: &mut [u8]) {
        self.base().encode_mut(hmac::sign(&self.key, body).as_ref(), out);
    }

    fn base(&self) -> data_encoding::Encoding {
        match self.encoding {
            Encoding::Hex => data_encoding::HEXLOWER,
            Encoding::Base64 => data_encoding::BASE64,
        }
    }
}
