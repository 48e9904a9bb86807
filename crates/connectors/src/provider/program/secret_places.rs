//! Where a sender's requests show its secret itself, so that whoever sees such a request could send as the sender.

use domain::request::SecretPlaces;

use super::{Check, Program, Test};
use crate::provider::effect::EffectProgram;
use crate::provider::field::Field;

/// The places of tokens and of credentials, also of those that handshakes bring. A signature is none: it proves the one
/// request that it is of.
pub(crate) fn secret_places(program: &Program) -> SecretPlaces {
    let mut places = SecretPlaces::default();
    of_check(&program.check, &mut places);
    for handshake in &program.handshakes {
        of_tests(&handshake.when, &mut places);
        if let Some(EffectProgram::StoreSecret { from, .. }) = &handshake.effect {
            of_field(from, &mut places);
        }
    }
    program.ok.iter().for_each(|ok| of_tests(&ok.when, &mut places));
    places
}

fn of_check(check: &Check, places: &mut SecretPlaces) {
    match check {
        Check::Token { from, .. } => of_field(from, places),
        Check::Basic { .. } => {
            places.headers.insert("authorization".into());
        }
        Check::AnyOf(checks) | Check::AllOf { checks, .. } => checks.iter().for_each(|check| of_check(check, places)),
        Check::OnlyIf { when, check } => {
            of_tests(when, places);
            of_check(check, places);
        }
        Check::None
        | Check::Signed(_)
        | Check::Bind(_)
        | Check::Jws(_)
        | Check::Address(_)
        | Check::ClientCert { .. } => {}
    }
}

fn of_tests(tests: &[Test], places: &mut SecretPlaces) {
    for test in tests {
        if let Test::EqualsSecret(field, _) = test {
            of_field(field, places);
        }
    }
}

/// The headers and query parameters that a value is made of.
fn of_field(field: &Field, places: &mut SecretPlaces) {
    match field {
        Field::Header(name) => {
            places.headers.insert(name.clone());
        }
        Field::Query(name) => {
            places.query.insert(name.clone());
        }
        Field::Join(_, of) | Field::Segment(of) => of.iter().for_each(|field| of_field(field, places)),
        Field::Whole(inner) | Field::Parent(inner) | Field::Transformed(inner, _) | Field::Maybe(inner) => {
            of_field(inner, places);
        }
        Field::Form(_)
        | Field::Multipart(_)
        | Field::Json(_)
        | Field::Xml(_)
        | Field::Method
        | Field::Url(_)
        | Field::Path
        | Field::Body
        | Field::Const(_)
        | Field::Sig(_)
        | Field::SortedForm
        | Field::ListedHeaders(..)
        | Field::FirstKey(..)
        | Field::Secret(_)
        | Field::Position
        | Field::Unset => {}
    }
}
