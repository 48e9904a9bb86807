//! What a recipe must keep to beyond its shape. Finds every mistake, so that a file is put right in one go.

mod effect;
mod extract;
mod token;

use std::collections::BTreeSet;

use self::extract::Allowed;

use super::error::{Place, RecipeError};
use super::secret::Role;
use super::settings::Param;
use super::signature::is_numbered_max;
use super::spec::{
    BodySpec, CheckSpec, EventSpec, Extract, ListFormat, ListSpec, ParseSpec, PieceSpec, RangesSpec, RecipeSpec,
    RespondSpec, SettingSpec, SignatureSpec, TestSpec, TimeSpec, VersionSpec,
};
use super::yaml::{At, place};
use super::{json, xml};

pub(crate) fn lint(file: &str, spec: &RecipeSpec) -> Vec<RecipeError> {
    let mut lint = Lint { file, spec, errors: Vec::new(), used_roles: BTreeSet::new() };
    lint.names();
    lint.check(&spec.verify, false);
    lint.replies();
    lint.event(&spec.event);
    lint.ranges();
    lint.unused();
    lint.errors.sort_by_key(|error| error.place);
    lint.errors
}

/// Why a value cannot be this setting.
pub(crate) fn setting_problem(setting: &SettingSpec, value: &str) -> Option<String> {
    if !setting.one_of.is_empty() && !setting.one_of.iter().any(|allowed| allowed == value) {
        return Some(format!("it is one of {}", setting.one_of.join(", ")));
    }
    if setting.header && !is_header_name(value) {
        return Some("it is not the name of a header".to_owned());
    }
    (setting.pointer && !json::is_pointer(value)).then(|| "a JSON pointer starts with '/'".to_owned())
}

fn is_header_name(name: &str) -> bool {
    http::HeaderName::try_from(name).is_ok()
}

struct Lint<'a> {
    file: &'a str,
    spec: &'a RecipeSpec,
    errors: Vec<RecipeError>,
    used_roles: BTreeSet<Role>,
}

impl<'a> Lint<'a> {
    fn say<T>(&mut self, at: &At<T>, message: impl Into<String>) {
        self.say_at(place(&at.referenced, 0), message);
    }

    fn say_at(&mut self, place: Place, message: impl Into<String>) {
        self.errors.push(RecipeError { file: self.file.to_owned(), place, message: message.into(), help: None });
    }

    fn names(&mut self) {
        let spec = self.spec;
        let name = &spec.provider.value;
        if name.parse::<domain::SourceName>().is_err() {
            self.say(&spec.provider, format!("'{name}' is no provider name: letters, digits, '-' and '_'"));
        }
        for method in &spec.methods {
            if !matches!(method.value.as_str(), "GET" | "POST" | "PUT" | "PATCH" | "DELETE") {
                self.say(method, format!("'{}' is no method that carries events", method.value));
            }
        }
        for (index, secret) in spec.secrets.iter().enumerate() {
            if spec.secrets[..index].iter().any(|other| other.value.role == secret.value.role) {
                self.say(secret, format!("the role '{}' is declared twice", secret.value.role));
            }
            if secret.value.role == Role::Private {
                self.say(secret, "a sender's private key is never configured: 'private' is for samples only");
            }
            self.setting(place(&secret.referenced, 0), &secret.value.encoding);
        }
        for setting in &spec.settings {
            if let Some(problem) =
                setting.value.default.as_deref().and_then(|default| setting_problem(&setting.value, default))
            {
                self.say(setting, format!("the default of '{}' does not fit: {problem}", setting.value.name));
            }
        }
        let date = spec.facts.as_of.parse::<jiff::civil::Date>();
        if date.is_err() {
            self.say(&spec.provider, format!("facts.as_of '{}' is not a date such as 2026-01-31", spec.facts.as_of));
        }
    }

