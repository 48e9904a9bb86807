//! Answers that a sender wants to hear: handshakes and the reply contract. Echoes only what is short and harmless.

use std::borrow::Cow;
use std::time::Duration;

use super::check::{CHALLENGE_BYTES_MAX, Evaluation, is_challenge};
use super::digest::{self, encode};
use super::field::Field;
use super::judge::Judgement;
use super::program::{Handshake, Piece, ReplyBody, Respond};
use super::refusal::{Code, Refusal};
use super::spec::{Encoding, Hash};

/// Longest text that is echoed: challenges are tokens, not documents.
const ECHO_BYTES_MAX: usize = 1024;

/// An HTTP answer, whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    /// Lower-case names. Always with `x-content-type-options: nosniff`, and a content type where there is a body.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// What the sender wants to hear in each case; `None`: the gateway's own answer will do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplyContract {
    pub rejected: Option<Reply>,
    pub stale: Option<Reply>,
    pub duplicate: Option<Reply>,
    pub overload: Option<Reply>,
    /// By when the sender gives up waiting.
    pub deadline: Option<Duration>,
}

impl Evaluation<'_, '_> {
    /// The answer of the first handshake, of those that want verification or of those that do not, that fits.
    pub(crate) fn handshake(&self, handshakes: &[Handshake], verified: bool) -> Result<Option<Judgement>, Refusal> {
        for handshake in handshakes.iter().filter(|handshake| handshake.verified == verified) {
            if self.holds(&handshake.when)? {
                let reply = self.respond(&handshake.respond)?;
                let effect = handshake.effect.as_ref().map(|effect| self.effect(effect)).transpose()?;
                return Ok(Some(match effect {
                    Some(effect) => Judgement::Asks(effect, reply),
                    None => Judgement::Handshake(reply),
                }));
            }
        }
        Ok(None)
    }

    pub(crate) fn respond(&self, respond: &Respond) -> Result<Reply, Refusal> {
        let mut headers = vec![("x-content-type-options".to_owned(), "nosniff".to_owned())];
        for (name, piece) in &respond.headers {
            headers.push((name.to_string(), self.piece(piece)?.into_owned()));
        }
        let (content_type, body) = match &respond.body {
            ReplyBody::Empty => (None, Vec::new()),
            ReplyBody::Text(pieces) => (Some("text/plain; charset=utf-8"), self.pieces(pieces)?.into_bytes()),
            ReplyBody::Json(members) => {
                let mut object = serde_json::Map::new();
                for (key, pieces) in members {
                    object.insert(key.to_string(), self.pieces(pieces)?.into());
                }
                (Some("application/json"), serde_json::Value::Object(object).to_string().into_bytes())
            }
        };
        if let Some(content_type) = content_type
            && !headers.iter().any(|(name, _)| name == "content-type")
        {
            headers.push(("content-type".to_owned(), content_type.to_owned()));
        }
        Ok(Reply { status: respond.status, headers, body })
    }

    fn pieces(&self, pieces: &[Piece]) -> Result<String, Refusal> {
        let mut text = String::new();
        for piece in pieces {
            text.push_str(&self.piece(piece)?);
        }
        Ok(text)
    }

    fn piece<'p>(&'p self, piece: &'p Piece) -> Result<Cow<'p, str>, Refusal> {
        match piece {
            Piece::Const(text) => Ok(Cow::Borrowed(text)),
            Piece::Echo(field) => self.echo(field),
            Piece::Sha256 { of, encoding } => {
                let parts = self.values(of)?;
                let parts: Vec<&[u8]> = parts.iter().map(AsRef::as_ref).collect();
                Ok(Cow::Owned(encode(Hash::Sha256.of(&parts).as_ref(), *encoding)))
            }
            Piece::Mac { slot, of, encoding } => self.challenge_mac(*slot, of, *encoding),
        }
    }

    fn echo<'p>(&'p self, field: &'p Field) -> Result<Cow<'p, str>, Refusal> {
        let value = self.view.text(field)?.unwrap_or_default();
        let harmless = |character: char| !character.is_control();
        if value.is_empty() || value.len() > ECHO_BYTES_MAX || !value.chars().all(harmless) {
            return Err(refused("the challenge is missing, too long or holds control characters"));
        }
        Ok(value)
    }

    /// A MAC only of what can never be a message: see [`is_challenge`].
    fn challenge_mac(&self, slot: usize, of: &[Field], encoding: Encoding) -> Result<Cow<'_, str>, Refusal> {
        let parts = self.values(of)?;
        let text = parts.concat();
        if text.is_empty() || !is_challenge(&text) {
            let allowed = format!("a challenge has at most {CHALLENGE_BYTES_MAX} letters, digits, '-' and '_'");
            return Err(Refusal::new(Code::ChallengeRefused, allowed));
        }
        match self.keys.macs(slot).first() {
            Some((_, key)) => Ok(Cow::Owned(encode(digest::mac(key, &parts).as_ref(), encoding))),
            None => Err(refused("no secret is configured to answer the challenge with")),
        }
    }

    fn values<'p>(&'p self, fields: &'p [Field]) -> Result<Vec<Cow<'p, [u8]>>, Refusal> {
        let value = |field: &'p Field| match field {
            Field::Secret(slot) => match self.keys.compared(*slot).first() {
                Some((_, secret)) => Ok(Cow::Borrowed(secret.as_slice())),
                None => Err(refused("no secret is configured to answer the challenge with")),
            },
            field => self.view.read(field, None)?.ok_or_else(|| refused("the challenge is missing")),
        };
        fields.iter().map(value).collect()
    }
}

fn refused(detail: &'static str) -> Refusal {
    Refusal::new(Code::ChallengeRefused, detail)
}
