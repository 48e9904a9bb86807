//! What is wrong with a recipe or with the keys of a source, said so that a person can put it right.

use std::fmt;

use super::secret::Role;

/// A line and column of a file, both from 1; 0 where none is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub line: u64,
    pub column: u64,
}

/// One mistake in a recipe file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipeError {
    pub file: String,
    pub place: Place,
    pub message: String,
    /// What to do about it, where that can be told.
    pub help: Option<String>,
}

impl fmt::Display for RecipeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.place.line, self.place.column, self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

/// Every mistake that was found in a recipe file, in the order of its lines. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct RecipeErrors(pub Vec<RecipeError>);

impl fmt::Display for RecipeErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl From<RecipeError> for RecipeErrors {
    fn from(error: RecipeError) -> Self {
        Self(vec![error])
    }
}

/// Why the secrets and settings of a source do not fit its recipe. Says nothing of a secret's value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("provider '{provider}' needs {what}: set 'secret' to it")]
    MissingSecret { provider: String, what: String },
    #[error("a secret of provider '{provider}' is empty: an empty key would accept forged requests")]
    EmptySecret { provider: String, role: Role },
    #[error("the {role} secret of provider '{provider}' cannot be used: {problem}")]
    UnusableSecret { provider: String, role: Role, problem: String },
    #[error("provider '{provider}' has no {role} secret: {known}")]
    UnknownRole { provider: String, role: Role, known: String },
    #[error("there is no kind of secret called '{role}': there are {known}")]
    NoSuchRole { role: String, known: String },
    #[error("setting '{name}' is one value: a text, a number, true or false")]
    SettingNotScalar { name: String },
    #[error("provider '{provider}' takes no secret: remove it, or choose a provider that verifies")]
    TakesNoSecret { provider: String },
    #[error("more than {max} secrets for provider '{provider}': remove those that no sender uses any more")]
    TooManySecrets { provider: String, max: usize },
    #[error("provider '{provider}' has no setting '{name}': {known}")]
    UnknownSetting { provider: String, name: String, known: String },
    #[error("provider '{provider}' needs the setting '{name}': {about}")]
    MissingSetting { provider: String, name: String, about: String },
    #[error("setting '{name}' of provider '{provider}' cannot be '{value}': {problem}")]
    UnusableSetting { provider: String, name: String, value: String, problem: String },
}

impl KeyError {
    /// Stable, for machines and for the page that explains it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::MissingSecret { .. } => "secret_missing",
            Self::EmptySecret { .. } => "secret_empty",
            Self::UnusableSecret { .. } => "secret_unusable",
            Self::UnknownRole { .. } | Self::NoSuchRole { .. } => "secret_role_unknown",
            Self::TakesNoSecret { .. } => "secret_not_taken",
            Self::TooManySecrets { .. } => "secrets_too_many",
            Self::UnknownSetting { .. } => "setting_unknown",
            Self::MissingSetting { .. } => "setting_missing",
            Self::UnusableSetting { .. } | Self::SettingNotScalar { .. } => "setting_unusable",
        }
    }
}
