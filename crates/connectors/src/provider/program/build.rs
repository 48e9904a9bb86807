//! Turns a recipe as written into its program under a source's settings.

mod event;
mod handshake;
mod token;

use std::net::IpAddr;

use ipnet::IpNet;

use super::assurance::{binds_body, proven, reads_inside_body};
use super::{
    Bind, Check, Each, NO_SLOT, OkReply, Parse, Piece, Program, Proof, Purpose, ReplyBody, Respond, Signature, Signed,
    Slot, Test, Time,
};
use crate::provider::error::KeyError;
use crate::provider::field::{Field, Listed};
use crate::provider::json::Pointers;
use crate::provider::secret::Role;
use crate::provider::settings::{BadSetting, Param, Settings};
use crate::provider::spec::{
    BodySpec, CheckSpec, Extract, ListedHeadersSpec, ParseSpec, PieceSpec, RecipeSpec, RespondSpec, SignatureSpec,
    TestSpec, TimeSpec, TokenSpec, Transform,
};
use crate::provider::yaml::At;

/// The program of `spec` under `settings`, which must already hold the recipe's defaults.
pub(crate) fn build(spec: &RecipeSpec, settings: &Settings) -> Result<Program, KeyError> {
    let token = spec.verify.value.first_token();
    let (pointers, parent_pointers) = (Pointers::default(), Pointers::default());
    Builder { spec, settings, token, slots: Vec::new(), pointers, parent_pointers, reads_inside_body: false }.program()
}

struct Builder<'a> {
    spec: &'a RecipeSpec,
    settings: &'a Settings,
    /// Where the token stands whose claims are read.
    token: Option<&'a Extract>,
    slots: Vec<Slot>,
    pointers: Pointers,
    /// Relative to an item of a request that is split twice.
    parent_pointers: Pointers,
    reads_inside_body: bool,
}

type Built<T> = Result<T, KeyError>;

