//! How a manifest writes a `RateLimitedMultipleTokenAuthenticator`.

use http::Method;

use super::super::super::failure::filter::status;
use super::super::super::node::{Node, Read};
use super::super::super::problem::{Fault, Problem};
use super::super::super::request::fields::{needed_template, template_at, template_or};
use super::{MultipleTokens, Quota, QuotaPlan, Source, Status, TOKENS_MAX};

/// Most quotas of one authenticator.
const QUOTAS_MAX: usize = 100;

impl Read for MultipleTokens {
    fn read(node: &Node) -> Result<Self, Problem> {
        let tokens: Node = node.need("tokens")?;
        let tokens = if tokens.is_list() {
            let tokens: Vec<_> = tokens.items()?;
            if tokens.len() > TOKENS_MAX {
                return Err(node.problem(Fault::TooLarge, format!("has more than {TOKENS_MAX} tokens")));
            }
            Source::Each(tokens.iter().map(template_at).collect::<Result<_, _>>()?)
        } else {
            let delimiter: String = node.or("token_delimiter", ",".to_owned())?;
            let delimiter = if delimiter.is_empty() { ",".to_owned() } else { delimiter };
            Source::Joined { text: template_at(&tokens)?, delimiter }
        };
        let quotas = node.need::<Node>("quotas")?;
        let count = quotas.items()?.len();
        if count == 0 || count > QUOTAS_MAX {
            return Err(quotas.problem(Fault::Wrong, format!("needs 1 to {QUOTAS_MAX} quotas")));
        }
        let reserve_fraction: f64 = node.or("budget_reserve_fraction", 0.1)?;
        if !(0.0..=1.0).contains(&reserve_fraction) {
            return Err(node.problem(Fault::Wrong, "'budget_reserve_fraction' must be from 0 to 1".to_owned()));
        }
        Ok(Self {
            tokens,
            method: node.or("auth_method", "Bearer".to_owned())?,
            header: node.or("header", "Authorization".to_owned())?,
            status: node.need("quota_status_source")?,
            quotas: Vec::read(&quotas)?,
            max_wait: template_or(node, "max_wait_time", "PT2H")?,
            reserve_fraction,
            min_reserve: node.or("budget_min_reserve", 50)?,
            parameters: node.parameters(),
        })
    }
}

impl Read for Status {
    fn read(node: &Node) -> Result<Self, Problem> {
        let method = match node.or("http_method", "GET".to_owned())?.as_str() {
            "GET" => Method::GET,
            "POST" => Method::POST,
            _ => return Err(node.problem(Fault::Wrong, "'http_method' must be GET or POST".to_owned())),
        };
        let headers = node.get("request_headers").map_or_else(|| Ok(Vec::new()), |headers| headers.entries())?;
        let headers = headers.iter().map(|(name, value)| Ok((name.to_string(), template_at(value)?)));
        Ok(Self {
            url: needed_template(node, "url")?,
            method,
            headers: headers.collect::<Result<_, Problem>>()?,
            unavailable: statuses(node, "unavailable_status_codes")?,
        })
    }
}

impl Read for QuotaPlan {
    fn read(node: &Node) -> Result<Self, Problem> {
        let quota = Quota {
            name: node.need("name")?,
            remaining_path: node.need("remaining_path")?,
            reset_path: node.need("reset_path")?,
            limit_path: node.maybe("limit_path")?,
            matchers: Vec::new(),
            remaining_header: node.maybe("remaining_header")?,
            reset_header: node.maybe("reset_header")?,
            limit_header: node.maybe("limit_header")?,
            exhaustion_statuses: statuses(node, "exhaustion_status_codes")?,
        };
        Ok(Self { quota, matchers: node.or("matchers", Vec::new())? })
    }
}

fn statuses(node: &Node, field: &str) -> Result<Vec<u16>, Problem> {
    let Some(statuses) = node.get(field) else { return Ok(Vec::new()) };
    statuses.items()?.iter().map(status).collect()
}
