//! The request log: what was asked, in a form that is the same on every run. Ports, the order of parameters and the
//! times inside signed tokens are taken out; everything else stays.

use data_encoding::BASE64URL_NOPAD;
use ring::hmac;
use serde_json::{Map, Value as Json, json};

use super::query::Asked;
use super::script::LogRules;

/// Claims that hold the time of signing.
const TIMES: [&str; 3] = ["iat", "exp", "nbf"];

/// One line of the log.
pub fn entry(asked: &Asked, rules: &LogRules, matched: bool) -> Json {
    let mut entry = Map::new();
    entry.insert("method".into(), json!(asked.method));
    entry.insert("path".into(), json!(asked.path));
    let query = sorted(&asked.query, rules);
    if !query.is_empty() {
        entry.insert("query".into(), json!(query));
    }
    let headers = headers(asked, rules);
    if !headers.is_empty() {
        entry.insert("headers".into(), Json::Object(headers));
    }
    if !asked.body.is_empty() {
        entry.insert("body".into(), body(asked, rules));
    }
    if !matched {
        entry.insert("unmatched".into(), json!(true));
    }
    Json::Object(entry)
}

fn sorted(pairs: &[(String, String)], rules: &LogRules) -> Vec<String> {
    let mut lines: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}={}", readable(value, rules))).collect();
    lines.sort();
    lines
}

fn headers(asked: &Asked, rules: &LogRules) -> Map<String, Json> {
    let matters = |name: &str| {
        name == "authorization"
            || name.starts_with("x-")
            || (name == "content-type" && !asked.body.is_empty())
            || rules.headers.iter().any(|listed| listed == name)
    };
    let mut kept: Vec<&(String, String)> = asked.headers.iter().filter(|(name, _)| matters(name)).collect();
    kept.sort();
    kept.into_iter().map(|(name, value)| (name.clone(), json!(readable(value, rules)))).collect()
}

fn body(asked: &Asked, rules: &LogRules) -> Json {
    if let Some(value) = &asked.json {
        return json!({ "json": value });
    }
    if asked.form.is_empty() {
        return json!({ "text": String::from_utf8_lossy(&asked.body) });
    }
    json!({ "form": sorted(&asked.form, rules) })
}

/// A signed token as what it says; its signature is checked here because it is another one on every run.
fn readable(value: &str, rules: &LogRules) -> String {
    let (before, token) = value.rsplit_once(' ').unwrap_or(("", value));
    let Some(said) = token_says(token, rules.jwt_secret.as_deref()) else { return value.to_owned() };
    format!("{before} {said}").trim_start().to_owned()
}

fn token_says(token: &str, secret: Option<&str>) -> Option<String> {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else { return None };
    let read = |part: &str| serde_json::from_slice::<Json>(&BASE64URL_NOPAD.decode(part.as_bytes()).ok()?).ok();
    let (header, mut claims_read) = (read(header)?, read(claims)?);
    let algorithm = header.get("alg")?.as_str()?.to_owned();
    let lifetime = claims_read["exp"].as_i64().zip(claims_read["iat"].as_i64()).map(|(exp, iat)| exp - iat);
    for (name, value) in claims_read.as_object_mut()? {
        if TIMES.contains(&name.as_str()) {
            *value = json!("a time");
        }
    }
    let signed = &token[..token.len() - signature.len() - 1];
    let verdict = match secret {
        Some(secret) if is_signed(&algorithm, secret, signed, signature) => "signed rightly",
        Some(_) => "signed WRONGLY",
        None => "signature not checked",
    };
    let (header, claims) = (ordered(&header), ordered(&claims_read));
    Some(format!("token {header} {claims} for {} s, {verdict}", lifetime.map_or("?".to_owned(), |s| s.to_string())))
}

fn is_signed(algorithm: &str, secret: &str, signed: &str, signature: &str) -> bool {
    let algorithm = match algorithm {
        "HS256" => hmac::HMAC_SHA256,
        "HS384" => hmac::HMAC_SHA384,
        "HS512" => hmac::HMAC_SHA512,
        _ => return false,
    };
    let key = hmac::Key::new(algorithm, secret.as_bytes());
    let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap_or_default();
    hmac::verify(&key, signed.as_bytes(), &signature).is_ok()
}

/// JSON with its keys in order, since writers of tokens differ in it.
fn ordered(value: &Json) -> String {
    let mut value = value.clone();
    value.sort_all_objects();
    value.to_string()
}