impl Builder<'_> {
    fn program(mut self) -> Built<Program> {
        let check = self.check(&self.spec.verify.value)?;
        // Only what the checks read counts: handshakes and replies look at the body after it was verified.
        let reads_inside_body = self.reads_inside_body;
        let handshakes = self.spec.handshakes.iter().map(|spec| self.handshake(&spec.value)).collect::<Built<_>>()?;
        let ok = self
            .spec
            .reply
            .ok
            .iter()
            .map(|ok| Ok(OkReply { when: self.tests(&ok.when)?, respond: self.respond(&ok.respond)? }));
        let ok = ok.collect::<Built<_>>()?;
        let event = self.event(&self.spec.event.value)?;
        let methods = if self.spec.methods.is_empty() {
            vec!["POST".into()]
        } else {
            self.spec.methods.iter().map(|method| method.value.as_str().into()).collect()
        };
        let provider = self.spec.provider.value.as_str().into();
        Ok(Program {
            provider,
            check,
            slots: self.slots,
            methods,
            handshakes,
            event,
            ok,
            pointers: self.pointers,
            reads_inside_body,
        })
    }

    /// A slot, unless the keys are not configured.
    fn slot_of(&mut self, role: Option<Role>, purpose: Purpose) -> usize {
        role.map_or(NO_SLOT, |role| self.slot(role, purpose))
    }

    fn slot(&mut self, role: Role, purpose: Purpose) -> usize {
        let slot = Slot { role, purpose };
        self.slots.iter().position(|known| *known == slot).unwrap_or_else(|| {
            self.slots.push(slot);
            self.slots.len() - 1
        })
    }

    fn check(&mut self, spec: &CheckSpec) -> Built<Check> {
        Ok(match spec {
            CheckSpec::None => Check::None,
            CheckSpec::Hmac(hmac) => {
                let slot = self.slot(hmac.key, Purpose::Mac(self.required(&hmac.hash)?));
                let refuses_challenges = self.has_open_mac_handshake(hmac.key);
                let signed = self.signed(Proof::Mac, slot, &hmac.message, &hmac.signature, hmac.time.as_ref())?;
                let select_by = self.selector(hmac.select_by.as_ref())?;
                Check::Signed(Box::new(Signed { refuses_challenges, select_by, ..signed }))
            }
            CheckSpec::Signature(spec) => {
                let slot = self.slot_of(spec.key, Purpose::Verify(spec.algorithm));
                let proof = Proof::PublicKey(spec.algorithm);
                let signed = self.signed(proof, slot, &spec.message, &spec.signature, spec.time.as_ref())?;
                let select_by = self.selector(spec.select_by.as_ref())?;
                let fetched = self.fetched(spec.fetched.as_ref())?;
                Check::Signed(Box::new(Signed { select_by, fetched, ..signed }))
            }
            CheckSpec::Digest(spec) => {
                let slot = self.slot(spec.key, Purpose::Compare);
                let proof = Proof::SecretDigest(spec.hash);
                Check::Signed(Box::new(self.signed(proof, slot, &spec.message, &spec.signature, None)?))
            }
            CheckSpec::Token(spec) => {
                let slot = self.slot(spec.key, Purpose::Compare);
                let (from, each) = self.token_place(spec)?;
                Check::Token { slot, from, select_by: self.selector(spec.select_by.as_ref())?, each }
            }
            CheckSpec::ClientCert(spec) => {
                Check::ClientCert { slot: self.slot(spec.key, Purpose::Compare), from: self.checked_field(&spec.from)? }
            }
            CheckSpec::Ip(spec) => Check::Address(self.addresses(&spec.allow)?),
            CheckSpec::Jws(spec) => self.token_check(spec)?,
            CheckSpec::Basic(spec) => Check::Basic { slot: self.slot(spec.key, Purpose::Compare) },
            CheckSpec::Bind(spec) => Check::Bind(Bind {
                value: self.checked_field(&spec.value)?,
                hash: spec.hash,
                encoding: spec.encoding,
                of: self.checked_fields(&spec.of)?,
            }),
            CheckSpec::AnyOf(specs) => Check::AnyOf(self.checks(specs)?),
            CheckSpec::AllOf(specs) => {
                let checks = self.checks(specs)?;
                Check::AllOf { binds_body: binds_body(&checks), checks }
            }
            CheckSpec::OnlyIf(spec) => {
                let when = self.tests(&spec.when)?;
                self.reads_inside_body |= when.iter().filter_map(test_field).any(reads_inside_body);
                Check::OnlyIf { when, check: Box::new(self.check(&spec.check.value)?) }
            }
            CheckSpec::BySetting(spec) => {
                let chosen = if self.settings.get(&spec.setting).is_some() { &spec.given } else { &spec.absent };
                self.check(&chosen.value)?
            }
        })
    }

    fn checks(&mut self, specs: &[At<CheckSpec>]) -> Built<Vec<Check>> {
        specs.iter().map(|spec| self.check(&spec.value)).collect()
    }

    fn signed(
        &mut self,
        proof: Proof,
        slot: usize,
        message: &[At<Extract>],
        signature: &At<SignatureSpec>,
        time: Option<&At<TimeSpec>>,
    ) -> Built<Signed> {
        let message = self.checked_fields(message)?;
        let assurance = proven(proof, &message);
        let signature = self.signature(&signature.value)?;
        let time = time.map(|time| self.time(&time.value)).transpose()?;
        let (select_by, refuses_challenges) = (None, false);
        Ok(Signed { proof, slot, fetched: None, select_by, message, signature, time, assurance, refuses_challenges })
    }

    fn selector(&mut self, select_by: Option<&Extract>) -> Built<Option<Field>> {
        select_by.map(|extract| self.checked_field(extract)).transpose()
    }

    fn addresses(&self, allow: &Param<String>) -> Built<Vec<IpNet>> {
        let text = self.required(allow)?;
        let net = |text: &str| text.parse::<IpNet>().ok().or_else(|| Some(text.parse::<IpAddr>().ok()?.into()));
        let texts = text.split([',', ' ']).filter(|text| !text.is_empty());
        let nets: Option<Vec<IpNet>> = texts.map(net).collect();
        nets.filter(|nets| !nets.is_empty()).ok_or_else(|| {
            let problem = "it is a list of addresses and CIDRs such as 192.0.2.0/24, between commas".to_owned();
            self.unusable(BadSetting { name: allow.setting().unwrap_or_default().to_owned(), value: text, problem })
        })
    }

    fn signature(&mut self, spec: &SignatureSpec) -> Built<Signature> {
        let parse = match &spec.parse {
            ParseSpec::Plain { prefix } => Parse::Plain { prefix: self.required(prefix)?.into() },
            ParseSpec::Kv { separator, field } => {
                Parse::Kv { separator: separator.as_str().into(), field: field.as_str().into() }
            }
            ParseSpec::Tagged { separator, mark, tag } => Parse::Tagged {
                separator: separator.as_str().into(),
                mark: mark.as_str().into(),
                tag: self.required(tag)?.into(),
            },
            ParseSpec::List { separator } => Parse::List { separator: separator.as_str().into() },
            ParseSpec::Positional { separator, fields } => Parse::Positional {
                separator: separator.as_str().into(),
                fields: fields.iter().map(|field| field.as_str().into()).collect(),
            },
            ParseSpec::Pairs { separator, mark } => {
                Parse::Pairs { separator: separator.as_str().into(), mark: mark.as_str().into() }
            }
            ParseSpec::Numbered { max } => Parse::Numbered { max: *max },
            ParseSpec::B64json { field } => Parse::B64json { field: field.as_str().into() },
        };
        Ok(Signature { from: self.checked_field(&spec.from)?, parse, encoding: self.required(&spec.encoding)? })
    }

    fn time(&mut self, spec: &TimeSpec) -> Built<Time> {
        Ok(Time {
            from: self.checked_field(&spec.from)?,
            unit: self.required(&spec.unit)?,
            past: self.required(&spec.past)?.0,
            future: self.required(&spec.future)?.0,
            advisory: spec.advisory,
        })
    }

    fn tests(&mut self, specs: &[At<TestSpec>]) -> Built<Vec<Test>> {
        let test = |this: &mut Self, spec: &TestSpec| {
            Ok(match spec {
                TestSpec::Method(method) => Test::Method(method.as_str().into()),
                TestSpec::Present(value) => Test::Present(this.request_field(value)?),
                TestSpec::Absent(value) => Test::Absent(this.request_field(value)?),
                TestSpec::Equals { value, to } => Test::Equals(this.request_field(value)?, to.as_bytes().into()),
                TestSpec::EqualsSecret { value, key } => {
                    Test::EqualsSecret(this.request_field(value)?, this.slot(*key, Purpose::Compare))
                }
            })
        };
        specs.iter().map(|spec| test(self, &spec.value)).collect()
    }

    fn respond(&mut self, spec: &RespondSpec) -> Built<Respond> {
        let headers = spec.headers.iter().map(|(name, piece)| Ok((name.as_str().into(), self.piece(piece)?)));
        let headers = headers.collect::<Built<_>>()?;
        let body = match &spec.body {
            BodySpec::Empty => ReplyBody::Empty,
            BodySpec::Text(pieces) => ReplyBody::Text(self.pieces(pieces)?),
            BodySpec::Json(members) => {
                let members = members.iter().map(|(key, pieces)| Ok((key.as_str().into(), self.pieces(pieces)?)));
                ReplyBody::Json(members.collect::<Built<_>>()?)
            }
        };
        Ok(Respond { status: spec.status, headers, body })
    }

    fn pieces(&mut self, specs: &[PieceSpec]) -> Built<Vec<Piece>> {
        specs.iter().map(|spec| self.piece(spec)).collect()
    }

    fn piece(&mut self, spec: &PieceSpec) -> Built<Piece> {
        Ok(match spec {
            PieceSpec::Const(text) => Piece::Const(text.as_str().into()),
            PieceSpec::Echo(value) => Piece::Echo(self.request_field(value)?),
            PieceSpec::Hmac { hash, key, of, encoding } => {
                let of = of.iter().map(|value| self.request_field(value)).collect::<Built<_>>()?;
                Piece::Mac { slot: self.slot(*key, Purpose::Mac(*hash)), of, encoding: *encoding }
            }
            PieceSpec::Sha256 { of, encoding } => {
                let of = of.iter().map(|value| self.request_field(value)).collect::<Built<_>>()?;
                Piece::Sha256 { of, encoding: *encoding }
            }
        })
    }

    /// Where a token stands: in the request, or in each item of an array of its body.
    fn token_place(&mut self, spec: &TokenSpec) -> Built<(Field, Option<Box<Each>>)> {
        let Some(pointer) = &spec.each else { return Ok((self.checked_field(&spec.from)?, None)) };
        self.reads_inside_body = true;
        let mut item = Pointers::default();
        let from = self.field(&spec.from, &mut item)?;
        Ok((from, Some(Box::new(Each { array: one_pointer(pointer), item }))))
    }

    fn checked_fields(&mut self, specs: &[At<Extract>]) -> Built<Vec<Field>> {
        specs.iter().map(|spec| self.checked_field(&spec.value)).collect()
    }

    /// A field that decides whether the request is accepted.
    fn checked_field(&mut self, extract: &Extract) -> Built<Field> {
        let field = self.request_field(extract)?;
        self.reads_inside_body |= reads_inside_body(&field);
        Ok(field)
    }

    fn request_field(&mut self, extract: &Extract) -> Built<Field> {
        let mut pointers = std::mem::take(&mut self.pointers);
        let field = self.field(extract, &mut pointers);
        self.pointers = pointers;
        field
    }

    fn named(&self, param: &Param<String>, make: fn(Box<str>) -> Field) -> Built<Field> {
        Ok(self.optional(param)?.map_or(Field::Unset, |name| make(name.into())))
    }

    fn field(&mut self, extract: &Extract, pointers: &mut Pointers) -> Built<Field> {
        match extract {
            Extract::Header(name) => {
                Ok(self.optional(name)?.map_or(Field::Unset, |name| Field::Header(name.to_ascii_lowercase().into())))
            }
            Extract::Query(name) => self.named(name, Field::Query),
            Extract::Form(name) => self.named(name, Field::Form),
            Extract::Multipart(name) => self.named(name, Field::Multipart),
            Extract::Xml(path) => Ok(Field::Xml(path.as_str().into())),
            Extract::Json(pointer) => {
                Ok(self.optional(pointer)?.map_or(Field::Unset, |pointer| Field::Json(pointers.add(&pointer))))
            }
            Extract::Const(text) => {
                Ok(self.optional(text)?.map_or(Field::Unset, |text| Field::Const(text.into_bytes().into())))
            }
            Extract::Method => Ok(Field::Method),
            Extract::Url(form) => Ok(Field::Url(*form)),
            Extract::Path => Ok(Field::Path),
            Extract::Body => Ok(Field::Body),
            Extract::Sig(name) => Ok(Field::Sig(name.as_str().into())),
            Extract::SortedForm => Ok(Field::SortedForm),
            Extract::Transform(spec) => {
                Ok(Field::Transformed(Box::new(self.field(&spec.of, pointers)?), spec.by.clone()))
            }
            Extract::Maybe(inner) => Ok(Field::Maybe(Box::new(self.field(inner, pointers)?))),
            Extract::ListedHeaders(spec) => {
                Ok(Field::ListedHeaders(Box::new(self.field(&spec.names, pointers)?), listed(spec)))
            }
            Extract::Claim(pointer) => match self.token {
                Some(token) => Ok(claim(self.field(token, pointers)?, pointer)),
                None => Ok(Field::Unset),
            },
            Extract::FirstKey(spec) => {
                let except = spec.except.iter().map(|except| except.as_str().into()).collect();
                Ok(Field::FirstKey(pointers.add(&spec.at), except))
            }
            Extract::Join(spec) => Ok(Field::Join(spec.separator.as_str().into(), self.several(&spec.of, pointers)?)),
            Extract::Segment(of) => Ok(Field::Segment(self.several(of, pointers)?)),
            Extract::Secret(role) => Ok(Field::Secret(self.slot(*role, Purpose::Compare))),
            Extract::Whole(inner) => Ok(Field::Whole(Box::new(self.request_field(inner)?))),
            Extract::Parent(inner) => Ok(Field::Parent(Box::new(self.parent_field(inner)?))),
            Extract::Position => Ok(Field::Position),
        }
    }

    fn several(&mut self, extracts: &[Extract], pointers: &mut Pointers) -> Built<Vec<Field>> {
        extracts.iter().map(|extract| self.field(extract, pointers)).collect()
    }

    fn optional<T: Clone + serde::de::DeserializeOwned>(&self, param: &Param<T>) -> Built<Option<T>> {
        param.resolve(self.settings).map_err(|bad| self.unusable(bad))
    }

    fn required<T: Clone + serde::de::DeserializeOwned>(&self, param: &Param<T>) -> Built<T> {
        self.optional(param)?.ok_or_else(|| {
            let name = param.setting().unwrap_or_default();
            let declared = self.spec.settings.iter().find(|setting| setting.value.name == name);
            KeyError::MissingSetting {
                provider: self.spec.provider.value.clone(),
                name: name.to_owned(),
                about: declared.map(|setting| setting.value.about.clone()).unwrap_or_default(),
            }
        })
    }

    fn unusable(&self, bad: BadSetting) -> KeyError {
        let BadSetting { name, value, problem } = bad;
        KeyError::UnusableSetting { provider: self.spec.provider.value.clone(), name, value, problem }
    }
}

fn one_pointer(pointer: &str) -> Pointers {
    let mut pointers = Pointers::default();
    pointers.add(pointer);
    pointers
}

/// A member of the payload of the token that stands in a field.
fn claim(token: Field, pointer: &str) -> Field {
    Field::Transformed(Box::new(token), vec![Transform::JwsPayload, Transform::Json(pointer.to_owned())])
}

fn listed(spec: &ListedHeadersSpec) -> Listed {
    Listed {
        separator: spec.separator.as_str().into(),
        join: spec.join.as_str().into(),
        pair: spec.pair.as_deref().map(Into::into),
        required: spec.required.iter().map(|name| name.to_ascii_lowercase().into()).collect(),
    }
}

fn test_field(test: &Test) -> Option<&Field> {
    match test {
        Test::Method(_) => None,
        Test::Present(field) | Test::Absent(field) | Test::Equals(field, _) | Test::EqualsSecret(field, _) => {
            Some(field)
        }
    }
}
