//! The text of a key, `trk_<id>_<secret>`, and what a key may do.

use data_encoding::BASE32_DNSSEC;
use domain::identity::Digest;
use serde::{Deserialize, Serialize};
use store::registry::ApiKey;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::entropy::Entropy;
use crate::spec::Secret;

const PREFIX: &str = "trk_";
const ID_BYTES_MAX: usize = 32;
/// Fewer than these could be guessed by trying; a key given by its owner needs as many too.
pub const SECRET_CHARS_MIN: usize = 32;
const SECRET_CHARS_MAX: usize = 256;

/// What a key may do. `admin` includes all others, `operate` includes `read`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// Publish events, and nothing else.
    #[serde(rename = "ingest:publish")]
    IngestPublish,
    /// See everything of the tenant but secrets.
    #[serde(rename = "read")]
    Read,
    /// Retry, cancel, replay, re-verify, pause and resume.
    #[serde(rename = "operate")]
    Operate,
    /// Change what is configured, and make and revoke keys.
    #[serde(rename = "admin")]
    Admin,
}

impl Scope {
    pub const ALL: [Self; 4] = [Self::IngestPublish, Self::Read, Self::Operate, Self::Admin];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IngestPublish => "ingest:publish",
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }

    const fn includes(self, needed: Self) -> bool {
        match self {
            Self::IngestPublish => matches!(needed, Self::IngestPublish),
            Self::Read => matches!(needed, Self::Read),
            Self::Operate => matches!(needed, Self::Read | Self::Operate),
            Self::Admin => true,
        }
    }
}

/// The scopes of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// Names that this version does not know grant nothing.
    #[must_use]
    pub fn parse(names: &[String]) -> Self {
        Self(Scope::ALL.into_iter().filter(|scope| names.iter().any(|name| name == scope.as_str())).collect())
    }

    #[must_use]
    pub fn allow(&self, needed: Scope) -> bool {
        self.0.iter().any(|scope| scope.includes(needed))
    }
}

/// A key's text that has the form of one; whether it opens anything is for `same` to say.
pub struct KeyText {
    text: Secret,
    id_bytes: usize,
}

impl KeyText {
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let fits = (1..=ID_BYTES_MAX).contains(&id.len())
            && (SECRET_CHARS_MIN..=SECRET_CHARS_MAX).contains(&secret.len())
            && plain(id)
            && plain(secret);
        fits.then(|| Self { text: Secret::new(text.to_owned()), id_bytes: id.len() })
    }

    /// A new key: 80 random bits name it, 256 open it.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let (mut id, mut secret) = ([0; 10], Zeroizing::new([0; 32]));
        entropy.fill(&mut id);
        entropy.fill(&mut secret[..]);
        let id = BASE32_DNSSEC.encode(&id);
        let text = format!("{PREFIX}{id}_{}", BASE32_DNSSEC.encode(&secret[..]));
        Self { id_bytes: id.len(), text: Secret::new(text) }
    }

    #[must_use]
    pub fn id(&self) -> &str {
        &self.text.expose()[PREFIX.len()..PREFIX.len() + self.id_bytes]
    }

    /// The whole text, to be shown this once.
    #[must_use]
    pub fn text(&self) -> &Secret {
        &self.text
    }

    #[must_use]
    pub fn hash(&self) -> Digest {
        Digest::of(self.text.expose().as_bytes())
    }
}

/// Whether this text is that key's, in the same time whatever is missing.
pub fn same(presented: Option<&KeyText>, known: Option<&ApiKey>) -> bool {
    let hash = presented.map_or_else(|| Digest::of(&[0; 70]), KeyText::hash);
    let expected = known.map_or([0; 32], |key| key.hash.0);
    let equal: bool = hash.0.ct_eq(&expected).into();
    equal && presented.is_some() && known.is_some()
}

#[cfg(test)]
mod tests {
    use crate::entropy::SeededEntropy;

    use super::*;

    #[test]
    fn a_key_names_itself_and_no_two_are_alike() {
        let entropy = SeededEntropy::new(1);
        let (one, two) = (KeyText::generate(&entropy), KeyText::generate(&entropy));
        let text = one.text().expose();
        assert_eq!((text.len(), one.id().len()), (4 + 16 + 1 + 52, 16));
        let read = KeyText::parse(text).expect("our own keys parse");
        assert_eq!((read.id(), read.hash()), (one.id(), one.hash()));
        assert_ne!(one.hash(), two.hash());
        assert_ne!(one.id(), two.id());
    }

    #[test]
    fn texts_that_are_not_keys_are_not_looked_up() {
        let long = format!("trk_a_{}", "x".repeat(257));
        for text in ["", "trk_", "trk_a", "trk_a_short", "trk__aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "sk_live_1", &long] {
            assert!(KeyText::parse(text).is_none(), "{text}");
        }
        assert!(KeyText::parse("trk_a'_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa").is_none());
    }

    #[test]
    fn admin_includes_all_and_operate_includes_read() {
        let table = [
            (Scope::IngestPublish, [true, false, false, false]),
            (Scope::Read, [false, true, false, false]),
            (Scope::Operate, [false, true, true, false]),
            (Scope::Admin, [true, true, true, true]),
        ];
        for (has, may) in table {
            let scopes = Scopes::parse(&[has.as_str().to_owned(), "unheard-of".to_owned()]);
            assert_eq!(Scope::ALL.map(|needed| scopes.allow(needed)), may, "{has:?}");
        }
    }
}
