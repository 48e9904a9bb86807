//! What each check proves. Derived from what it covers, so that no recipe can claim more.

use domain::Assurance;

use super::{Check, Proof};
use crate::provider::field::Field;
use crate::provider::spec::{Transform, UrlForm};

/// Whether a value depends on what the body says, rather than on its bytes.
pub(super) fn reads_inside_body(field: &Field) -> bool {
    match field {
        Field::Form(_)
        | Field::Multipart(_)
        | Field::Json(_)
        | Field::Xml(_)
        | Field::FirstKey(..)
        | Field::SortedForm => true,
        // A value that a step made of the bytes as a whole depends on what they say.
        Field::Transformed(inner, steps) if matches!(**inner, Field::Body) => {
            steps.iter().any(|step| matches!(step, Transform::Json(_) | Transform::Xml(_) | Transform::JwsPayload))
        }
        Field::Join(_, of) | Field::Segment(of) => of.iter().any(reads_inside_body),
        Field::ListedHeaders(inner, _) | Field::Whole(inner) | Field::Parent(inner) => reads_inside_body(inner),
        Field::Transformed(inner, _) | Field::Maybe(inner) => reads_inside_body(inner),
        Field::Header(_)
        | Field::Query(_)
        | Field::Method
        | Field::Url(_)
        | Field::Path
        | Field::Body
        | Field::Const(_)
        | Field::Sig(_)
        | Field::Secret(_)
        | Field::Position
        | Field::Unset => false,
    }
}

/// Whether a part pins down every byte that counts of the body.
pub(super) fn covers_body(field: &Field) -> bool {
    match field {
        Field::Body | Field::SortedForm => true,
        Field::Join(_, of) | Field::Segment(of) => of.iter().any(covers_body),
        Field::Transformed(inner, steps) => {
            covers_body(inner) && steps.iter().all(|step| matches!(step, Transform::Sha256(_)))
        }
        _ => false,
    }
}

/// What a token proves by itself.
pub(super) fn token_proves(from: &Field, detached: Option<&[Field]>) -> Assurance {
    match detached {
        Some(payload) => proven(Proof::Mac, payload),
        None if matches!(from, Field::Body) => Assurance::Body,
        None => Assurance::Origin,
    }
}

/// What a signature over this message proves.
pub(super) fn proven(proof: Proof, message: &[Field]) -> Assurance {
    let covered = if message.iter().any(covers_body) {
        Assurance::Body
    } else if message.iter().any(reads_inside_body) {
        Assurance::Partial
    } else {
        Assurance::Origin
    };
    match proof {
        Proof::Mac | Proof::PublicKey(_) => covered,
        // Whoever has seen one such request can append to its body: the hash of a longer one follows from it.
        Proof::SecretDigest(_) => covered.min(Assurance::Partial),
    }
}

/// Whether the checks together cover the body: by a digest of it inside a value that is signed.
pub(super) fn binds_body(checks: &[Check]) -> bool {
    checks.iter().any(|check| match check {
        Check::Bind(bind) => bind.of.iter().any(covers_body) && checks.iter().any(|check| signs(check, &bind.value)),
        _ => false,
    })
}

/// Whether whatever passes this check was signed together with the value.
fn signs(check: &Check, value: &Field) -> bool {
    match check {
        // A weak digest binds nothing: see `proven`.
        Check::Signed(signed) if matches!(signed.proof, Proof::SecretDigest(_)) => false,
        Check::Signed(signed) => signed.message.iter().any(|part| match part {
            Field::Url(form) => *form != UrlForm::Received && matches!(value, Field::Query(_)),
            part => part == value,
        }),
        Check::AnyOf(checks) => checks.iter().all(|check| signs(check, value)),
        Check::AllOf { checks, .. } => checks.iter().any(|check| signs(check, value)),
        Check::OnlyIf { check, .. } => signs(check, value),
        Check::Jws(jws) => matches!(value, Field::Transformed(inner, steps)
            if **inner == jws.from && steps.first() == Some(&Transform::JwsPayload)),
        Check::None
        | Check::Token { .. }
        | Check::Basic { .. }
        | Check::Bind(_)
        | Check::Address(_)
        | Check::ClientCert { .. } => false,
    }
}

/// The most that a check can prove.
pub(crate) fn assurance(check: &Check) -> Assurance {
    match check {
        Check::None | Check::Bind(_) => Assurance::None,
        Check::Signed(signed) => signed.assurance,
        Check::Jws(jws) => jws.assurance,
        Check::ClientCert { .. } => Assurance::Origin,
        Check::Token { .. } | Check::Basic { .. } | Check::Address(_) => Assurance::Shared,
        Check::AnyOf(checks) => checks.iter().map(assurance).max().unwrap_or(Assurance::None),
        Check::AllOf { binds_body: true, .. } => Assurance::Body,
        Check::AllOf { checks, .. } => checks.iter().map(assurance).max().unwrap_or(Assurance::None),
        Check::OnlyIf { check, .. } => assurance(check),
    }
}
