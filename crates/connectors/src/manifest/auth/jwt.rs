//! JSON Web Tokens that we sign ourselves, anew for each request.

use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde_json::{Map, Value as Json};

use super::super::expression::{Condition, Kinds, Mapping, Template};
use super::super::node::{Node, Parameters, Read};
use super::super::problem::{Fault, Problem};
use super::super::request::fields::{compiled, condition, credential, mapping, needed_template, template};
use super::super::request::{Additions, RequestOption};
use super::super::scope::Scope;
use super::super::trouble::Trouble;
use super::key::{Algorithm, sign};
use super::simple::AUTHORIZATION;

/// How long a token holds where the manifest says nothing.
const SECONDS_USUAL: i64 = 1_200;
/// Longest life that a manifest may give a token.
const SECONDS_MAX: i64 = 366 * 86_400;
/// Claims and headers that are set here and nowhere else.
const OWN_HEADERS: [&str; 4] = ["kid", "alg", "typ", "cty"];
const OWN_CLAIMS: [&str; 6] = ["iss", "sub", "aud", "iat", "exp", "nbf"];

/// An authenticator that signs a token per request.
#[derive(Clone, Debug)]
pub struct Jwt {
    key: Template,
    key_is_encoded: Option<Condition>,
    passphrase: Option<Template>,
    algorithm: Algorithm,
    seconds: i64,
    prefix: Option<Template>,
    headers: Vec<(&'static str, Template)>,
    claims: Vec<(&'static str, Template)>,
    more_headers: Option<Mapping>,
    more_claims: Option<Mapping>,
    option: RequestOption,
    parameters: Parameters,
}

impl Jwt {
    pub(super) fn add(&self, scope: &Scope<'_>, additions: &mut Additions) -> Result<(), Trouble> {
        let text = self.text(scope)?;
        additions.add(&self.option, Json::String(text), scope)
    }

    /// The token, after its prefix if there is one.
    pub(super) fn text(&self, scope: &Scope<'_>) -> Result<String, Trouble> {
        let scope = &scope.parameters(&self.parameters);
        let prefix = self.prefix.as_ref().map(|prefix| prefix.text(scope)).transpose()?.unwrap_or_default();
        let token = self.token(scope)?;
        Ok(if prefix.is_empty() { token } else { format!("{prefix} {token}") })
    }

    fn token(&self, scope: &Scope<'_>) -> Result<String, Trouble> {
        let part = |json: Map<String, Json>| BASE64URL_NOPAD.encode(Json::Object(json).to_string().as_bytes());
        let message = format!("{}.{}", part(self.header(scope)?), part(self.payload(scope)?));
        let signature = sign(self.algorithm, &self.key(scope)?, message.as_bytes())?;
        Ok(format!("{message}.{}", BASE64URL_NOPAD.encode(&signature)))
    }

    fn header(&self, scope: &Scope<'_>) -> Result<Map<String, Json>, Trouble> {
        let mut header = more(self.more_headers.as_ref(), "additional_jwt_headers", &OWN_HEADERS, scope)?;
        header.insert("typ".to_owned(), Json::from("JWT"));
        header.insert("alg".to_owned(), Json::from(self.algorithm.as_str()));
        for (name, template) in &self.headers {
            header.insert((*name).to_owned(), Json::String(credential(template, scope)?));
        }
        header.sort_keys();
        Ok(header)
    }

    fn payload(&self, scope: &Scope<'_>) -> Result<Map<String, Json>, Trouble> {
        let mut claims = more(self.more_claims.as_ref(), "additional_jwt_payload", &OWN_CLAIMS, scope)?;
        for (name, template) in &self.claims {
            claims.insert((*name).to_owned(), template.value(scope)?);
        }
        let now = scope.now().as_second();
        for (name, at) in [("iat", now), ("exp", now + self.seconds), ("nbf", now)] {
            claims.insert(name.to_owned(), Json::from(at));
        }
        Ok(claims)
    }

    fn key(&self, scope: &Scope<'_>) -> Result<String, Trouble> {
        let passphrase = self.passphrase.as_ref().map(|passphrase| credential(passphrase, scope)).transpose()?;
        if passphrase.is_some_and(|passphrase| !passphrase.is_empty()) {
            let reason = "its key is protected by a passphrase; store the key without one (openssl pkcs8 -nocrypt)";
            return Err(Trouble::Signing { algorithm: self.algorithm.as_str(), reason: reason.to_owned() });
        }
        let key = credential(&self.key, scope)?;
        let is_encoded = self.key_is_encoded.as_ref().map(|encoded| encoded.holds(scope)).transpose()?;
        Ok(if is_encoded == Some(true) { BASE64.encode(key.as_bytes()) } else { key })
    }
}

fn more(
    mapping: Option<&Mapping>,
    field: &'static str,
    own: &[&str],
    scope: &Scope<'_>,
) -> Result<Map<String, Json>, Trouble> {
    let entries = mapping.map(|mapping| mapping.entries(scope, Kinds::ANY)).transpose()?.unwrap_or_default();
    match entries.iter().find(|(name, _)| own.contains(&name.as_str())) {
        Some((name, _)) => Err(Trouble::ReservedClaim { field, name: name.clone() }),
        None => Ok(entries.into_iter().collect()),
    }
}

impl Read for Jwt {
    fn read(node: &Node) -> Result<Self, Problem> {
        let algorithm = Algorithm::read_in(node)?;
        let parameters = node.parameters();
        let authorization = compiled(node, Template::compile(AUTHORIZATION))?;
        let option: Option<RequestOption> = node.maybe("request_option")?;
        Ok(Self {
            key: needed_template(node, "secret_key")?,
            key_is_encoded: condition(node, "base64_encode_secret_key")?,
            passphrase: template(node, "passphrase")?,
            algorithm,
            seconds: seconds(node)?,
            prefix: template(node, "header_prefix")?,
            headers: named(node, "jwt_headers", &["kid", "typ", "cty"])?,
            claims: named(node, "jwt_payload", &["iss", "sub", "aud"])?,
            more_headers: mapping(node, "additional_jwt_headers")?,
            more_claims: mapping(node, "additional_jwt_payload")?,
            option: option.unwrap_or_else(|| RequestOption::header(authorization, parameters.clone())),
            parameters,
        })
    }
}

fn seconds(node: &Node) -> Result<i64, Problem> {
    let seconds: i64 = node.or("token_duration", SECONDS_USUAL)?;
    if (0..=SECONDS_MAX).contains(&seconds) {
        Ok(seconds)
    } else {
        Err(node.problem(Fault::Wrong, format!("'token_duration' must be from 0 to {SECONDS_MAX} seconds")))
    }
}

fn named(node: &Node, field: &str, names: &[&'static str]) -> Result<Vec<(&'static str, Template)>, Problem> {
    let Some(node) = node.get(field) else { return Ok(Vec::new()) };
    let mut templates = Vec::new();
    for name in names {
        templates.extend(template(&node, name)?.map(|template| (*name, template)));
    }
    Ok(templates)
}
