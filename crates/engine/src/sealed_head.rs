//! Heads of requests that are kept, sealed: whoever reads the store's file must not be able to send as the sender.
//!
//! Headers and query are sealed as a whole, because a recipe may take its token from any of them. They are sealed by a
//! key of their own, which the master key seals, so that a new master key need not touch every request.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use domain::request::InboundRequest;
use store::Store;
use store::intake::KeptRequest;
use zeroize::Zeroizing;

use crate::engine::EngineError;
use crate::entropy::{Entropy, SharedEntropy};
use crate::vault::{MasterKey, Place, Vault, VaultError};

/// Name of the setting that holds the key.
pub const KEY_SETTING: &str = "request_key";
/// Where that key belongs.
const KEY_PLACE: Place<'static> = Place { tenant: "", object: "requests", role: "key" };
/// The one header of a sealed head: no name that can come in by HTTP begins so.
const SEALED: &str = ":sealed";
/// What is sealed at once: a head may be larger than a secret.
const PIECE_BYTES: usize = 32 * 1024;
const KEY_BYTES: usize = 32;

/// Cheap to clone. Closed until its key was read.
#[derive(Clone)]
pub struct HeadSeal {
    entropy: SharedEntropy,
    key: Arc<OnceLock<Vault>>,
}

impl HeadSeal {
    #[must_use]
    pub fn new(entropy: SharedEntropy) -> Self {
        Self { entropy, key: Arc::default() }
    }

    /// Reads the key, or makes it on the first start.
    pub async fn unlock(&self, store: &dyn Store, vault: &Vault) -> Result<(), EngineError> {
        if self.key.get().is_some() {
            return Ok(());
        }
        let key = match store.setting(KEY_SETTING.into()).await? {
            Some(sealed) => vault.open(&KEY_PLACE, &String::from_utf8_lossy(&sealed)).map_err(not_ours)?,
            None => {
                let mut key = Zeroizing::new(vec![0; KEY_BYTES]);
                self.entropy.fill(&mut key);
                let sealed = vault.seal(&*self.entropy, &KEY_PLACE, &key).map_err(not_ours)?;
                // Another node may have made one meanwhile: then that counts.
                let kept = store.keep_setting(KEY_SETTING.into(), sealed.into_bytes().into()).await?;
                vault.open(&KEY_PLACE, &String::from_utf8_lossy(&kept)).map_err(not_ours)?
            }
        };
        let key = MasterKey::from_hex(&Zeroizing::new(HEXLOWER.encode(&key)));
        let key = key.map_err(|_| not_ours(VaultError::UnknownForm))?;
        // Another one that came first read the same.
        let _ = self.key.set(Vault::new(key));
        Ok(())
    }

    /// The request as it may be kept. Without a key its head is left out: nothing is kept in plain.
    #[must_use]
    pub fn seal(&self, request: InboundRequest) -> InboundRequest {
        let place = RequestPlace::of(&request);
        let head = encode(&request);
        let seal = |piece: &[u8]| {
            let sealed = self.key.get()?.seal(&*self.entropy, &place.as_place(), piece).ok()?;
            Some((Arc::from(SEALED), Bytes::from(sealed)))
        };
        let headers = head.chunks(PIECE_BYTES).map_while(seal).collect();
        let url = request.url.split_once('?').map_or(Arc::clone(&request.url), |(path, _)| path.into());
        InboundRequest { headers, url, ..request }
    }

    /// The request as it came. One that was kept before heads were sealed is given as it is.
    pub fn open(&self, request: &InboundRequest) -> Result<InboundRequest, VaultError> {
        if !request.headers.iter().any(|(name, _)| **name == *SEALED) {
            return Ok(request.clone());
        }
        let place = RequestPlace::of(request);
        let key = self.key.get().ok_or(VaultError::UnknownForm)?;
        let mut head = Zeroizing::new(Vec::new());
        for (_, piece) in &request.headers {
            head.extend_from_slice(&key.open(&place.as_place(), &String::from_utf8_lossy(piece))?);
        }
        let (url, headers) = decode(&head).ok_or(VaultError::UnknownForm)?;
        Ok(InboundRequest { url, headers, ..request.clone() })
    }

    /// The same of a kept one, for a person to see; a head that does not open is left out.
    #[must_use]
    pub fn shown(&self, kept: KeptRequest) -> KeptRequest {
        let opened = self.open(&kept.request);
        let request = opened.unwrap_or_else(|_| InboundRequest { headers: Vec::new(), ..(*kept.request).clone() });
        KeptRequest { request: Arc::new(request), ..kept }
    }
}

/// The key of kept heads under another master key, for whoever changes that.
pub fn rewrap_key(from: &Vault, to: &Vault, entropy: &dyn Entropy, sealed: &str) -> Result<String, VaultError> {
    if to.open(&KEY_PLACE, sealed).is_ok() {
        return Ok(sealed.to_owned());
    }
    from.rewrap(to, entropy, &KEY_PLACE, sealed)
}

