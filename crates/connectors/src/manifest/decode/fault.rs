//! Why the body of a reply could not be decoded. A body that is cut short is always an error: what was given out before
//! is not the whole page, and a cursor must not move past it.

use std::io;

/// Why a body could not be decoded, with what a person needs to find the place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The body ends before the document does.
    #[error(
        "the reply is cut short: its {format} ends in the middle, after {items} complete items; read the page again"
    )]
    Truncated { format: &'static str, items: u64 },
    /// The body is something else than the manifest's decoder expects.
    #[error("the reply is not the {format} that the manifest's decoder expects: {detail}")]
    Malformed { format: &'static str, detail: String },
    /// A bound was reached.
    #[error("the reply is too large: {what} is limited to {limit}")]
    TooLarge { what: &'static str, limit: u64 },
    /// The bytes are not text in the encoding that they should be in.
    #[error("the reply is not text encoded as {encoding}; set the decoder's `encoding` to what the API sends")]
    Charset { encoding: String },
    /// A well-formed archive that uses what is not read here.
    #[error("the archive cannot be read: {detail}")]
    Unsupported { detail: String },
    /// The connection, not the contents.
    #[error("the reply's body could not be read to its end: {0}")]
    Unreadable(#[source] io::Error),
}

impl DecodeError {
    /// Stable, for machines.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Truncated { .. } => "reply_truncated",
            Self::Malformed { .. } => "reply_malformed",
            Self::TooLarge { .. } => "reply_too_large",
            Self::Charset { .. } => "reply_charset",
            Self::Unsupported { .. } => "reply_unsupported",
            Self::Unreadable(_) => "reply_unreadable",
        }
    }

    pub(super) fn malformed(format: &'static str, detail: impl Into<String>) -> Self {
        Self::Malformed { format, detail: detail.into() }
    }

    /// From a layer below: our own faults travel through `std::io` inside its errors.
    pub(super) fn from_read(error: io::Error, format: &'static str, items: u64) -> Self {
        if error.get_ref().is_some_and(|inner| inner.is::<Self>()) {
            return match error.into_inner().map(|inner| inner.downcast::<Self>()) {
                Some(Ok(fault)) => fault.with_items(items),
                _ => Self::malformed(format, "it could not be read"),
            };
        }
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Truncated { format, items },
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => Self::malformed(format, error.to_string()),
            _ => Self::Unreadable(error),
        }
    }

    pub(super) fn into_io(self) -> io::Error {
        io::Error::other(self)
    }

    fn with_items(self, items: u64) -> Self {
        match self {
            Self::Truncated { format, .. } => Self::Truncated { format, items },
            other => other,
        }
    }
}
