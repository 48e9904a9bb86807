//! Signing the ends of chains: every node says, under one key, where the chains of all nodes ended when it looked.
//! Whoever cuts one off or writes it anew cannot make what was said about it before.

use std::sync::Arc;

use ring::hmac;

use super::{Head, spelt};
use crate::identity::Digest;
use crate::{Tenant, Timestamp};

const STATEMENT_FORM: &str = "trireme audit statement 1";
const CUT_FORM: &str = "trireme audit cut 1";

/// The key that statements and cuts are signed with: one for all nodes of a store.
#[derive(Clone)]
pub struct AuditKey {
    key: hmac::Key,
    id: Arc<str>,
}

impl AuditKey {
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let named = hmac::sign(&key, b"name of this key");
        Self { key, id: data_encoding::HEXLOWER.encode(&named.as_ref()[..8]).into() }
    }

    /// Public name of the key: says which one signed, and nothing about it.
    #[must_use]
    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    fn sign(&self, bytes: &[u8]) -> Digest {
        let mut out = [0; 32];
        out.copy_from_slice(hmac::sign(&self.key, bytes).as_ref());
        Digest(out)
    }

    fn signed(&self, bytes: &[u8], key: &str, signature: &Digest) -> bool {
        key == &*self.id && hmac::verify(&self.key, bytes, &signature.0).is_ok()
    }
}

impl std::fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AuditKey({})", self.id)
    }
}

/// What one node says about the chains of all nodes of a tenant, its own included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    pub tenant: Tenant,
    pub signer: Arc<str>,
    /// From 1, without gaps per tenant and signer: one that is taken away is missed.
    pub number: u64,
    pub at: Timestamp,
    pub heads: Vec<Head>,
    /// Public name of the key it was signed with.
    pub key: Arc<str>,
    pub signature: Digest,
}

impl Statement {
    /// Signs; `key` and `signature` are put in.
    #[must_use]
    pub fn signed(mut self, key: &AuditKey) -> Self {
        self.key = Arc::clone(&key.id);
        self.signature = key.sign(&self.canonical());
        self
    }

    #[must_use]
    pub fn is_signed_by(&self, key: &AuditKey) -> bool {
        key.signed(&self.canonical(), &self.key, &self.signature)
    }

    fn canonical(&self) -> Vec<u8> {
        let (number, at) = (self.number.to_be_bytes(), self.at.as_micros().to_be_bytes());
        let own = [STATEMENT_FORM.as_bytes(), self.tenant.as_str().as_bytes(), self.signer.as_bytes(), &number, &at];
        let mut bytes = spelt(&own);
        for head in &self.heads {
            bytes.extend(spelt(&[head.node.as_bytes(), &head.sequence.to_be_bytes(), &head.digest.0]));
        }
        bytes
    }
}

/// That the beginning of a chain was removed for its age: the last entry that went, signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    pub tenant: Tenant,
    /// Number and digest of the last entry that was removed.
    pub through: Head,
    pub at: Timestamp,
    pub key: Arc<str>,
    pub signature: Digest,
}

impl Cut {
    #[must_use]
    pub fn signed(tenant: Tenant, through: Head, at: Timestamp, key: &AuditKey) -> Self {
        let mut cut = Self { tenant, through, at, key: Arc::clone(&key.id), signature: super::GENESIS };
        cut.signature = key.sign(&cut.canonical());
        cut
    }

    #[must_use]
    pub fn is_signed_by(&self, key: &AuditKey) -> bool {
        key.signed(&self.canonical(), &self.key, &self.signature)
    }

    fn canonical(&self) -> Vec<u8> {
        let (sequence, at) = (self.through.sequence.to_be_bytes(), self.at.as_micros().to_be_bytes());
        let (tenant, node) = (self.tenant.as_str().as_bytes(), self.through.node.as_bytes());
        spelt(&[CUT_FORM.as_bytes(), tenant, node, &sequence, &self.through.digest.0, &at])
    }
}
