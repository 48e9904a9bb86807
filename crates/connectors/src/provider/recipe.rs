//! A recipe: read, checked and immutable. Compiled per settings; shared by all sources that use it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use domain::Assurance;
use domain::request::SecretPlaces;

use super::error::{KeyError, RecipeError, RecipeErrors};
use super::example::{self, Examples, Sample, Vector};
use super::keys::Keys;
use super::lint;
use super::program::{self, Program, Scheme};
use super::reply::{Reply, ReplyContract};
use super::secret::Role;
use super::settings::Settings;
use super::spec::{BodySpec, CheckSpec, EffectSpec, PieceSpec, RangesSpec, RecipeSpec, RespondSpec, Status};
use super::yaml;

/// How one sender signs, shakes hands, names and identifies its events.
#[derive(Debug)]
pub struct Recipe {
    file: String,
    spec: RecipeSpec,
    contract: ReplyContract,
    /// The program where the recipe has no settings, shared by all its sources.
    plain: OnceLock<Arc<Program>>,
    /// The file's second document. Serving needs none of it, so it is read when somebody asks.
    examples_text: String,
    lines_before_examples: u64,
    examples: OnceLock<Result<Examples, RecipeErrors>>,
}

/// What a sender is known to do. Advisory and dated: nothing may depend on it.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The day it was read, `YYYY-MM-DD`.
    pub as_of: &'a str,
    pub source: &'a str,
    pub retries: Option<&'a str>,
    pub notes: &'a [String],
}

/// Where a sender says from which addresses it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published<'a> {
    /// A document for programs: JSON if it has pointers, else a CIDR or address a line.
    List { url: &'a str, at: &'a [String] },
    /// A page for people.
    Page(&'a str),
}

impl Recipe {
    /// Reads and checks a whole file; says every mistake that it finds.
    pub fn from_yaml(file: &str, text: &str) -> Result<Self, RecipeErrors> {
        let recipe = Self::without_examples(file, text).map_err(|mut errors| {
            let (_, examples, lines) = documents(text);
            errors.0.extend(example::read(file, examples, lines).err().into_iter().flat_map(|more| more.0));
            errors
        })?;
        match recipe.examples() {
            Ok(_) => Ok(recipe),
            Err(errors) => Err(errors.clone()),
        }
    }

    /// Reads the recipe and leaves its examples for later.
    pub(crate) fn without_examples(file: &str, text: &str) -> Result<Self, RecipeErrors> {
        let (first, second, lines) = documents(text);
        let spec: RecipeSpec = yaml::parse(file, first, 0)?;
        let errors = lint::lint(file, &spec);
        if !errors.is_empty() {
            return Err(RecipeErrors(errors));
        }
        let contract = contract(&spec);
        let recipe = Self {
            file: file.to_owned(),
            spec,
            contract,
            plain: OnceLock::new(),
            examples_text: second.to_owned(),
            lines_before_examples: lines,
            examples: OnceLock::new(),
        };
        Ok(recipe)
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.spec.provider.value
    }

    #[must_use]
    pub fn title(&self) -> &str {
        &self.spec.title
    }

    /// Where the sender documents its webhooks.
    #[must_use]
    pub fn docs(&self) -> &str {
        &self.spec.docs
    }