    fn ranges(&mut self) {
        let Some(ranges) = &self.spec.ip_ranges else { return };
        let (RangesSpec::Page(url) | RangesSpec::List(ListSpec { url, .. })) = &ranges.value;
        if !url.starts_with("https://") {
            self.say(ranges, format!("'{url}' is no https address"));
        }
        let RangesSpec::List(list) = &ranges.value else { return };
        match list.format {
            ListFormat::Json if list.at.is_empty() => self.say(ranges, "say with 'at' where in the JSON they stand"),
            ListFormat::Lines if !list.at.is_empty() => self.say(ranges, "'at' is for JSON: lines have no places"),
            _ => {}
        }
        for pointer in list.at.iter().filter(|pointer| !json::is_pointer(pointer)) {
            self.say(ranges, format!("'{pointer}' is no pointer: it starts with '/'"));
        }
    }

    fn role<T>(&mut self, at: &At<T>, role: Role) {
        self.used_roles.insert(role);
        if !self.spec.secrets.iter().any(|secret| secret.value.role == role) {
            self.say(at, format!("the role '{role}' is used and not declared: add it under 'secrets'"));
        }
    }

    fn unused(&mut self) {
        for secret in &self.spec.secrets {
            if !self.used_roles.contains(&secret.value.role) {
                self.say(secret, format!("the secret '{}' is declared and never used", secret.value.role));
            }
        }
    }

    fn check(&mut self, check: &'a At<CheckSpec>, beside_a_signature: bool) {
        match &check.value {
            CheckSpec::None => {}
            CheckSpec::Hmac(spec) => {
                self.role(check, spec.key);
                self.setting(place(&check.referenced, 0), &spec.hash);
                self.selector(check, spec.select_by.as_ref());
                self.signed(check, &spec.message, &spec.signature, spec.time.as_ref());
            }
            CheckSpec::Signature(spec) => {
                self.key_source(check, spec.key, spec.fetched.as_ref());
                self.selector(check, spec.select_by.as_ref());
                self.signed(check, &spec.message, &spec.signature, spec.time.as_ref());
            }
            CheckSpec::Digest(spec) => {
                self.role(check, spec.key);
                self.signed(check, &spec.message, &spec.signature, None);
            }
            CheckSpec::Token(spec) => {
                self.role(check, spec.key);
                self.extract(place(&check.referenced, 0), &spec.from, Allowed::default());
                self.selector(check, spec.select_by.as_ref());
                if let Some(pointer) = &spec.each {
                    self.pointer(place(&check.referenced, 0), pointer);
                }
            }
            CheckSpec::ClientCert(spec) => {
                self.role(check, spec.key);
                self.extract(place(&check.referenced, 0), &spec.from, Allowed::default());
                if spec.select_by.is_some() || spec.each.is_some() || !matches!(spec.from, Extract::Header(_)) {
                    self.say(check, "'client_cert' compares one header that a trusted proxy sets with a secret");
                }
            }
            CheckSpec::Ip(spec) => self.setting(place(&check.referenced, 0), &spec.allow),
            CheckSpec::Jws(spec) => self.token(check, spec),
            CheckSpec::Basic(spec) => self.role(check, spec.key),
            CheckSpec::Bind(spec) => {
                if !beside_a_signature {
                    self.say(check, "'bind' proves nothing alone: put it under 'all_of' beside a signature");
                }
                self.extract(place(&check.referenced, 0), &spec.value, Allowed::default());
                self.parts(check, &spec.of, Allowed::default());
            }
            CheckSpec::AnyOf(checks) => self.several(check, checks, false),
            CheckSpec::AllOf(checks) => {
                let signed = checks.iter().any(|check| signs(&check.value));
                self.several(check, checks, signed);
            }
            CheckSpec::OnlyIf(spec) => {
                self.tests(&spec.when);
                self.check(&spec.check, beside_a_signature);
            }
            CheckSpec::BySetting(spec) => {
                self.setting_name(place(&check.referenced, 0), &spec.setting);
                self.check(&spec.given, beside_a_signature);
                self.check(&spec.absent, beside_a_signature);
            }
        }
    }

