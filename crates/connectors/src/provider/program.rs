//! A recipe under the settings of one source: names settled, pointers in slots, keys as numbered places.
//!
//! Holds no secret, so that all connections of a source share it.

mod assurance;
mod build;
mod scheme;
mod secret_places;

use std::time::Duration;

pub(crate) use assurance::assurance;
pub(crate) use build::build;
use domain::Assurance;
use ipnet::IpNet;
pub use scheme::Scheme;
pub(crate) use scheme::schemes;
pub(crate) use secret_places::secret_places;

use super::anchor::{Anchor, HostPattern};
use super::effect::EffectProgram;
use super::fetched::KeyFormat;
use super::field::Field;
use super::json::Pointers;
use super::key_api::KeyApi;
use super::secret::Role;
use super::spec::{Algorithm, Encoding, Hash, JwsAlgorithm, TimeUnit};

#[derive(Debug)]
pub(crate) struct Program {
    pub provider: Box<str>,
    pub check: Check,
    /// What key material the checks and handshakes refer to by index.
    pub slots: Vec<Slot>,
    pub methods: Vec<Box<str>>,
    pub handshakes: Vec<Handshake>,
    pub event: EventProgram,
    pub ok: Vec<OkReply>,
    /// Places that checks, handshakes and replies read in the body as received.
    pub pointers: Pointers,
    /// A check reads inside the body, so a compressed one cannot be verified.
    pub reads_inside_body: bool,
}

impl Program {
    /// Whether a handshake brings the secret of this role.
    pub fn pairs(&self, role: Role) -> bool {
        self.handshakes.iter().any(
            |handshake| matches!(&handshake.effect, Some(EffectProgram::StoreSecret { role: own, .. }) if *own == role),
        )
    }
}

/// One use of the secrets of a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub role: Role,
    pub purpose: Purpose,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Mac(Hash),
    Verify(Algorithm),
    /// Compared or hashed as it is.
    Compare,
    /// Shown to the sender's API, which gives keys for them.
    Credentials,
}

/// Of no slot: the keys of fetched ones are not among those configured.
pub(crate) const NO_SLOT: usize = usize::MAX;

#[derive(Debug)]
pub(crate) enum Check {
    None,
    Signed(Box<Signed>),
    Token { slot: usize, from: Field, select_by: Option<Field>, each: Option<Box<Each>> },
    Basic { slot: usize },
    Bind(Bind),
    Jws(Box<Jws>),
    Address(Vec<IpNet>),
    ClientCert { slot: usize, from: Field },
    AnyOf(Vec<Check>),
    AllOf { checks: Vec<Check>, binds_body: bool },
    OnlyIf { when: Vec<Test>, check: Box<Check> },
}

/// The items of an array, each of which carries the token.
#[derive(Debug)]
pub(crate) struct Each {
    pub array: Pointers,
    /// Relative to an item.
    pub item: Pointers,
}

/// A signature over a message, however it is made.
#[derive(Debug)]
pub(crate) struct Signed {
    pub proof: Proof,
    /// Of configured keys; with `fetched` there are none.
    pub slot: usize,
    pub fetched: Option<Fetch>,
    pub select_by: Option<Field>,
    pub message: Vec<Field>,
    pub signature: Signature,
    pub time: Option<Time>,
    pub assurance: Assurance,
    /// A handshake makes MACs with this key over texts that anyone may choose: such texts are no messages.
    pub refuses_challenges: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    Mac,
    PublicKey(Algorithm),
    /// The hash of the secret followed by the message.
    SecretDigest(Hash),
}

#[derive(Debug)]
pub(crate) struct Signature {
    pub from: Field,
    pub parse: Parse,
    pub encoding: Encoding,
}

#[derive(Debug)]
pub(crate) enum Parse {
    Plain { prefix: Box<str> },
    Kv { separator: Box<str>, field: Box<str> },
    Tagged { separator: Box<str>, mark: Box<str>, tag: Box<str> },
    List { separator: Box<str> },
    Positional { separator: Box<str>, fields: Vec<Box<str>> },
    Pairs { separator: Box<str>, mark: Box<str> },
    Numbered { max: u8 },
    B64json { field: Box<str> },
}

#[derive(Debug)]
pub(crate) struct Time {
    pub from: Field,
    pub unit: TimeUnit,
    pub past: Duration,
    pub future: Duration,
    pub advisory: bool,
}

#[derive(Debug)]
pub(crate) struct Bind {
    pub value: Field,
    pub hash: Hash,
    pub encoding: Encoding,
    pub of: Vec<Field>,
}