    /// Whether it follows the sender's own documentation, an SDK, or two sources that agree.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.spec.status == Status::Confirmed
    }

    /// What to do at the sender, step by step, for a source that listens at this address.
    pub fn setup(&self, address: &str) -> impl Iterator<Item = String> {
        self.spec.setup.iter().map(move |step| step.replace("{url}", address))
    }

    /// The roles of its secrets, the plain one first, each with what to look for.
    pub fn roles(&self) -> impl Iterator<Item = (Role, &str)> {
        self.spec.secrets.iter().map(|secret| (secret.value.role, secret.value.about.as_str()))
    }

    /// The role of the secret that its sender hands over by itself, while a person waits for it.
    #[must_use]
    pub fn pairs(&self) -> Option<Role> {
        let effects = self.spec.handshakes.iter().filter_map(|handshake| handshake.value.effect.as_ref());
        let mut roles = effects.filter_map(|effect| match &effect.value {
            EffectSpec::StoreSecret(spec) => Some(spec.role),
            EffectSpec::ProposeUrl(_) => None,
        });
        roles.next()
    }

    /// Whether its sender asks for addresses to be opened.
    #[must_use]
    pub fn proposes(&self) -> bool {
        let mut effects = self.spec.handshakes.iter().filter_map(|handshake| handshake.value.effect.as_ref());
        effects.any(|effect| matches!(effect.value, EffectSpec::ProposeUrl(_)))
    }

    /// Its settings: name, what it is, default.
    pub fn settings(&self) -> impl Iterator<Item = (&str, &str, Option<&str>)> {
        self.spec.settings.iter().map(|setting| {
            let setting = &setting.value;
            (setting.name.as_str(), setting.about.as_str(), setting.default.as_deref())
        })
    }

    /// How long the sender retries: equal bytes within it are one event where there is no id.
    #[must_use]
    pub fn dedupe_within(&self) -> Duration {
        self.spec.dedupe.within.0
    }

    /// Its events only say that something changed.
    #[must_use]
    pub fn is_thin(&self) -> bool {
        self.spec.event.value.thin
    }

    /// One of its requests may hold many events.
    #[must_use]
    pub fn is_batched(&self) -> bool {
        self.spec.event.value.split.is_some() || self.spec.event.value.split_xml.is_some()
    }

    /// Where the sender says from which addresses it sends.
    #[must_use]
    pub fn published_addresses(&self) -> Option<Published<'_>> {
        let ranges = &self.spec.ip_ranges.as_ref()?.value;
        Some(match ranges {
            RangesSpec::Page(url) => Published::Page(url),
            RangesSpec::List(list) => Published::List { url: &list.url, at: &list.at },
        })
    }

    #[must_use]
    pub fn reply_contract(&self) -> &ReplyContract {
        &self.contract
    }

    #[must_use]
    pub fn facts(&self) -> Facts<'_> {
        let facts = &self.spec.facts;
        Facts { as_of: &facts.as_of, source: &facts.source, retries: facts.retries.as_deref(), notes: &facts.notes }
    }

    /// Why its verification is weaker than it looks, for whoever chooses it.
    #[must_use]
    pub fn weaknesses(&self) -> Vec<&str> {
        let mut found = Vec::new();
        weaknesses(&self.spec.verify.value, &mut found);
        found
    }

    /// The most that its verification can prove under these settings.
    pub fn assurance(&self, settings: &Settings) -> Result<Assurance, KeyError> {
        Ok(program::assurance(&self.program(settings)?.check))
    }

    /// The ways of signing that it takes under these settings, in one order.
    pub fn schemes(&self, settings: &Settings) -> Result<Vec<Scheme>, KeyError> {
        Ok(program::schemes(&*self.program(settings)?))
    }

    /// Where its sender's requests show the secret itself under these settings.
    pub fn secret_places(&self, settings: &Settings) -> Result<SecretPlaces, KeyError> {
        Ok(program::secret_places(&*self.program(settings)?))
    }

    /// The role of a secret that was configured without one; `None` if the recipe takes no secret.
    #[must_use]
    pub fn role_of(&self, secret: &str) -> Option<Role> {
        let secrets = || self.spec.secrets.iter().map(|secret| &secret.value);
        let recognised = |prefix: &Option<String>| prefix.as_ref().is_some_and(|prefix| secret.starts_with(prefix));
        let by_look = secrets().find(|declared| recognised(&declared.recognised_by));
        by_look.or_else(|| secrets().next()).map(|declared| declared.role)
    }

    /// Samples and vectors, or what is wrong with them.
    pub fn examples(&self) -> Result<&Examples, &RecipeErrors> {
        let read = || example::read(&self.file, &self.examples_text, self.lines_before_examples);
        self.examples.get_or_init(read).as_ref()
    }

    #[must_use]
    pub fn vectors(&self) -> &[Vector] {
        self.examples().map_or(&[], |examples| &examples.vectors)
    }

    #[must_use]
    pub fn samples(&self) -> &[Sample] {
        self.examples().map_or(&[], |examples| &examples.samples)
    }

    /// The sample of an event type, or the first one.
    #[must_use]
    pub fn sample(&self, event: Option<&str>) -> Option<&Sample> {
        match event {
            Some(event) => self.samples().iter().find(|sample| sample.event == event),
            None => self.samples().first(),
        }
    }

    /// A mistake that is told at its name.
    #[must_use]
    pub fn name_error(&self, message: String, help: String) -> RecipeError {
        let place = yaml::place(&self.spec.provider.referenced, 0);
        RecipeError { file: self.file.clone(), place, message, help: Some(help) }
    }

    pub(crate) fn spec(&self) -> &RecipeSpec {
        &self.spec
    }

    pub(crate) fn owns(&self, keys: &Keys) -> bool {
        *keys.program.provider == *self.name()
    }

    /// The settings with the recipe's defaults where nothing is set.
    pub(crate) fn with_defaults(&self, settings: &Settings) -> Settings {
        let mut all = settings.clone();
        for declared in self.spec.settings.iter().map(|setting| &setting.value) {
            if let (None, Some(default)) = (all.get(&declared.name), &declared.default) {
                all.set(&declared.name, default);
            }
        }
        all
    }

    pub(crate) fn program(&self, settings: &Settings) -> Result<Arc<Program>, KeyError> {
        self.check_settings(settings)?;
        if !self.spec.settings.is_empty() {
            return program::build(&self.spec, &self.with_defaults(settings)).map(Arc::new);
        }
        if let Some(program) = self.plain.get() {
            return Ok(program.clone());
        }
        let program = Arc::new(program::build(&self.spec, &Settings::default())?);
        Ok(self.plain.get_or_init(|| program).clone())
    }

    fn check_settings(&self, settings: &Settings) -> Result<(), KeyError> {
        let provider = || self.name().to_owned();
        let declared = || self.spec.settings.iter().map(|setting| &setting.value);
        for (name, value) in settings.iter() {
            let Some(setting) = declared().find(|setting| setting.name == name) else {
                let known = declared().map(|setting| setting.name.as_str()).collect::<Vec<_>>().join(", ");
                let known = if known.is_empty() { "it has none".to_owned() } else { format!("it has {known}") };
                return Err(KeyError::UnknownSetting { provider: provider(), name: name.to_owned(), known });
            };
            if let Some(problem) = lint::setting_problem(setting, value) {
                let (name, value) = (name.to_owned(), value.to_owned());
                return Err(KeyError::UnusableSetting { provider: provider(), name, value, problem });
            }
        }
        match declared().find(|setting| setting.required && settings.get(&setting.name).is_none()) {
            None => Ok(()),
            Some(setting) => Err(KeyError::MissingSetting {
                provider: provider(),
                name: setting.name.clone(),
                about: setting.about.clone(),
            }),
        }
    }
}