    fn several(&mut self, at: &'a At<CheckSpec>, checks: &'a [At<CheckSpec>], beside_a_signature: bool) {
        if checks.len() < 2 {
            self.say(at, "there is nothing to choose or combine: name at least two checks");
        }
        for check in checks {
            if matches!(check.value, CheckSpec::None) {
                self.say(check, "'none' among other checks would accept everything");
            }
            self.check(check, beside_a_signature);
        }
    }

    fn signed(
        &mut self,
        at: &At<CheckSpec>,
        message: &'a [At<Extract>],
        signature: &At<SignatureSpec>,
        time: Option<&At<TimeSpec>>,
    ) {
        let has_fields = matches!(
            signature.value.parse,
            ParseSpec::Kv { .. } | ParseSpec::Positional { .. } | ParseSpec::B64json { .. }
        );
        let allowed = Allowed { sig: has_fields, ..Allowed::default() };
        self.parts(at, message, allowed);
        if message.iter().all(|part| matches!(part.value, Extract::Const(_))) {
            self.say(at, "the message has nothing of the request in it");
        }
        self.extract(place(&signature.referenced, 0), &signature.value.from, Allowed::default());
        self.setting(place(&signature.referenced, 0), &signature.value.encoding);
        self.parse(signature);
        if let Some(time) = time {
            self.time(time, message, allowed);
        }
    }

    fn parse(&mut self, signature: &At<SignatureSpec>) {
        let empty = match &signature.value.parse {
            ParseSpec::Plain { prefix } => {
                self.setting(place(&signature.referenced, 0), prefix);
                false
            }
            ParseSpec::Kv { separator, field } => separator.is_empty() || field.is_empty(),
            ParseSpec::Tagged { separator, mark, tag } => {
                self.setting(place(&signature.referenced, 0), tag);
                separator.is_empty() || mark.is_empty() || matches!(tag, Param::Fixed(tag) if tag.is_empty())
            }
            ParseSpec::List { separator } => separator.is_empty(),
            ParseSpec::Positional { separator, fields } => separator.is_empty() || fields.is_empty(),
            ParseSpec::Pairs { separator, mark } => separator.is_empty() || mark.is_empty(),
            ParseSpec::Numbered { max } => {
                if !is_numbered_max(*max) || !matches!(signature.value.from, Extract::Header(_)) {
                    self.say(signature, "'numbered' reads 1 to 100 headers: 'from' is their name without the number");
                }
                false
            }
            ParseSpec::B64json { field } => field.is_empty(),
        };
        if empty {
            self.say(signature, "separator, mark, tag and field cannot be empty");
        }
    }

    fn time(&mut self, time: &At<TimeSpec>, message: &[At<Extract>], allowed: Allowed) {
        let spec = &time.value;
        self.extract(place(&time.referenced, 0), &spec.from, allowed);
        self.setting(place(&time.referenced, 0), &spec.unit);
        self.setting(place(&time.referenced, 0), &spec.past);
        self.setting(place(&time.referenced, 0), &spec.future);
        let in_body = matches!(spec.from, Extract::Json(_) | Extract::Form(_));
        let covered = message.iter().any(|part| {
            let lists = |names: &[String], header: &str| names.iter().any(|name| name.eq_ignore_ascii_case(header));
            part.value.covers(&spec.from)
                || (in_body && part.value == Extract::Body)
                || matches!((&part.value, &spec.from), (Extract::ListedHeaders(listed), Extract::Header(Param::Fixed(header)))
                    if lists(&listed.required, header))
        });
        if !covered && !spec.advisory {
            self.say(
                time,
                "the time is not part of the message, so anyone can set it: sign it, or say 'advisory: true'",
            );
        }
    }

