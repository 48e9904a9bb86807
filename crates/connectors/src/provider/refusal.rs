//! Why a request is refused: few stable codes, because rejected requests are bounded per source and code.

use std::borrow::Cow;

use domain::request::Reason;

/// The whole list of reasons a recipe can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    SignatureMissing,
    SignatureMalformed,
    SignatureMismatch,
    SignedFieldMissing,
    DuplicateHeader,
    TimestampMissing,
    TimestampUnreadable,
    TimestampStale,
    TimestampInFuture,
    BodyUnreadable,
    EncodingRefused,
    BodyTooLarge,
    ChallengeRefused,
    MethodRefused,
    /// A secret that makes the signature is outside of its window.
    SecretLapsed,
    ClaimRefused,
    AddressRefused,
    /// A key is said to be where this sender keeps none.
    KeyUrlRefused,
    /// The sender does not publish the key by which the request claims to be signed.
    KeyUnknown,
    /// Not told: the request waits for its key.
    KeyAwaited,
}

impl Code {
    pub const ALL: [Self; 20] = [
        Self::SignatureMissing,
        Self::SignatureMalformed,
        Self::SignatureMismatch,
        Self::SignedFieldMissing,
        Self::DuplicateHeader,
        Self::TimestampMissing,
        Self::TimestampUnreadable,
        Self::TimestampStale,
        Self::TimestampInFuture,
        Self::BodyUnreadable,
        Self::EncodingRefused,
        Self::BodyTooLarge,
        Self::ChallengeRefused,
        Self::MethodRefused,
        Self::SecretLapsed,
        Self::ClaimRefused,
        Self::AddressRefused,
        Self::KeyUrlRefused,
        Self::KeyUnknown,
        Self::KeyAwaited,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignatureMissing => "signature_missing",
            Self::SignatureMalformed => "signature_malformed",
            Self::SignatureMismatch => "signature_mismatch",
            Self::SignedFieldMissing => "signed_field_missing",
            Self::DuplicateHeader => "duplicate_header",
            Self::TimestampMissing => "timestamp_missing",
            Self::TimestampUnreadable => "timestamp_unreadable",
            Self::TimestampStale => "timestamp_stale",
            Self::TimestampInFuture => "timestamp_in_future",
            Self::BodyUnreadable => "body_unreadable",
            Self::EncodingRefused => "encoding_refused",
            Self::BodyTooLarge => "body_too_large",
            Self::ChallengeRefused => "challenge_refused",
            Self::MethodRefused => "method_refused",
            Self::SecretLapsed => "secret_lapsed",
            Self::ClaimRefused => "claim_refused",
            Self::AddressRefused => "address_refused",
            Self::KeyUrlRefused => "key_url_refused",
            Self::KeyUnknown => "key_unknown",
            Self::KeyAwaited => "key_awaited",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == text)
    }

    /// Refuses whatever another branch of the recipe says: no honest sender repeats such a header.
    pub(crate) const fn is_final(self) -> bool {
        matches!(self, Self::DuplicateHeader)
    }

    /// How near the request came to being accepted. Of several branches the nearest miss is told.
    pub(crate) const fn nearness(self) -> u8 {
        match self {
            Self::DuplicateHeader => 5,
            Self::TimestampStale
            | Self::TimestampInFuture
            | Self::TimestampUnreadable
            | Self::SecretLapsed
            | Self::ClaimRefused
            | Self::AddressRefused => 4,
            Self::SignatureMismatch | Self::KeyUrlRefused | Self::KeyUnknown | Self::KeyAwaited => 3,
            Self::SignatureMalformed | Self::SignedFieldMissing | Self::TimestampMissing => 2,
            Self::BodyUnreadable | Self::EncodingRefused | Self::BodyTooLarge => 1,
            Self::SignatureMissing | Self::ChallengeRefused | Self::MethodRefused => 0,
        }
    }
}

/// A code with the sentence for people; the sentence never quotes a secret or a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub code: Code,
    pub detail: Cow<'static, str>,
}

impl Refusal {
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into() }
    }
}

impl From<Refusal> for Reason {
    fn from(refusal: Refusal) -> Self {
        Self { code: refusal.code.as_str().into(), detail: refusal.detail.into_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_read_back() {
        for code in Code::ALL {
            assert_eq!(Code::parse(code.as_str()), Some(code));
        }
    }
}
