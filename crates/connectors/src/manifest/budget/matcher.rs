//! Which requests a policy or a quota is for: by method, base, path, parameters and headers.

use regex::Regex;

use super::super::expression::Template;
use super::super::node::{Node, Read};
use super::super::problem::{Fault, Problem};
use super::super::request::fields::{pattern, template, whole};
use super::super::request::text::python_text;
use super::super::scope::Scope;
use super::super::trouble::Trouble;
use super::super::wire::Request;

/// A matcher whose weight the config may give.
#[derive(Clone, Debug)]
pub struct MatcherPlan {
    matcher: Matcher,
    weight: Option<Template>,
}

/// Matches a request if everything that is said matches.
#[derive(Clone, Debug, Default)]
pub struct Matcher {
    method: Option<String>,
    url_base: Option<String>,
    path: Option<Regex>,
    parameters: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    weight: u64,
}

impl MatcherPlan {
    pub fn open(&self, scope: &Scope<'_>) -> Result<Matcher, Trouble> {
        let weight = self.weight.as_ref().map_or(Ok(1), |weight| whole(weight, "weight", scope))?;
        Ok(Matcher { weight: weight.max(1), ..self.matcher.clone() })
    }
}

impl Matcher {
    /// What a request costs that matches.
    #[must_use]
    pub const fn weight(&self) -> u64 {
        self.weight
    }

    #[must_use]
    pub fn matches(&self, request: &Request) -> bool {
        let Some((base, path, query)) = parts(&request.url) else { return false };
        self.method.as_ref().is_none_or(|method| request.method.as_str() == method)
            && self.url_base.as_ref().is_none_or(|own| base == own)
            && self.path.as_ref().is_none_or(|pattern| pattern.is_match(path))
            && self.has_parameters(query)
            && self
                .headers
                .iter()
                .all(|(name, value)| request.headers.get(name).is_some_and(|own| own.as_bytes() == value.as_bytes()))
    }

    fn has_parameters(&self, query: &str) -> bool {
        if self.parameters.is_empty() {
            return true;
        }
        // Of several with one name the last counts; one without a value is none.
        let known: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).filter(|(_, v)| !v.is_empty()).collect();
        self.parameters
            .iter()
            .all(|(name, value)| known.iter().rev().find(|(own, _)| own == name).is_some_and(|(_, own)| own == value))
    }
}

/// Scheme and authority, the path without a slash at its end, the query.
fn parts(url: &str) -> Option<(&str, &str, &str)> {
    let start = url.find("://")? + 3;
    let (before, query) = url.split_once('?').unwrap_or((url, ""));
    let path_at = before[start..].find('/').map_or(before.len(), |at| start + at);
    Some((&before[..path_at], before[path_at..].trim_end_matches('/'), query))
}

impl Read for MatcherPlan {
    fn read(node: &Node) -> Result<Self, Problem> {
        let path = match node.get("url_path_pattern") {
            None => None,
            Some(field) => {
                let text = String::read(&field)?;
                let compiled = pattern(&text, false).map_err(|expects| field.wrong(expects))?;
                Some(compiled).filter(|_| !text.is_empty())
            }
        };
        let weight = template(node, "weight")?;
        if weight.as_ref().is_some_and(|weight| weight.source() == "0") {
            return Err(node.problem(Fault::Wrong, "'weight' must be at least 1".to_owned()));
        }
        let base: Option<String> = node.maybe("url_base")?;
        let method: Option<String> = node.maybe("method")?;
        let matcher = Matcher {
            method: method.map(|method| method.to_uppercase()).filter(|method| !method.is_empty()),
            url_base: base.map(|base| base.trim_end_matches('/').to_owned()).filter(|base| !base.is_empty()),
            path,
            parameters: pairs(node, "params")?,
            headers: pairs(node, "headers")?.into_iter().map(|(name, value)| (name.to_lowercase(), value)).collect(),
            weight: 1,
        };
        Ok(Self { matcher, weight })
    }
}

fn pairs(node: &Node, field: &str) -> Result<Vec<(String, String)>, Problem> {
    let Some(node) = node.get(field) else { return Ok(Vec::new()) };
    let entries = node.entries()?;
    entries.iter().map(|(name, value)| Ok((name.to_string(), python_text(&value.json()?)))).collect()
}
