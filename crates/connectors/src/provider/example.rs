//! The second document of a recipe file: samples to send, and vectors that prove the recipe right.

mod again;
mod run;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use data_encoding::BASE64;
use domain::{Assurance, Timestamp};
use serde::Deserialize;

use super::effect::Effect;
use super::error::{Place, RecipeError, RecipeErrors};
use super::event::FoundEvent;
use super::incoming::{Incoming, Peer, Urls};
use super::reply::Reply;
use super::secret::{Role, RoleSecret};
use super::settings::Settings;
use super::yaml::{self, At};
pub use again::Again;
use again::AgainSpec;

/// What a recipe file shows of its sender.
#[derive(Debug, Default)]
pub struct Examples {
    pub samples: Vec<Sample>,
    pub vectors: Vec<Vector>,
}

/// A payload as the sender would send it, unsigned and with places to fill in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// The event type that it has.
    pub event: String,
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

/// What a vector shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Valid,
    Tampered,
    Stale,
    WrongKey,
    Handshake,
    /// The key is not at hand, so that the request waits for it.
    Pending,
    /// The request names a key where its sender keeps none.
    Hostile,
}

impl Kind {
    /// Every file has at least one of each.
    pub const REQUIRED: [Self; 4] = [Self::Valid, Self::Tampered, Self::Stale, Self::WrongKey];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Tampered => "tampered",
            Self::Stale => "stale",
            Self::WrongKey => "wrong_key",
            Self::Handshake => "handshake",
            Self::Pending => "pending",
            Self::Hostile => "hostile",
        }
    }
}

/// A request with the judgement it must get.
#[derive(Clone, Debug)]
pub struct Vector {
    pub name: String,
    /// Where it stands in its file.
    pub place: Place,
    pub kind: Kind,
    /// By what, independent of this code, the signature was made.
    pub made_by: String,
    /// Why this sender cannot have such a vector; everything below is then empty.
    pub not_applicable: Option<String>,
    pub secrets: Vec<(Role, String)>,
    /// By the place of the secret, where requests choose it by a name.
    pub secret_names: Vec<Option<String>>,
    pub settings: Settings,
    pub at: Timestamp,
    pub method: String,
    pub url: String,
    pub headers: Vec<(Arc<str>, Bytes)>,
    pub body: Bytes,
    pub peer: Peer,
    /// What stands at addresses of keys; at any other nobody answers.
    pub fetched: Vec<PublishedKey>,
    pub expect: Expect,
    /// Whether its events are the same ones when they come once more.
    pub again: Vec<Again>,
}

/// What a sender publishes, in place of the network.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PublishedKey {
    pub url: String,
    /// The JSON that has to be posted for it, where an API gives it out.
    #[serde(default)]
    pub posted: Option<String>,
    /// How the API answers, 200 if nothing is said.
    #[serde(default)]
    pub status: Option<u16>,
    pub body: String,
}

/// What must come out.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Expect {
    #[serde(default)]
    #[cfg_attr(test, schemars(schema_with = "super::schema::assurance"))]
    pub assurance: Option<Assurance>,
    #[serde(default)]
    pub events: Vec<ExpectEvent>,
    /// The code of the reason.
    #[serde(default)]
    pub rejected: Option<String>,
    /// The address of the key that it waits for.
    #[serde(default)]
    pub pending: Option<String>,
    #[serde(default)]
    pub handshake: Option<ExpectReply>,
    /// What the handshake asks for.
    #[serde(default)]
    pub effect: Option<ExpectEffect>,
    /// The answer of the reply contract.
    #[serde(default)]
    pub reply: Option<ExpectReply>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ExpectEffect {
    /// The secret itself.
    StoreSecret(String),
    ProposeUrl(String),
}