    fn tests(&mut self, tests: &[At<TestSpec>]) {
        for test in tests {
            match &test.value {
                TestSpec::Method(_) => {}
                TestSpec::Present(value) | TestSpec::Absent(value) | TestSpec::Equals { value, .. } => {
                    self.extract(place(&test.referenced, 0), value, Allowed::default());
                }
                TestSpec::EqualsSecret { value, key } => {
                    self.role(test, *key);
                    self.extract(place(&test.referenced, 0), value, Allowed::default());
                }
            }
        }
    }

    fn replies(&mut self) {
        let spec = self.spec;
        for handshake in &spec.handshakes {
            if handshake.value.when.is_empty() {
                self.say(handshake, "a handshake without 'when' would answer every request");
            }
            self.tests(&handshake.value.when);
            self.effect(handshake);
            for key in self.respond(place(&handshake.referenced, 0), &handshake.value.respond) {
                self.role(handshake, key);
            }
        }
        for ok in &spec.reply.ok {
            self.tests(&ok.when);
            self.respond(place(&spec.provider.referenced, 0), &ok.respond);
            self.plain(&ok.respond);
        }
        let reply = &spec.reply;
        if reply.overload.as_ref().is_some_and(|respond| respond.status < 400) {
            self.say(
                &spec.provider,
                "'overload' is for what could not be kept: its status must make the sender come back",
            );
        }
        for respond in [&reply.rejected, &reply.stale, &reply.duplicate, &reply.overload].into_iter().flatten() {
            self.respond(place(&spec.provider.referenced, 0), respond);
            self.constant(respond);
        }
    }

    /// To a verified request, which may hear what it said itself; never what only a key can make.
    fn plain(&mut self, respond: &RespondSpec) {
        let body: Vec<&PieceSpec> = match &respond.body {
            BodySpec::Empty => Vec::new(),
            BodySpec::Text(pieces) => pieces.iter().collect(),
            BodySpec::Json(members) => members.values().flatten().collect(),
        };
        let made = |piece: &PieceSpec| matches!(piece, PieceSpec::Hmac { .. } | PieceSpec::Sha256 { .. });
        if respond.headers.values().chain(body).any(made) {
            self.say(
                &self.spec.provider,
                "a reply to an event is made of 'const' and 'echo': hashes are for handshakes",
            );
        }
    }

    fn constant(&mut self, respond: &RespondSpec) {
        let constant = |piece: &PieceSpec| matches!(piece, PieceSpec::Const(_));
        let body = match &respond.body {
            BodySpec::Empty => true,
            BodySpec::Text(pieces) => pieces.iter().all(constant),
            BodySpec::Json(_) => false,
        };
        if !body || !respond.headers.values().all(constant) {
            self.say(&self.spec.provider, "a reply says the same to everyone: only 'const' texts belong in it");
        }
    }

    /// Checks a response and gives the roles whose keys it uses.
    fn respond(&mut self, at: Place, respond: &RespondSpec) -> Vec<Role> {
        if !(200..600).contains(&respond.status) {
            self.say_at(at, format!("{} is no status of an answer", respond.status));
        }
        for name in respond.headers.keys() {
            if !is_header_name(name) || name.chars().any(|character| character.is_ascii_uppercase()) {
                self.say_at(at, format!("'{name}' is not the lower-case name of a header"));
            }
        }
        let body: Vec<&PieceSpec> = match &respond.body {
            BodySpec::Empty => Vec::new(),
            BodySpec::Text(pieces) => pieces.iter().collect(),
            BodySpec::Json(members) => members.values().flatten().collect(),
        };
        let mut roles = Vec::new();
        for piece in respond.headers.values().chain(body) {
            match piece {
                PieceSpec::Const(_) => {}
                PieceSpec::Echo(value) => self.extract(at, value, Allowed::default()),
                PieceSpec::Sha256 { of, .. } => {
                    for value in of {
                        match value {
                            Extract::Secret(role) => roles.push(*role),
                            value => self.extract(at, value, Allowed::default()),
                        }
                    }
                }
                PieceSpec::Hmac { of, key, .. } => {
                    roles.push(*key);
                    of.iter().for_each(|value| self.extract(at, value, Allowed::default()));
                }
            }
        }
        roles
    }