fn not_ours(error: VaultError) -> EngineError {
    EngineError::Invalid { code: error.code(), detail: format!("the key of kept requests: {error}") }
}

/// To what a head is bound: a copy in another row does not open.
struct RequestPlace {
    tenant: String,
    object: String,
    role: String,
}

impl RequestPlace {
    fn of(request: &InboundRequest) -> Self {
        Self {
            tenant: request.tenant.to_string(),
            object: format!("source/{}", request.source),
            role: request.id.to_string(),
        }
    }

    fn as_place(&self) -> Place<'_> {
        Place { tenant: &self.tenant, object: &self.object, role: &self.role }
    }
}

/// URL, then names and values, each after its length.
fn encode(request: &InboundRequest) -> Zeroizing<Vec<u8>> {
    let parts = request.headers.iter().flat_map(|(name, value)| [name.as_bytes(), value]);
    let mut head = Zeroizing::new(Vec::new());
    for part in std::iter::once(request.url.as_bytes()).chain(parts) {
        head.extend_from_slice(&(part.len() as u64).to_be_bytes());
        head.extend_from_slice(part);
    }
    head
}

type Head = (Arc<str>, Vec<(Arc<str>, Bytes)>);

fn decode(head: &[u8]) -> Option<Head> {
    let (mut rest, mut parts) = (head, Vec::new());
    while !rest.is_empty() {
        let (length, tail) = rest.split_first_chunk::<8>()?;
        let (part, tail) = tail.split_at_checked(usize::try_from(u64::from_be_bytes(*length)).ok()?)?;
        parts.push(part);
        rest = tail;
    }
    let (url, headers) = parts.split_first()?;
    let text = |bytes: &[u8]| Some(Arc::from(std::str::from_utf8(bytes).ok()?));
    let (pairs, odd) = headers.as_chunks::<2>();
    let headers = pairs.iter().map(|[name, value]| Some((text(name)?, Bytes::copy_from_slice(value))));
    odd.is_empty().then(|| Some((text(url)?, headers.collect::<Option<_>>()?)))?
}

#[cfg(test)]
mod tests {
    use domain::{RequestId, Tenant, Timestamp};

    use super::*;
    use crate::entropy::SystemEntropy;

    fn seal() -> HeadSeal {
        let seal = HeadSeal::new(SystemEntropy::shared());
        let _ = seal.key.set(Vault::new(MasterKey::from_hex(&"0b".repeat(32)).expect("64 digits")));
        seal
    }

    fn request(value: &[u8]) -> InboundRequest {
        InboundRequest {
            id: RequestId::from_uuid(uuid::Uuid::from_u128(7)),
            tenant: Tenant::default_tenant(),
            source: "github".parse().expect("a name"),
            connection: "".into(),
            method: "POST".into(),
            url: "https://hooks.example/in/github?token=canary".into(),
            headers: vec![("authorization".into(), Bytes::copy_from_slice(value)), ("x-empty".into(), Bytes::new())],
            body: Bytes::from_static(b"{}"),
            remote: "192.0.2.1".into(),
            received_at: Timestamp::EPOCH,
        }
    }

    #[test]
    fn a_head_is_sealed_whole_and_opens_only_where_it_belongs() {
        let large = vec![0xff; 3 * PIECE_BYTES];
        for value in [b"Bearer canary".as_slice(), &large] {
            let sealed = seal().seal(request(value));
            assert!(sealed.headers.iter().all(|(name, _)| **name == *SEALED), "{sealed:?}");
            assert!(!format!("{sealed:?}").contains("canary"), "{sealed:?}");
            assert_eq!((&*sealed.url, &sealed.body), ("https://hooks.example/in/github", &request(value).body));
            assert_eq!(seal().open(&sealed), Ok(request(value)));
            let other = RequestId::from_uuid(uuid::Uuid::from_u128(8));
            assert_eq!(seal().open(&InboundRequest { id: other, ..sealed.clone() }), Err(VaultError::NotAuthentic));
            let source = "gitlab".parse().expect("a name");
            assert_eq!(seal().open(&InboundRequest { source, ..sealed }), Err(VaultError::NotAuthentic));
        }
    }

    #[test]
    fn without_a_key_nothing_is_kept_in_plain() {
        let closed = HeadSeal::new(SystemEntropy::shared());
        let kept = closed.seal(request(b"Bearer canary"));
        assert!(kept.headers.is_empty() && !kept.url.contains("canary"), "{kept:?}");
    }

    #[test]
    fn what_is_cut_is_no_head() {
        let head = encode(&request(b"value"));
        assert!(decode(&head).is_some());
        for length in 0..head.len() {
            let whole_parts = decode(&head[..length]).is_some_and(|(_, headers)| headers.len() < 2);
            assert!(decode(&head[..length]).is_none() || whole_parts, "{length}");
        }
    }
}