impl From<&Effect> for ExpectEffect {
    fn from(effect: &Effect) -> Self {
        match effect {
            Effect::StoreSecret(offered) => Self::StoreSecret(offered.value.to_string()),
            Effect::ProposeUrl(url) => Self::ProposeUrl(url.clone()),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ExpectReply {
    pub status: u16,
    #[serde(default)]
    pub body: String,
}

impl From<&Reply> for ExpectReply {
    fn from(reply: &Reply) -> Self {
        Self { status: reply.status, body: String::from_utf8_lossy(&reply.body).into_owned() }
    }
}

/// All of what is found is said: a field that is left out must not be found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ExpectEvent {
    #[serde(rename = "type")]
    pub event_type: String,
    #[serde(default)]
    pub id: Option<String>,
    #[serde(default)]
    pub attempt_id: Option<String>,
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub occurred_at: Option<Timestamp>,
    #[serde(default)]
    pub subject: Option<String>,
    #[serde(default)]
    pub version: Option<String>,
    #[serde(default)]
    pub connection: Option<String>,
}

impl From<&FoundEvent> for ExpectEvent {
    fn from(event: &FoundEvent) -> Self {
        Self {
            event_type: event.event_type.to_string(),
            id: event.id.clone(),
            attempt_id: event.attempt_id.clone(),
            occurred_at: event.occurred_at,
            subject: event.subject.as_ref().map(ToString::to_string),
            version: event.version.map(domain::Version::encode),
            connection: event.connection.clone(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct ExamplesSpec {
    #[serde(default)]
    samples: Vec<Sample>,
    #[serde(default)]
    vectors: Vec<At<VectorSpec>>,
}

/// A vector as written: `like` takes over what is not said from an earlier one.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct VectorSpec {
    name: String,
    kind: Kind,
    #[serde(default)]
    made_by: Option<String>,
    #[serde(default)]
    not_applicable: Option<String>,
    #[serde(default)]
    like: Option<String>,
    #[serde(default)]
    secrets: Option<Vec<SecretOf>>,
    #[serde(default)]
    settings: Option<BTreeMap<String, String>>,
    /// The moment at which it is judged.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    at: Option<Timestamp>,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    url: Option<String>,
    /// Of a `like` one: these replace, an empty one removes.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// The client's address.
    #[serde(default)]
    remote: Option<IpAddr>,
    #[serde(default)]
    by_trusted_proxy: bool,
    #[serde(default)]
    fetched: Option<Vec<PublishedKey>>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    body_base64: Option<String>,
    #[serde(default)]
    expect: Option<Expect>,
    /// The same body once more, and whether its events are the same ones. Not taken over by `like`.
    #[serde(default)]
    again: Vec<AgainSpec>,
}

#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct SecretOf {
    role: Role,
    value: String,
    /// By which requests choose it.
    #[serde(default)]
    name: Option<String>,
}

/// Reads the second document of a file.
pub(crate) fn read(file: &str, text: &str, lines_before: u64) -> Result<Examples, RecipeErrors> {
    if text.trim().is_empty() {
        return Ok(Examples::default());
    }
    let spec: ExamplesSpec = yaml::parse(file, text, lines_before)?;
    let (mut vectors, mut wrong, mut errors) = (Vec::<Vector>::new(), Vec::new(), Vec::new());
    for written in &spec.vectors {
        let (place, like) = (yaml::place(&written.referenced, lines_before), written.value.like.as_deref());
        // What is like a wrong one is told once that one is right.
        if like.is_some_and(|like| wrong.contains(&like) && vectors.iter().all(|vector| vector.name != like)) {
            wrong.push(&written.value.name);
            continue;
        }
        match complete(&written.value, place, &vectors) {
            Ok(vector) => vectors.push(vector),
            Err(message) => {
                errors.push(RecipeError { file: file.to_owned(), place, message, help: None });
                wrong.push(&written.value.name);
            }
        }
    }
    if errors.is_empty() { Ok(Examples { samples: spec.samples, vectors }) } else { Err(RecipeErrors(errors)) }
}

fn complete(written: &VectorSpec, place: Place, earlier: &[Vector]) -> Result<Vector, String> {
    let base = match &written.like {
        None => None,
        Some(name) => Some(
            earlier
                .iter()
                .find(|vector| vector.name == *name)
                .ok_or_else(|| format!("no vector '{name}' stands before this one"))?,
        ),
    };
    let missing = |what: &str| format!("a vector needs '{what}', or 'like' another one");
    let body = match (&written.body, &written.body_base64) {
        (Some(text), None) => Some(Bytes::from(text.clone())),
        (None, Some(text)) => Some(BASE64.decode(text.as_bytes()).map_err(|_| "body_base64 is not base64")?.into()),
        (None, None) => None,
        (Some(_), Some(_)) => return Err("a vector has one body: 'body' or 'body_base64'".to_owned()),
    };
    let not_applicable = written.not_applicable.is_some();
    let own = written.secrets.as_ref();
    let secrets = own.map(|secrets| secrets.iter().map(|secret| (secret.role, secret.value.clone())).collect());
    let names = own.map(|secrets| secrets.iter().map(|secret| secret.name.clone()).collect());
    let vector = Vector {
        name: written.name.clone(),
        place,
        kind: written.kind,
        made_by: written.made_by.clone().or(base.map(|base| base.made_by.clone())).unwrap_or_default(),
        not_applicable: written.not_applicable.clone(),
        secrets: secrets.or(base.map(|base| base.secrets.clone())).unwrap_or_default(),
        secret_names: names.or(base.map(|base| base.secret_names.clone())).unwrap_or_default(),
        settings: match &written.settings {
            Some(settings) => settings.clone().into_iter().collect(),
            None => base.map(|base| base.settings.clone()).unwrap_or_default(),
        },
        at: match written.at.or(base.map(|base| base.at)) {
            Some(at) => at,
            None if not_applicable => Timestamp::EPOCH,
            None => return Err(missing("at")),
        },
        method: written.method.clone().or(base.map(|base| base.method.clone())).unwrap_or_else(|| "POST".to_owned()),
        url: written.url.clone().or(base.map(|base| base.url.clone())).unwrap_or_default(),
        headers: headers(&written.headers, base),
        peer: Peer {
            address: written.remote.or(base.and_then(|base| base.peer.address)),
            by_trusted_proxy: written.by_trusted_proxy || base.is_some_and(|base| base.peer.by_trusted_proxy),
        },
        fetched: written.fetched.clone().or(base.map(|base| base.fetched.clone())).unwrap_or_default(),
        body: body.or(base.map(|base| base.body.clone())).unwrap_or_default(),
        expect: match &written.expect {
            Some(expect) => expect.clone(),
            None if not_applicable => Expect::default(),
            None => return Err(missing("expect")),
        },
        again: written.again.iter().copied().map(Again::from).collect(),
    };
    contradiction(&vector).map_or(Ok(vector), Err)
}

/// What is called tampered must be refused, or the file proves nothing.
fn contradiction(vector: &Vector) -> Option<String> {
    let Vector { kind, expect, .. } = vector;
    let accepts = expect.assurance.is_some() || expect.handshake.is_some() || expect.pending.is_some();
    let name = kind.as_str();
    if !vector.again.is_empty() && *kind != Kind::Valid {
        return Some(format!("'again' is about events, and a {name} request has none: say it of a valid one"));
    }
    match kind {
        Kind::Valid | Kind::Handshake if expect.rejected.is_some() => Some(format!(
            "a {name} request is not rejected: expect what becomes of it, or give the vector another kind"
        )),
        Kind::Tampered | Kind::Stale | Kind::WrongKey | Kind::Hostile if accepts => {
            Some(format!("a {name} request is refused: expect {{ rejected: … }}, or give the vector another kind"))
        }
        Kind::Pending if expect.pending.is_none() => Some(
            "a pending request waits for a key: expect { pending: its URL }, or give the vector another kind"
                .to_owned(),
        ),
        Kind::Valid
        | Kind::Handshake
        | Kind::Tampered
        | Kind::Stale
        | Kind::WrongKey
        | Kind::Pending
        | Kind::Hostile => None,
    }
}

fn headers(written: &BTreeMap<String, String>, base: Option<&Vector>) -> Vec<(Arc<str>, Bytes)> {
    let mut all: Vec<(Arc<str>, Bytes)> = base.map(|base| base.headers.clone()).unwrap_or_default();
    for (name, value) in written {
        all.retain(|(known, _)| **known != **name);
        if !value.is_empty() {
            all.push((name.as_str().into(), value.clone().into()));
        }
    }
    all
}

impl Vector {
    /// The vector's request, with its URL for both forms.
    #[must_use]
    pub fn incoming(&self) -> Incoming<'_> {
        let urls = Urls { configured: &self.url, received: &self.url };
        Incoming { method: &self.method, urls, headers: &self.headers, body: &self.body, peer: self.peer }
    }

    #[must_use]
    pub fn role_secrets(&self) -> Vec<RoleSecret> {
        let secrets = self.secrets.iter().enumerate().map(|(index, (role, value))| {
            let secret = RoleSecret::new(Some(*role), value.clone());
            match self.secret_names.get(index).and_then(Option::as_ref) {
                Some(name) => secret.called(name),
                None => secret,
            }
        });
        secrets.collect()
    }
}
