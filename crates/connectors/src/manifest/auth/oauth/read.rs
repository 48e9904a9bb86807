//! How a manifest writes an `OAuthAuthenticator`.

use super::super::super::failure::filter::status;
use super::super::super::node::{Node, Read};
use super::super::super::problem::{Fault, Problem};
use super::super::super::request::fields::{condition, mapping, template, template_or};
use super::{Names, OAuth, Refusals, Updater};

impl Read for OAuth {
    fn read(node: &Node) -> Result<Self, Problem> {
        let updater: Option<Updater> = node.maybe("refresh_token_updater")?;
        let oauth = Self {
            endpoint: template(node, "token_refresh_endpoint")?,
            names: Names::read(node)?,
            client_id: template(node, "client_id")?,
            client_secret: template(node, "client_secret")?,
            refresh_token: template(node, "refresh_token")?,
            access_token: template(node, "access_token_value")?,
            grant_type: template_or(node, "grant_type", "refresh_token")?,
            scopes: node.or("scopes", Vec::new())?,
            body: mapping(node, "refresh_request_body")?,
            headers: mapping(node, "refresh_request_headers")?,
            is_in_query: node.or("send_refresh_request_as_query_params", false)?,
            expiry_date: template(node, "token_expiry_date")?,
            expiry_is_date: node.get("token_expiry_date_format").is_some(),
            refusals: Refusals::read(node)?,
            updater,
            assertion: node.maybe("profile_assertion")?,
            uses_assertion: condition(node, "use_profile_assertion")?,
            parameters: node.parameters(),
        };
        oauth.checked(node)
    }
}

impl OAuth {
    fn checked(self, node: &Node) -> Result<Self, Problem> {
        let wrong = |message: &str| Err(node.problem(Fault::Wrong, message.to_owned()));
        let uses_assertion = self.uses_assertion.as_ref().is_some_and(|uses| uses.source() != "False");
        if uses_assertion && self.assertion.is_none() {
            return wrong("needs a 'profile_assertion', because of 'use_profile_assertion'");
        }
        if self.updater.is_some() || uses_assertion || self.endpoint.is_none() {
            return Ok(self);
        }
        // The client's part may stand in a header instead, but the format wants both named all the same.
        if node.get("client_id").is_none() || node.get("client_secret").is_none() {
            return wrong("needs 'client_id' and 'client_secret'");
        }
        if self.grant_type.source() == "refresh_token" && node.get("refresh_token").is_none() {
            return wrong("needs a 'refresh_token', because of its 'grant_type'");
        }
        Ok(self)
    }
}

impl Read for Names {
    fn read(node: &Node) -> Result<Self, Problem> {
        let name = |field, usual| template_or(node, field, usual);
        Ok(Self {
            client_id: name("client_id_name", "client_id")?,
            client_secret: name("client_secret_name", "client_secret")?,
            refresh_token: name("refresh_token_name", "refresh_token")?,
            access_token: name("access_token_name", "access_token")?,
            expires_in: name("expires_in_name", "expires_in")?,
            grant_type: name("grant_type_name", "grant_type")?,
        })
    }
}

impl Read for Refusals {
    /// Where it is written: at the authenticator or at its updater, not at both.
    fn read(node: &Node) -> Result<Self, Problem> {
        let (own, updaters) = (Self::written(node)?, node.get("refresh_token_updater"));
        let updaters = updaters.map(|updater| Self::written(&updater)).transpose()?.flatten();
        match (own, updaters) {
            (Some(_), Some(_)) => {
                let message = "has refresh_token_error fields twice: here and in 'refresh_token_updater'".to_owned();
                Err(node.problem(Fault::Wrong, message))
            }
            (Some(refusals), None) | (None, Some(refusals)) => Ok(refusals),
            (None, None) => Ok(Self {
                statuses: vec![400],
                key: "error".to_owned(),
                values: vec!["invalid_grant".to_owned(), "invalid_permissions".to_owned()],
            }),
        }
    }
}

impl Refusals {
    fn written(node: &Node) -> Result<Option<Self>, Problem> {
        let statuses = node.get("refresh_token_error_status_codes");
        let statuses: Vec<u16> = match statuses {
            Some(statuses) => statuses.items()?.iter().map(status).collect::<Result<_, _>>()?,
            None => Vec::new(),
        };
        let key: String = node.or("refresh_token_error_key", String::new())?;
        let values: Vec<String> = node.or("refresh_token_error_values", Vec::new())?;
        let is_written = !statuses.is_empty() || !key.is_empty() || !values.is_empty();
        Ok(is_written.then_some(Self { statuses, key, values }))
    }
}

impl Read for Updater {
    fn read(node: &Node) -> Result<Self, Problem> {
        let path = |field, name: &str| node.or(field, vec!["credentials".to_owned(), name.to_owned()]);
        Ok(Self {
            refresh_token_name: node.or("refresh_token_name", "refresh_token".to_owned())?,
            access_token: path("access_token_config_path", "access_token")?,
            refresh_token: path("refresh_token_config_path", "refresh_token")?,
            expiry_date: path("token_expiry_date_config_path", "token_expiry_date")?,
        })
    }
}
