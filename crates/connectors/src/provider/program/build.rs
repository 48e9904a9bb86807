//! Turns a recipe as written into its program under a source's settings.

mod handshake;

use std::net::IpAddr;

use ipnet::IpNet;

use super::assurance::{binds_body, proven, reads_inside_body, token_proves};
use super::{
    Bind, Check, EventProgram, Fetch, Issued, Jws, Moment, OkReply, Parse, Piece, Program, Proof, Purpose, ReplyBody,
    Respond, Signature, Signed, Slot, Split, SubjectOf, Test, Time, VersionOf,
};
use crate::provider::error::KeyError;
use crate::provider::fetched::HostPattern;
use crate::provider::field::{Field, Listed};
use crate::provider::json::Pointers;
use crate::provider::secret::Role;
use crate::provider::settings::{BadSetting, Param, Settings};
use crate::provider::spec::{
    BodySpec, CheckSpec, ClaimBindSpec, ClaimSpec, EventSpec, Extract, FetchedSpec, JwsSpec, ListedHeadersSpec,
    MomentSpec, ParseSpec, PieceSpec, RecipeSpec, RespondSpec, SignatureSpec, SubjectSpec, TestSpec, TimeSpec,
    Transform, VersionSpec,
};
use crate::provider::yaml::At;

/// The program of `spec` under `settings`, which must already hold the recipe's defaults.
pub(crate) fn build(spec: &RecipeSpec, settings: &Settings) -> Result<Program, KeyError> {
    let token = spec.verify.value.first_token();
    Builder { spec, settings, token, slots: Vec::new(), pointers: Pointers::default(), reads_inside_body: false }
        .program()
}

/// Of no slot: the keys of fetched ones are not among those configured.
const NO_SLOT: usize = usize::MAX;

struct Builder<'a> {
    spec: &'a RecipeSpec,
    settings: &'a Settings,
    /// Where the token stands whose claims are read.
    token: Option<&'a Extract>,
    slots: Vec<Slot>,
    pointers: Pointers,
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

    fn fetched(&mut self, spec: Option<&At<FetchedSpec>>) -> Built<Option<Fetch>> {
        let Some(FetchedSpec { url, hosts, format, kid, certified }) = spec.map(|spec| &spec.value) else {
            return Ok(None);
        };
        Ok(Some(Fetch {
            url: self.checked_field(url)?,
            hosts: hosts.iter().filter_map(|host| HostPattern::parse(host)).collect(),
            format: *format,
            kid: kid.as_ref().map(|kid| self.checked_field(kid)).transpose()?,
            certified: certified.iter().map(|name| name.as_str().into()).collect(),
        }))
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
                let (slot, from) = (self.slot(spec.key, Purpose::Compare), self.checked_field(&spec.from)?);
                Check::Token { slot, from, select_by: self.selector(spec.select_by.as_ref())? }
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

    fn token_check(&mut self, spec: &JwsSpec) -> Built<Check> {
        let from = self.checked_field(&spec.from)?;
        let algorithms =
            spec.algorithms.iter().map(|algorithm| (*algorithm, self.slot_of(spec.key, algorithm.purpose()))).collect();
        let detached = if spec.detached.is_empty() { None } else { Some(self.checked_fields(&spec.detached)?) };
        let claims = spec.claims.iter().map(|claim| {
            let ClaimSpec { claim, equals } = &claim.value;
            Ok((claim.as_str().into(), self.checked_field(equals)?))
        });
        let claims = claims.collect::<Built<_>>()?;
        let issuers = spec.issuer.iter().map(|issuer| Ok(self.required(issuer)?.into())).collect::<Built<_>>()?;
        let jws = Check::Jws(Box::new(Jws {
            assurance: token_proves(&from, detached.as_deref()),
            fetched: self.fetched(spec.fetched.as_ref())?,
            audiences: self.checked_fields(&spec.audience)?,
            issued: spec.issued.as_ref().map(|issued| Issued { past: issued.past.0, future: issued.future.0 }),
            no_expiry: spec.no_expiry.is_some(),
            from,
            algorithms,
            detached,
            issuers,
            claims,
        }));
        let Some(bind) = &spec.bind else { return Ok(jws) };
        let checks = vec![jws, Check::Bind(self.claim_bind(&spec.from, bind)?)];
        Ok(Check::AllOf { binds_body: binds_body(&checks), checks })
    }

    fn claim_bind(&mut self, token: &Extract, bind: &ClaimBindSpec) -> Built<Bind> {
        let value = claim(self.checked_field(token)?, &bind.claim);
        Ok(Bind { value, hash: bind.hash, encoding: bind.encoding, of: self.checked_fields(&bind.of)? })
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

    fn event(&mut self, spec: &EventSpec) -> Built<EventProgram> {
        let within = spec.within.as_ref().map(|within| self.request_field(&within.value)).transpose()?;
        let split = match (&spec.split, &spec.split_xml) {
            (Some(split), _) => {
                let mut pointers = Pointers::default();
                pointers.add(&split.value);
                Some(Split::Json(pointers))
            }
            (None, Some(path)) => Some(Split::Xml(path.value.as_str().into())),
            (None, None) => None,
        };
        // While an event is read, `whole` leads back to the body, whose pointers are apart.
        let request = std::mem::take(&mut self.pointers);
        let event = self.event_names(spec)?;
        let whole_pointers = std::mem::replace(&mut self.pointers, request);
        Ok(EventProgram { split, within, whole_pointers, ..event })
    }

    fn event_names(&mut self, spec: &EventSpec) -> Built<EventProgram> {
        let mut pointers = Pointers::default();
        let mut templates = |pointers: &mut Pointers, templates: &[Vec<At<Extract>>]| {
            let mut template = |parts: &Vec<At<Extract>>, pointers: &mut Pointers| {
                parts.iter().map(|part| self.field(&part.value, pointers)).collect::<Built<Vec<_>>>()
            };
            templates.iter().map(|parts| template(parts, pointers)).collect::<Built<Vec<_>>>()
        };
        Ok(EventProgram {
            event_type: templates(&mut pointers, &spec.event_type)?,
            type_otherwise: spec.type_otherwise.as_str().into(),
            id: templates(&mut pointers, &spec.id)?,
            attempt_id: templates(&mut pointers, &spec.attempt_id)?,
            connection: templates(&mut pointers, &spec.connection)?,
            occurred_at: spec.occurred_at.iter().map(|at| self.moment(at, &mut pointers)).collect::<Built<_>>()?,
            subject: spec.subject.iter().map(|of| self.subject(of, &mut pointers)).collect::<Built<_>>()?,
            split: None,
            within: None,
            whole_pointers: Pointers::default(),
            pointers,
        })
    }

    fn subject(&mut self, spec: &SubjectSpec, pointers: &mut Pointers) -> Built<SubjectOf> {
        let version = match &spec.version {
            None => None,
            Some(VersionSpec::Time(moment)) => Some(VersionOf::Time(self.moment(moment, pointers)?)),
            Some(VersionSpec::Number(from)) => Some(VersionOf::Number(self.field(&from.value, pointers)?)),
        };
        let object = self.field(&spec.object.value, pointers)?;
        Ok(SubjectOf { object, id: self.field(&spec.id.value, pointers)?, version })
    }

    fn moment(&mut self, spec: &MomentSpec, pointers: &mut Pointers) -> Built<Moment> {
        Ok(Moment { from: self.field(&spec.from.value, pointers)?, unit: spec.unit })
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
