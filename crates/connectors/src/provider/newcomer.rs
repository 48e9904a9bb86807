//! What a newcomer configures to have a sender at all: the fewest secrets and settings, in the words of `trireme.yaml`.

use std::collections::BTreeSet;

use super::program::{self, Check, Fetch, Program};
use super::recipe::Recipe;
use super::secret::Role;
use super::settings::Settings;

impl Recipe {
    /// The lines of `trireme.yaml` that make a source of it, its secrets taken from the environment. A secret that the
    /// sender hands over is none of them, and of several ways of signing the first is taken; a comment names the others.
    #[must_use]
    pub fn configuration(&self, source: &str) -> String {
        let (needed, others) = self.roles_to_configure();
        let mut fields = vec![format!("provider: {}", self.name())];
        match &needed[..] {
            [] => {}
            [one] if self.is_plain(*one) => fields.push(format!("secret: {}", self.variable("secret"))),
            many => fields.push(self.secrets(many)),
        }
        for setting in self.spec().settings.iter().map(|setting| &setting.value) {
            match &setting.example {
                Some(example) => fields.push(format!("{}: {example}", setting.name)),
                None if setting.required => fields.push(format!("{}: ...", setting.name)),
                None => {}
            }
        }
        let others = others.iter().map(|role| format!("\n    # or by {}", self.secrets(&[*role])));
        let others: String = others.collect();
        format!("sources:\n  {source}:\n    webhook: {{ {} }}{others}", fields.join(", "))
    }

    /// What a newcomer is told to set, with examples in place of their own.
    #[must_use]
    pub fn settings_to_start_with(&self) -> Settings {
        let mut settings = Settings::default();
        for setting in self.spec().settings.iter().map(|setting| &setting.value) {
            if let Some(example) = &setting.example {
                settings.set(&setting.name, example);
            }
        }
        settings
    }

    fn variable(&self, role: &str) -> String {
        let text = format!("{}_{role}", self.name()).to_ascii_uppercase().replace(['-', '.'], "_");
        format!("\"${{{text}}}\"")
    }

    fn secrets(&self, roles: &[Role]) -> String {
        let each = roles.iter().map(|role| format!("{role}: {}", self.variable(role.as_str())));
        format!("secrets: {{ {} }}", each.collect::<Vec<_>>().join(", "))
    }

    /// Whether a secret without a role gets this one, at least by its look.
    fn is_plain(&self, role: Role) -> bool {
        let secrets = &self.spec().secrets;
        let first = secrets.first().is_some_and(|first| first.value.role == role);
        first || self.is_recognised(role)
    }

    fn is_recognised(&self, role: Role) -> bool {
        self.spec().secrets.iter().any(|secret| secret.value.role == role && secret.value.recognised_by.is_some())
    }

    /// The roles without which nothing passes under a newcomer's settings, and those that would do in their place; all of
    /// them where these settings do not suffice to tell.
    fn roles_to_configure(&self) -> (Vec<Role>, Vec<Role>) {
        let settings = self.with_defaults(&self.settings_to_start_with());
        let Ok(program) = program::build(self.spec(), &settings) else {
            return (self.roles().map(|(role, _)| role).collect(), Vec::new());
        };
        let (needed, checked) = (needed(&program, &program.check), checked(&program, &program.check));
        // What only handshakes use is needed to set the address up.
        let shakes_hands = |role: Role| program.slots.iter().any(|slot| slot.role == role) && !checked.contains(&role);
        let declared = || self.roles().map(|(role, _)| role).filter(|role| self.pairs() != Some(*role));
        let wanted = declared().filter(|role| needed.contains(role) || shakes_hands(*role)).collect::<Vec<_>>();
        // A plain secret is told by its look, so that nobody has to choose.
        let others = declared().filter(|role| checked.contains(role) && !wanted.contains(role));
        let others = others.filter(|role| !(wanted.len() == 1 && self.is_plain(*role))).collect();
        (wanted, others)
    }
}

/// Of one way through a check, the first that there is.
fn needed(program: &Program, check: &Check) -> BTreeSet<Role> {
    match check {
        Check::AnyOf(checks) => checks.first().map(|check| needed(program, check)).unwrap_or_default(),
        Check::AllOf { checks, .. } => checks.iter().flat_map(|check| needed(program, check)).collect(),
        Check::OnlyIf { check, .. } => needed(program, check),
        Check::Jws(jws) => match &jws.fetched {
            Some(fetch) => of_slots(program, credentials(fetch)),
            None => of_slots(program, jws.algorithms.first().map(|(_, slot)| *slot)),
        },
        Check::Signed(_)
        | Check::Token { .. }
        | Check::Basic { .. }
        | Check::ClientCert { .. }
        | Check::None
        | Check::Bind(_)
        | Check::Address(_) => checked(program, check),
    }
}

/// Of all ways through it.
fn checked(program: &Program, check: &Check) -> BTreeSet<Role> {
    match check {
        Check::None | Check::Bind(_) | Check::Address(_) => BTreeSet::new(),
        Check::Signed(signed) => match &signed.fetched {
            Some(fetch) => of_slots(program, credentials(fetch)),
            None => of_slots(program, [signed.slot]),
        },
        Check::Token { slot, .. } | Check::Basic { slot } | Check::ClientCert { slot, .. } => {
            of_slots(program, [*slot])
        }
        Check::Jws(jws) => {
            let configured = jws.algorithms.iter().map(|(_, slot)| *slot);
            of_slots(program, configured.chain(jws.fetched.as_ref().and_then(credentials)))
        }
        Check::AnyOf(checks) | Check::AllOf { checks, .. } => {
            checks.iter().flat_map(|check| checked(program, check)).collect()
        }
        Check::OnlyIf { check, .. } => checked(program, check),
    }
}

fn credentials(fetch: &Fetch) -> Option<usize> {
    fetch.key_api.as_ref().map(|api| api.slot)
}

fn of_slots(program: &Program, slots: impl IntoIterator<Item = usize>) -> BTreeSet<Role> {
    slots.into_iter().filter_map(|slot| Some(program.slots.get(slot)?.role)).collect()
}
