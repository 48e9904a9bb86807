//! What is wrong in a manifest: which file, line and component, and what the format expects there.
//!
//! Never quotes a value from a user's config: those may be secrets.

use std::fmt;
use std::sync::Arc;

/// Where something is written. Lines and columns count from 1; 0 where it came from no file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub line: u32,
    pub column: u32,
}

/// What kind of mistake it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The text is not YAML, or not one document.
    Syntax,
    /// A value is not what the format has there.
    Wrong,
    /// A `$ref` or `#/…` that leads nowhere or back to itself.
    Reference,
    /// A limit was reached.
    TooLarge,
    /// A component that is not known here. Only the streams that use it are lost.
    Unsupported { component: Arc<str> },
    /// A component that stands for code. It is never executed; an override can replace it.
    Custom { component: Arc<str>, class: Arc<str> },
    /// It runs, but probably not as meant.
    Doubt,
}

/// One mistake in a manifest.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problem(Box<Detail>);

#[derive(Clone, PartialEq, Eq)]
struct Detail {
    fault: Fault,
    file: Arc<str>,
    place: Place,
    path: String,
    message: String,
}

impl Problem {
    #[must_use]
    pub fn new(fault: Fault, file: Arc<str>, place: Place, path: String, message: String) -> Self {
        Self(Box::new(Detail { fault, file, place, path, message }))
    }

    #[must_use]
    pub fn fault(&self) -> &Fault {
        &self.0.fault
    }

    /// Stable, for machines.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self.0.fault {
            Fault::Syntax => "manifest_syntax",
            Fault::Wrong => "manifest_wrong",
            Fault::Reference => "manifest_reference",
            Fault::TooLarge => "manifest_too_large",
            Fault::Unsupported { .. } => "component_unsupported",
            Fault::Custom { .. } => "component_custom",
            Fault::Doubt => "manifest_doubt",
        }
    }

    /// Whether nothing is wrong with the manifest: it uses what is not known or not run here.
    #[must_use]
    pub fn is_about_component(&self) -> bool {
        matches!(self.0.fault, Fault::Unsupported { .. } | Fault::Custom { .. })
    }

    #[must_use]
    pub fn file(&self) -> &str {
        &self.0.file
    }

    #[must_use]
    pub fn place(&self) -> Place {
        self.0.place
    }

    /// The component's path in the manifest, such as `streams[0].retriever.requester`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// What is wrong, without its place.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Detail { file, place, path, message, .. } = &*self.0;
        write!(f, "{file}")?;
        if place.line > 0 {
            write!(f, ":{}:{}", place.line, place.column)?;
        }
        if !path.is_empty() {
            write!(f, ": {path}")?;
        }
        write!(f, ": {message}")
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Problem({}: {self})", self.code())
    }
}
