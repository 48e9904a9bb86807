//! The compiled key material of one source or connection for one recipe. Prints nothing secret.
//!
//! Secret bytes are wiped when dropped; the two hash states inside a MAC key cannot be (ring keeps them private).

use std::fmt;
use std::sync::Arc;

use ring::hmac;
use zeroize::Zeroizing;

use super::error::KeyError;
use super::program::{Check, Fetch, Program, Purpose, Slot};
use super::public_key::PublicKey;
use super::recipe::Recipe;
use super::secret::{Role, RoleSecret, SECRETS_TOGETHER_MAX, Window, decode};
use super::settings::Settings;
use super::spec::SecretSpec;
use super::{jwk, key_api};

/// Secrets and settings of one source or connection, ready to judge requests by.
pub struct Keys {
    pub(crate) program: Arc<Program>,
    /// By slot of the program.
    material: Vec<Material>,
    /// By the place of each secret in what was configured.
    configured: Vec<Configured>,
}

struct Configured {
    name: Option<String>,
    window: Window,
}

/// The keys of one slot, each with the place of its secret in what was configured.
pub(crate) enum Material {
    Mac(Vec<(usize, hmac::Key)>),
    Verify(Vec<(usize, PublicKey)>),
    Compare(Vec<(usize, Zeroizing<Vec<u8>>)>),
}

impl Material {
    fn is_empty(&self) -> bool {
        match self {
            Self::Mac(keys) => keys.is_empty(),
            Self::Verify(keys) => keys.is_empty(),
            Self::Compare(keys) => keys.is_empty(),
        }
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("slots", &self.material.len()).finish_non_exhaustive()
    }
}

impl Keys {
    /// Checks secrets and settings against the recipe and prepares them. Nothing here is done per request.
    pub fn compile(recipe: &Recipe, secrets: &[RoleSecret], settings: &Settings) -> Result<Self, KeyError> {
        let program = recipe.program(settings)?;
        let with_roles = with_roles(recipe, secrets)?;
        let material = program
            .slots
            .iter()
            .map(|slot| material(recipe, *slot, &with_roles, settings))
            .collect::<Result<Vec<_>, _>>()?;
        let configured = secrets.iter().map(|secret| Configured {
            name: secret.name().map(str::to_owned).or_else(|| jwk::id(secret.value())),
            window: secret.window(),
        });
        let keys = Self { program, material, configured: configured.collect() };
        match keys.missing(&keys.program.check) {
            None => Ok(keys),
            Some(role) => {
                Err(KeyError::MissingSecret { provider: recipe.name().to_owned(), what: wanted(recipe, role) })
            }
        }
    }

    /// The methods that events are sent by.
    pub fn methods(&self) -> impl Iterator<Item = &str> {
        self.program.methods.iter().map(|method| &**method)
    }

    pub(crate) fn macs(&self, slot: usize) -> &[(usize, hmac::Key)] {
        match self.material.get(slot) {
            Some(Material::Mac(keys)) => keys,
            _ => &[],
        }
    }

    pub(crate) fn public(&self, slot: usize) -> &[(usize, PublicKey)] {
        match self.material.get(slot) {
            Some(Material::Verify(keys)) => keys,
            _ => &[],
        }
    }

    pub(crate) fn compared(&self, slot: usize) -> &[(usize, Zeroizing<Vec<u8>>)] {
        match self.material.get(slot) {
            Some(Material::Compare(keys)) => keys,
            _ => &[],
        }
    }

    /// The places of the secrets of a slot in what was configured.
    pub(crate) fn places(&self, slot: usize) -> impl Iterator<Item = usize> {
        let (macs, public, compared) = (self.macs(slot), self.public(slot), self.compared(slot));
        let (macs, public) = (macs.iter().map(|(place, _)| *place), public.iter().map(|(place, _)| *place));
        macs.chain(public).chain(compared.iter().map(|(place, _)| *place))
    }

    /// The name of a secret, by which a request may choose it.
    pub(crate) fn name(&self, secret: usize) -> Option<&str> {
        self.configured.get(secret)?.name.as_deref()
    }

    pub(crate) fn window(&self, secret: usize) -> Window {
        self.configured.get(secret).map(|configured| configured.window).unwrap_or_default()
    }

    /// Whether a secret of this slot is configured.
    pub(crate) fn has(&self, slot: usize) -> bool {
        self.material.get(slot).is_some_and(|material| !material.is_empty())
    }

    /// A role without which the check can never pass. Those whose secret the sender hands over by itself are not missed.
    fn missing(&self, check: &Check) -> Option<Role> {
        let missing_slot = |slot| self.missing_slot(slot);
        match check {
            Check::None | Check::Bind(_) | Check::Address(_) => None,
            Check::Jws(jws) => {
                let configured = || jws.algorithms.iter().find_map(|(_, slot)| missing_slot(*slot));
                match jws.fetched.as_ref() {
                    None => configured(),
                    // Keys of both kinds may be given; without either nothing passes.
                    Some(fetch) if jws.takes_configured() => configured().and_then(|_| self.missing_for(fetch)),
                    Some(fetch) => self.missing_for(fetch),
                }
            }
            Check::ClientCert { slot, .. } => missing_slot(*slot),
            Check::Signed(signed) => match &signed.fetched {
                Some(fetch) => self.missing_for(fetch),
                None => missing_slot(signed.slot),
            },
            Check::Token { slot, .. } | Check::Basic { slot } => missing_slot(*slot),
            Check::AllOf { checks, .. } => checks.iter().find_map(|check| self.missing(check)),
            Check::OnlyIf { check, .. } => self.missing(check),
            Check::AnyOf(checks) => {
                let missing: Vec<_> = checks.iter().map(|check| self.missing(check)).collect();
                if missing.iter().any(Option::is_none) { None } else { missing.into_iter().flatten().next() }
            }
        }
    }