    fn event(&mut self, event: &At<EventSpec>) {
        let spec = &event.value;
        if spec.type_otherwise.is_empty() {
            self.say(event, "'type_otherwise' cannot be empty: an event without a type of its own needs one");
        }
        if let Some(split) = spec.split.as_ref().filter(|split| !json::is_pointer(&split.value)) {
            self.say(split, format!("'{}' is no JSON pointer", split.value));
        }
        for pointer in &spec.then_split {
            self.pointer(place(&pointer.referenced, 0), &pointer.value);
            if spec.split.is_none() {
                self.say(pointer, "'then_split' splits the items that 'split' found");
            }
        }
        if let Some(path) = spec.split_xml.as_ref().filter(|path| !xml::is_path(&path.value)) {
            self.say(path, format!("'{}' is no path of names such as /Envelope/Body", path.value));
        }
        if let (Some(split), Some(_)) = (&spec.split, &spec.split_xml) {
            self.say(split, "a request is split by 'split' or by 'split_xml', not by both");
        }
        if let Some(within) = &spec.within {
            self.extract(place(&within.referenced, 0), &within.value, Allowed::default());
        }
        let named = Allowed { maybe: true, whole: true, ..Allowed::default() };
        for parts in [&spec.event_type, &spec.id, &spec.attempt_id, &spec.connection].into_iter().flatten() {
            self.parts(event, parts, named);
        }
        for moment in &spec.occurred_at {
            self.extract(place(&moment.from.referenced, 0), &moment.from.value, named);
        }
        for subject in &spec.subject {
            for part in [&subject.object, &subject.id] {
                self.extract(place(&part.referenced, 0), &part.value, named);
            }
            match &subject.version {
                None => {}
                Some(VersionSpec::Time(moment)) => {
                    self.extract(place(&moment.from.referenced, 0), &moment.from.value, Allowed::default());
                }
                Some(VersionSpec::Number(from)) => {
                    self.extract(place(&from.referenced, 0), &from.value, Allowed::default());
                }
            }
        }
    }

    fn parts<T>(&mut self, at: &At<T>, parts: &[At<Extract>], allowed: Allowed) {
        if parts.is_empty() {
            self.say(at, "a list of parts is empty");
        }
        for part in parts {
            self.extract(place(&part.referenced, 0), &part.value, allowed);
        }
    }

    fn setting<T>(&mut self, at: Place, param: &Param<T>) {
        if let Param::Setting(name) = param {
            self.setting_name(at, name);
        }
    }

    fn setting_name(&mut self, at: Place, name: &str) {
        if !self.spec.settings.iter().any(|setting| setting.value.name == name) {
            self.say_at(at, format!("the setting '{name}' is used and not declared: add it under 'settings'"));
        }
    }
}

/// Whether whatever passes this check was signed.
fn signs(check: &CheckSpec) -> bool {
    match check {
        CheckSpec::Hmac(_) | CheckSpec::Signature(_) | CheckSpec::Jws(_) => true,
        CheckSpec::AnyOf(checks) => checks.iter().all(|check| signs(&check.value)),
        CheckSpec::AllOf(checks) => checks.iter().any(|check| signs(&check.value)),
        CheckSpec::OnlyIf(spec) => signs(&spec.check.value),
        CheckSpec::BySetting(spec) => signs(&spec.given.value) && signs(&spec.absent.value),
        CheckSpec::None
        | CheckSpec::Token(_)
        | CheckSpec::Basic(_)
        | CheckSpec::Digest(_)
        | CheckSpec::Bind(_)
        | CheckSpec::Ip(_)
        | CheckSpec::ClientCert(_) => false,
    }
}
