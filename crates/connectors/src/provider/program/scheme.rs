//! Says in a line what each check of a program verifies, so that two recipes of one scheme are told by their text and
//! no list of them has to be kept by hand.

use std::collections::BTreeSet;

use super::assurance::covers_body;
use super::{Check, Fetch, Jws, Program, Proof, Purpose, Signed};
use crate::provider::field::Field;
use crate::provider::json::Pointers;

/// One way of signing that a recipe takes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scheme {
    /// Equal for two senders exactly if either takes what the other one signs with the same key.
    pub text: String,
    /// Lower-case names of the headers that the signature stands in or covers.
    pub headers: BTreeSet<String>,
    /// Every byte that counts of the body is covered.
    pub covers_body: bool,
    /// The fields of a form are what is covered, not their spelling.
    pub covers_form: bool,
    /// The hosts that its keys are fetched from, if they are.
    pub key_hosts: Vec<String>,
}

/// The schemes of a program, without those that prove nothing by themselves.
pub(crate) fn schemes(program: &Program) -> Vec<Scheme> {
    let mut found = Vec::new();
    collect(program, &program.check, &mut found);
    found.sort();
    found.dedup();
    found
}

fn collect(program: &Program, check: &Check, found: &mut Vec<Scheme>) {
    match check {
        Check::None | Check::Bind(_) => {}
        Check::Signed(signed) => found.push(of_signed(program, signed)),
        Check::Jws(jws) => found.push(of_token(program, jws)),
        Check::Address(_) => found.push(shared("address".to_owned())),
        Check::ClientCert { from, .. } => {
            found.push(shared(format!("certificate in {}", text(from, &program.pointers))));
        }
        Check::Token { from, each, .. } => {
            let pointers = each.as_ref().map_or(&program.pointers, |each| &each.item);
            found.push(shared(format!("token in {}", text(from, pointers))));
        }
        Check::Basic { .. } => found.push(shared("basic".to_owned())),
        Check::AnyOf(checks) => checks.iter().for_each(|check| collect(program, check, found)),
        Check::AllOf { checks, binds_body } => {
            let first = found.len();
            checks.iter().for_each(|check| collect(program, check, found));
            found[first..].iter_mut().for_each(|scheme| scheme.covers_body |= binds_body);
        }
        Check::OnlyIf { check, .. } => collect(program, check, found),
    }
}

fn shared(text: String) -> Scheme {
    Scheme { text, headers: BTreeSet::new(), covers_body: false, covers_form: false, key_hosts: Vec::new() }
}

fn of_signed(program: &Program, signed: &Signed) -> Scheme {
    let proof = match (signed.proof, program.slots.get(signed.slot).map(|slot| slot.purpose)) {
        (Proof::Mac, Some(Purpose::Mac(hash))) => format!("hmac {hash:?}"),
        (Proof::Mac, _) => "hmac".to_owned(),
        (Proof::PublicKey(algorithm), _) => format!("signature {algorithm:?}"),
        (Proof::SecretDigest(hash), _) => format!("digest {hash:?}"),
    };
    let message: Vec<String> = signed.message.iter().map(|field| text(field, &program.pointers)).collect();
    let from = text(&signed.signature.from, &program.pointers);
    let mut headers = BTreeSet::new();
    for field in signed.message.iter().chain([&signed.signature.from]) {
        collect_headers(field, &mut headers);
    }
    let key_hosts = key_hosts(signed.fetched.as_ref(), &mut headers);
    let keys = by_keys_of(signed.fetched.as_ref(), &key_hosts);
    Scheme {
        text: format!("{proof} in {from} as {:?} of {}{keys}", signed.signature.encoding, message.join(" + ")),
        key_hosts,
        headers,
        covers_body: signed.message.iter().any(covers_body),
        covers_form: signed.message.iter().any(|field| matches!(field, Field::SortedForm)),
    }
}

