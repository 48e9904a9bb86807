//! What compiling or evaluating a template can fail with: a stable code, and a message that says which template.

use std::sync::Arc;

/// Why a template has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the template {template:?} {reason}")]
pub struct Failure {
    code: &'static str,
    template: Arc<str>,
    reason: String,
}

/// As much of a template as a message quotes.
const QUOTED_CHARS_MAX: usize = 200;

impl Failure {
    pub(crate) fn new(code: &'static str, template: &str, reason: impl Into<String>) -> Self {
        let mut quoted: String = template.chars().take(QUOTED_CHARS_MAX).collect();
        if quoted.len() < template.len() {
            quoted.push('…');
        }
        Self { code, template: quoted.into(), reason: reason.into() }
    }

    /// Stable and in snake_case: `template_syntax`, `template_undefined` and so on.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The template, shortened if it is long.
    pub fn template(&self) -> &str {
        &self.template
    }
}
