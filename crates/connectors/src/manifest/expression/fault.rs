//! What stops an evaluation. The kinds are kept apart because the format treats them differently: after a wrong type it
//! gives the template's own text, something undefined is false in a condition, and the rest are failures.

/// Why an evaluation stopped.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// Python's TypeError.
    Type(String),
    /// Something undefined was used.
    Undefined(String),
    /// Any other failure, with its stable code.
    Other(&'static str, String),
}

/// Boxed, so that the way of success stays small.
pub(crate) type Eval<T> = Result<T, Box<Fault>>;

pub(crate) const VALUE: &str = "template_value";
pub(crate) const UNSUPPORTED: &str = "template_unsupported";
pub(crate) const LIMIT: &str = "template_limit";
pub(crate) const FORBIDDEN: &str = "template_forbidden";

impl Fault {
    pub(crate) fn wrong_type(message: impl Into<String>) -> Box<Self> {
        Box::new(Self::Type(message.into()))
    }

    pub(crate) fn undefined(message: impl Into<String>) -> Box<Self> {
        Box::new(Self::Undefined(message.into()))
    }

    /// A value that is of the right type but wrong: Python's ValueError, KeyError, ZeroDivisionError and so on.
    pub(crate) fn value(message: impl Into<String>) -> Box<Self> {
        Box::new(Self::Other(VALUE, message.into()))
    }

    /// What Python does and we do not.
    pub(crate) fn unsupported(message: impl Into<String>) -> Box<Self> {
        Box::new(Self::Other(UNSUPPORTED, message.into()))
    }

    pub(crate) fn limit(message: impl Into<String>) -> Box<Self> {
        Box::new(Self::Other(LIMIT, message.into()))
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Box<Self> {
        Box::new(Self::Other(FORBIDDEN, message.into()))
    }
}