    /// The credentials that keys are asked for by, where they are not simply published.
    fn missing_for(&self, fetch: &Fetch) -> Option<Role> {
        self.missing_slot(fetch.key_api.as_ref()?.slot)
    }

    fn missing_slot(&self, slot: usize) -> Option<Role> {
        let role = self.program.slots.get(slot).filter(|_| !self.has(slot)).map(|slot| slot.role);
        role.filter(|role| !self.program.pairs(*role))
    }
}

fn declared(recipe: &Recipe) -> impl Iterator<Item = &SecretSpec> {
    recipe.spec().secrets.iter().map(|secret| &secret.value)
}

fn wanted(recipe: &Recipe, missing: Role) -> String {
    let about = declared(recipe).find(|secret| secret.role == missing).map(|secret| secret.about.as_str());
    format!("a {missing} secret ({})", about.unwrap_or("see the sender's documentation"))
}

/// Gives each secret its role and refuses those that the recipe has no use for.
fn with_roles<'s>(recipe: &Recipe, secrets: &'s [RoleSecret]) -> Result<Vec<(Role, &'s RoleSecret)>, KeyError> {
    let provider = || recipe.name().to_owned();
    if secrets.len() > SECRETS_TOGETHER_MAX {
        return Err(KeyError::TooManySecrets { provider: provider(), max: SECRETS_TOGETHER_MAX });
    }
    let known = || declared(recipe).map(|secret| secret.role.as_str()).collect::<Vec<_>>().join(", ");
    let with_role = |secret: &'s RoleSecret| {
        let Some(role) = secret.role().or_else(|| recipe.role_of(secret.value())) else {
            return Err(KeyError::TakesNoSecret { provider: provider() });
        };
        if !declared(recipe).any(|declared| declared.role == role) {
            let known = match known() {
                none if none.is_empty() => "it takes none".to_owned(),
                some => format!("it has {some}"),
            };
            return Err(KeyError::UnknownRole { provider: provider(), role, known });
        }
        if secret.value().is_empty() {
            return Err(KeyError::EmptySecret { provider: provider(), role });
        }
        Ok((role, secret))
    };
    secrets.iter().map(with_role).collect()
}

fn material(
    recipe: &Recipe,
    slot: Slot,
    secrets: &[(Role, &RoleSecret)],
    settings: &Settings,
) -> Result<Material, KeyError> {
    let of_role = secrets.iter().enumerate().filter(|(_, (role, _))| *role == slot.role);
    let decoded = of_role
        .map(|(index, (role, secret))| Ok((index, key_bytes(recipe, *role, secret, settings)?)))
        .collect::<Result<Vec<_>, KeyError>>()?;
    // A public key is known to everyone: as the key of a MAC it would let everyone sign.
    let is_public =
        |(_, (role, secret)): &(usize, &(Role, &RoleSecret))| *role == slot.role && is_public(secret.value());
    if matches!(slot.purpose, Purpose::Mac(_)) && secrets.iter().enumerate().any(|secret| is_public(&secret)) {
        return Err(unusable(recipe, slot.role, "it is a public key, by which anyone could sign"));
    }
    match slot.purpose {
        Purpose::Credentials if decoded.iter().any(|(_, bytes)| key_api::halves(bytes).is_none()) => {
            Err(unusable(recipe, slot.role, "credentials are written NAME:SECRET, with a colon between them"))
        }
        Purpose::Compare | Purpose::Credentials => Ok(Material::Compare(decoded)),
        Purpose::Mac(hash) => {
            let key = |(index, bytes): (usize, Zeroizing<Vec<u8>>)| (index, hmac::Key::new(hash.hmac(), &bytes));
            Ok(Material::Mac(decoded.into_iter().map(key).collect()))
        }
        Purpose::Verify(algorithm) => {
            let key = |(index, bytes): (usize, Zeroizing<Vec<u8>>)| match PublicKey::of(algorithm, &bytes) {
                Ok(key) => Ok((index, key)),
                Err(problem) => Err(unusable(recipe, slot.role, problem)),
            };
            Ok(Material::Verify(decoded.into_iter().map(key).collect::<Result<_, _>>()?))
        }
    }
}

fn is_public(text: &str) -> bool {
    let text = text.trim_start();
    let pem = ["-----BEGIN PUBLIC KEY", "-----BEGIN RSA PUBLIC KEY", "-----BEGIN CERTIFICATE"];
    pem.iter().any(|begin| text.starts_with(begin)) || jwk::public_key(text.as_bytes()).is_some()
}

fn unusable(recipe: &Recipe, role: Role, problem: impl Into<String>) -> KeyError {
    KeyError::UnusableSecret { provider: recipe.name().to_owned(), role, problem: problem.into() }
}

fn key_bytes(
    recipe: &Recipe,
    role: Role,
    secret: &RoleSecret,
    settings: &Settings,
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let Some(spec) = declared(recipe).find(|spec| spec.role == role) else {
        return Err(unusable(recipe, role, "the recipe does not say how to read it"));
    };
    let encoding = spec.encoding.resolve(&recipe.with_defaults(settings)).ok().flatten();
    let Some(encoding) = encoding else {
        return Err(unusable(recipe, role, "no setting says how it is encoded"));
    };
    decode(secret.value(), spec.strip_prefix.as_deref(), encoding, spec.form)
        .map_err(|problem| unusable(recipe, role, problem))
}