#[derive(Debug)]
pub(crate) struct Jws {
    pub from: Field,
    /// With the slot of each one's keys.
    pub algorithms: Vec<(JwsAlgorithm, usize)>,
    pub fetched: Option<Fetch>,
    pub detached: Option<Vec<Field>>,
    pub issuers: Vec<Box<str>>,
    pub audiences: Vec<Field>,
    /// Pointers into the payload, with what must stand there.
    pub claims: Vec<(Box<str>, Field)>,
    pub no_expiry: bool,
    pub issued: Option<Issued>,
    pub assurance: Assurance,
}

impl Jws {
    /// Whether keys that are configured verify too.
    pub fn takes_configured(&self) -> bool {
        self.algorithms.iter().any(|(_, slot)| *slot != NO_SLOT)
    }

    /// The algorithm with its slot that a token names, if the recipe lists it.
    pub fn algorithm(&self, alg: &str) -> Option<(JwsAlgorithm, usize)> {
        self.algorithms.iter().find(|(algorithm, _)| algorithm.as_str() == alg).copied()
    }
}

/// Where keys are fetched from, and which of them counts.
#[derive(Debug)]
pub(crate) struct Fetch {
    pub url: Field,
    pub anchor: Anchor,
    pub format: KeyFormat,
    pub kid: Option<Field>,
    pub certified: Vec<HostPattern>,
    /// Keys are not published, but given out by an API.
    pub key_api: Option<KeyApi>,
}

#[derive(Debug)]
pub(crate) struct Issued {
    pub past: Duration,
    pub future: Duration,
}

impl JwsAlgorithm {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HS256 => "HS256",
            Self::HS384 => "HS384",
            Self::HS512 => "HS512",
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::ES256 => "ES256",
            Self::EdDSA => "EdDSA",
        }
    }

    pub fn purpose(self) -> Purpose {
        match self {
            Self::HS256 => Purpose::Mac(Hash::Sha256),
            Self::HS384 => Purpose::Mac(Hash::Sha384),
            Self::HS512 => Purpose::Mac(Hash::Sha512),
            Self::RS256 => Purpose::Verify(Algorithm::RsaPkcs1Sha256),
            Self::RS384 => Purpose::Verify(Algorithm::RsaPkcs1Sha384),
            Self::RS512 => Purpose::Verify(Algorithm::RsaPkcs1Sha512),
            Self::ES256 => Purpose::Verify(Algorithm::EcdsaP256Sha256Raw),
            Self::EdDSA => Purpose::Verify(Algorithm::Ed25519),
        }
    }
}

#[derive(Debug)]
pub(crate) enum Test {
    Method(Box<str>),
    Present(Field),
    Absent(Field),
    Equals(Field, Box<[u8]>),
    EqualsSecret(Field, usize),
}

#[derive(Debug)]
pub(crate) struct Handshake {
    pub when: Vec<Test>,
    pub verified: bool,
    pub effect: Option<EffectProgram>,
    pub respond: Respond,
}

#[derive(Debug)]
pub(crate) struct OkReply {
    pub when: Vec<Test>,
    pub respond: Respond,
}

#[derive(Debug)]
pub(crate) struct Respond {
    pub status: u16,
    pub headers: Vec<(Box<str>, Piece)>,
    pub body: ReplyBody,
}

#[derive(Debug)]
pub(crate) enum ReplyBody {
    Empty,
    Text(Vec<Piece>),
    Json(Vec<(Box<str>, Vec<Piece>)>),
}

#[derive(Debug)]
pub(crate) enum Piece {
    Const(Box<str>),
    Echo(Field),
    Mac { slot: usize, of: Vec<Field>, encoding: Encoding },
    Sha256 { of: Vec<Field>, encoding: Encoding },
}

#[derive(Debug)]
pub(crate) struct EventProgram {
    pub split: Option<Split>,
    pub within: Option<Field>,
    /// Relative to the whole body.
    pub whole_pointers: Pointers,
    /// Relative to an item that `then_split` splits.
    pub parent_pointers: Pointers,
    /// Relative to a child where the request is split, to the body where it is not.
    pub pointers: Pointers,
    pub event_type: Vec<Vec<Field>>,
    pub type_otherwise: Box<str>,
    pub id: Vec<Vec<Field>>,
    pub attempt_id: Vec<Vec<Field>>,
    pub occurred_at: Vec<Moment>,
    pub subject: Vec<SubjectOf>,
    pub connection: Vec<Vec<Field>>,
}

#[derive(Debug)]
pub(crate) enum Split {
    /// An array, and the arrays of its items whose items are the events.
    Json(Pointers, Vec<Pointers>),
    Xml(Box<str>),
}

#[derive(Debug)]
pub(crate) struct Moment {
    pub from: Field,
    pub unit: TimeUnit,
}

#[derive(Debug)]
pub(crate) struct SubjectOf {
    pub object: Field,
    pub id: Field,
    pub version: Option<VersionOf>,
}

#[derive(Debug)]
pub(crate) enum VersionOf {
    Time(Moment),
    Number(Field),
}