fn of_token(program: &Program, jws: &Jws) -> Scheme {
    let algorithms: Vec<&str> = jws.algorithms.iter().map(|(algorithm, _)| algorithm.as_str()).collect();
    let payload: Vec<String> = jws.detached.iter().flatten().map(|field| text(field, &program.pointers)).collect();
    let payload = if payload.is_empty() { "its own payload".to_owned() } else { payload.join(" + ") };
    let mut headers = BTreeSet::new();
    for field in jws.detached.iter().flatten().chain([&jws.from]) {
        collect_headers(field, &mut headers);
    }
    let key_hosts = key_hosts(jws.fetched.as_ref(), &mut headers);
    let keys = by_keys_of(jws.fetched.as_ref(), &key_hosts);
    Scheme {
        text: format!("jws {} in {} of {payload}{keys}", algorithms.join(" or "), text(&jws.from, &program.pointers)),
        key_hosts,
        headers,
        covers_body: jws.assurance == domain::Assurance::Body,
        covers_form: false,
    }
}

/// The hosts of published keys; the headers that say where a key is count as those of the signature.
fn key_hosts(fetch: Option<&Fetch>, headers: &mut BTreeSet<String>) -> Vec<String> {
    let Some(fetch) = fetch else { return Vec::new() };
    for field in [Some(&fetch.url), fetch.kid.as_ref()].into_iter().flatten() {
        collect_headers(field, headers);
    }
    fetch.anchor.hosts.iter().map(ToString::to_string).collect()
}

fn by_keys_of(fetch: Option<&Fetch>, hosts: &[String]) -> String {
    let Some(fetch) = fetch else { return String::new() };
    let how = if fetch.key_api.is_some() { "given out by the API of" } else { "published at" };
    format!(" by the keys {how} {}", hosts.join(" or "))
}

fn collect_headers(field: &Field, headers: &mut BTreeSet<String>) {
    match field {
        Field::Header(name) => drop(headers.insert(name.to_string())),
        Field::Transformed(inner, _)
        | Field::Maybe(inner)
        | Field::Whole(inner)
        | Field::Parent(inner)
        | Field::ListedHeaders(inner, _) => {
            collect_headers(inner, headers);
        }
        Field::Join(_, of) | Field::Segment(of) => of.iter().for_each(|field| collect_headers(field, headers)),
        _ => {}
    }
}

fn text(field: &Field, pointers: &Pointers) -> String {
    match field {
        Field::Header(name) => format!("header {name}"),
        Field::Query(name) => format!("query {name}"),
        Field::Form(name) => format!("form {name}"),
        Field::Multipart(name) => format!("multipart {name}"),
        Field::Xml(path) => format!("xml {path}"),
        Field::Json(slot) => format!("json {}", pointers.name(*slot)),
        Field::Method => "method".to_owned(),
        Field::Url(form) => format!("url {form:?}"),
        Field::Path => "path".to_owned(),
        Field::Body => "body".to_owned(),
        Field::Const(bytes) => format!("{:?}", String::from_utf8_lossy(bytes)),
        Field::Sig(name) => format!("sig {name}"),
        Field::SortedForm => "sorted form".to_owned(),
        Field::ListedHeaders(names, listed) => format!("headers listed in {} by {listed:?}", text(names, pointers)),
        Field::FirstKey(slot, except) => format!("first key of {} except {except:?}", pointers.name(*slot)),
        Field::Join(separator, of) => format!(
            "({})",
            of.iter().map(|field| text(field, pointers)).collect::<Vec<_>>().join(&format!(" {separator:?} "))
        ),
        Field::Segment(of) => {
            format!("[{}]", of.iter().map(|field| text(field, pointers)).collect::<Vec<_>>().join(" + "))
        }
        Field::Secret(_) => "a secret".to_owned(),
        Field::Whole(inner) | Field::Parent(inner) => text(inner, pointers),
        Field::Position => "position".to_owned(),
        Field::Transformed(inner, steps) => format!("{} by {steps:?}", text(inner, pointers)),
        Field::Maybe(inner) => text(inner, pointers),
        Field::Unset => "nothing".to_owned(),
    }
}
