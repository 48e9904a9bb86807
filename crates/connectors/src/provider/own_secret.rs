//! A secret of our own making, in the form in which a sender takes one. Draws no chance: the bytes are an argument.

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use zeroize::Zeroizing;

use super::recipe::Recipe;
use super::secret::Role;
use super::settings::Settings;
use super::spec::{KeyEncoding, KeyForm};

/// The user of HTTP Basic whose password is the secret.
const BASIC_USER: &str = "trireme";

impl Recipe {
    /// These bytes as the recipe's plain secret; `None` where its sender takes none that we make.
    #[must_use]
    pub fn secret_of(&self, bytes: &[u8], settings: &Settings) -> Option<Zeroizing<String>> {
        let spec = &self.spec().secrets.first()?.value;
        let encoding = spec.encoding.resolve(&self.with_defaults(settings)).ok().flatten()?;
        if !matches!(spec.form, KeyForm::Raw) || matches!(spec.role, Role::Public | Role::Private) {
            return None;
        }
        let text = match encoding {
            KeyEncoding::Text | KeyEncoding::Hex => HEXLOWER.encode(bytes),
            KeyEncoding::Base64 => BASE64.encode(bytes),
            KeyEncoding::Base64url => BASE64URL_NOPAD.encode(bytes),
            KeyEncoding::Pem => return None,
        };
        let text = match (spec.role, &spec.strip_prefix) {
            (Role::Basic, _) => format!("{BASIC_USER}:{text}"),
            (_, Some(prefix)) => format!("{prefix}{text}"),
            (_, None) => text,
        };
        // By its looks it must not be taken for one of another role.
        (self.role_of(&text) == Some(spec.role)).then(|| Zeroizing::new(text))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Keys, RoleSecret, catalogue};
    use super::*;

    #[test]
    fn each_sender_takes_it_in_its_own_form() {
        let of = |provider: &str| {
            let recipe = catalogue().get(provider).unwrap_or_else(|| panic!("{provider} is ours"));
            let secret = recipe.secret_of(&[7; 32], &Settings::default())?;
            let keys = Keys::compile(&recipe, &[RoleSecret::plain(secret.as_str())], &Settings::default());
            assert!(keys.is_ok(), "{provider}: {keys:?}");
            Some(secret.to_string())
        };
        let hex = "07".repeat(32);
        for (provider, expected) in [
            ("github", hex.clone()),
            ("gitlab", hex.clone()),
            ("jira", hex.clone()),
            ("pipedrive", format!("trireme:{hex}")),
            ("standard-webhooks", format!("whsec_{}", BASE64.encode(&[7; 32]))),
        ] {
            assert_eq!(of(provider), Some(expected), "{provider}");
        }
    }
}