/// The two documents of a file, and how many lines come before the second.
fn documents(text: &str) -> (&str, &str, u64) {
    let mut start = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let end = start + line.len();
        if number > 0 && line.trim_end() == "---" {
            return (&text[..start], &text[end..], number as u64 + 1);
        }
        start = end;
    }
    (text, "", 0)
}

fn weaknesses<'s>(check: &'s CheckSpec, found: &mut Vec<&'s str>) {
    match check {
        CheckSpec::Digest(digest) => found.push(&digest.weak),
        CheckSpec::AnyOf(checks) | CheckSpec::AllOf(checks) => {
            checks.iter().for_each(|check| weaknesses(&check.value, found));
        }
        CheckSpec::OnlyIf(spec) => weaknesses(&spec.check.value, found),
        CheckSpec::BySetting(spec) => {
            weaknesses(&spec.given.value, found);
            weaknesses(&spec.absent.value, found);
        }
        CheckSpec::None
        | CheckSpec::Hmac(_)
        | CheckSpec::Signature(_)
        | CheckSpec::Token(_)
        | CheckSpec::Basic(_)
        | CheckSpec::Bind(_)
        | CheckSpec::Jws(_)
        | CheckSpec::Ip(_)
        | CheckSpec::ClientCert(_) => {}
    }
}

fn contract(spec: &RecipeSpec) -> ReplyContract {
    let reply = &spec.reply;
    let fixed = |respond: &Option<RespondSpec>| respond.as_ref().map(fixed_reply);
    ReplyContract {
        rejected: fixed(&reply.rejected),
        stale: fixed(&reply.stale),
        duplicate: fixed(&reply.duplicate),
        overload: fixed(&reply.overload),
        deadline: reply.deadline.map(|deadline| deadline.0),
    }
}

/// A reply that says the same to everyone: the lint lets only constants in.
fn fixed_reply(respond: &RespondSpec) -> Reply {
    let text = |piece: &PieceSpec| match piece {
        PieceSpec::Const(text) => text.clone(),
        PieceSpec::Echo(_) | PieceSpec::Hmac { .. } | PieceSpec::Sha256 { .. } => String::new(),
    };
    let body = match &respond.body {
        BodySpec::Text(pieces) => pieces.iter().map(text).collect(),
        BodySpec::Empty | BodySpec::Json(_) => String::new(),
    };
    let headers = respond.headers.iter().map(|(name, piece)| (name.clone(), text(piece))).collect();
    Reply { status: respond.status, headers, body: body.into_bytes() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_document_starts_after_its_line() {
        assert_eq!(documents("a: 1\n---\nb: 2\n"), ("a: 1\n", "b: 2\n", 2));
        assert_eq!(documents("---\na: 1\n"), ("---\na: 1\n", "", 0));
        assert_eq!(documents("a: ---\n"), ("a: ---\n", "", 0));
    }
}
