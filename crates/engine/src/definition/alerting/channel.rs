//! `alerts.channels.<name>`: one way to reach people, and what matters enough to go there.

use std::sync::Arc;

use domain::ChannelName;
use domain::alert::Severity;

use super::rules::SEVERITIES;
use crate::alert::mail::Mailbox;
use crate::definition::reader::{At, Fields};
use crate::definition::{Context, http, secret};
use crate::spec::{ChannelSpec, EmailSpec, MailSecurity, PAGERDUTY, PagerSpec, Secret, TELEGRAM, TelegramSpec, Way};
use crate::transport::{EgressPolicy, Target};

/// Whom one message goes to, at most: a list of a team's own is where more belong.
const RECIPIENTS_MAX: usize = 50;

const WAYS: &str = "email, slack, discord, teams, telegram, pagerduty or webhook";

pub(super) fn channel(at: &At<'_>, name: ChannelName, context: &Context) -> Option<ChannelSpec> {
    let mut fields = at.fields()?;
    let least = fields.take("severity").and_then(|at| at.choice(&SEVERITIES)).unwrap_or(Severity::Warning);
    let ways: Vec<Option<Way>> = [
        fields.take("email").map(|at| email(&at, context)),
        fields.take("slack").map(|at| address(&at, context).map(Way::Slack)),
        fields.take("discord").map(|at| address(&at, context).map(Way::Discord)),
        fields.take("teams").map(|at| address(&at, context).map(Way::Teams)),
        fields.take("telegram").map(|at| telegram(&at, context)),
        fields.take("pagerduty").map(|at| pager(&at, context)),
        fields.take("webhook").map(|at| webhook(&at, context)),
    ]
    .into_iter()
    .flatten()
    .collect();
    fields.finish();
    match <[Option<Way>; 1]>::try_from(ways) {
        Ok([way]) => Some(ChannelSpec { name, least, way: way? }),
        Err(ways) if ways.is_empty() => {
            at.error("missing_key", "this channel does not say how people are reached", format!("add {WAYS}"));
            None
        }
        Err(_) => {
            at.error("conflict", "this channel says more than one way", "make a channel of each");
            None
        }
    }
}

/// `{ secret: URL }`: whoever knows the address may write there.
fn address(at: &At<'_>, context: &Context) -> Option<Secret> {
    let mut fields = at.fields()?;
    let at = fields.require("secret", "secret: \"${CHANNEL_URL}\", the address that the service gave you");
    fields.finish();
    let at = at?;
    let address = secret::secret(&at)?;
    if let Err(refused) = Target::parse(address.expose(), &context.egress) {
        // The text of the refusal may quote the address.
        let _ = refused;
        let help = "give the whole https address; one that is not public has to be allowed by egress";
        at.error(crate::transport::EgressRefused::CODE, "this secret is not an address that may be called", help);
        return None;
    }
    Some(address)
}

fn telegram(at: &At<'_>, context: &Context) -> Option<Way> {
    let mut fields = at.fields()?;
    let token = fields.require("secret", "secret: \"${TELEGRAM_TOKEN}\", the token of your bot");
    let token = token.and_then(|at| secret::secret(&at));
    let chat = fields.require("chat", "chat: \"-1001234567890\", the chat that the bot writes to");
    let chat = chat.and_then(|at| Some(at.text()?.as_str().to_owned()));
    let server = server(&mut fields, TELEGRAM, &context.egress);
    fields.finish();
    Some(Way::Telegram(TelegramSpec { server: server?, token: token?, chat: chat? }))
}

fn pager(at: &At<'_>, context: &Context) -> Option<Way> {
    let mut fields = at.fields()?;
    let key = fields.require("secret", "secret: \"${PAGERDUTY_KEY}\", the integration key of your service");
    let key = key.and_then(|at| secret::secret(&at));
    let server = server(&mut fields, PAGERDUTY, &context.egress);
    fields.finish();
    Some(Way::PagerDuty(PagerSpec { server: server?, key: key? }))
}

/// Where the service is, if not where it usually is.
fn server(fields: &mut Fields<'_>, usual: &str, egress: &Arc<EgressPolicy>) -> Option<String> {
    match fields.take("server") {
        None => Some(usual.to_owned()),
        Some(at) => Some(http::url_of(&at, egress)?.trim_end_matches('/').to_owned()),
    }
}

fn webhook(at: &At<'_>, context: &Context) -> Option<Way> {
    let mut fields = at.fields()?;
    let url = fields.require("url", "the address that gets the messages, as url: https://app.example/alerts");
    let url = url.and_then(|at| http::url_of(&at, &context.egress));
    let secrets =
        fields.require("secret", "secret: \"${ALERT_SECRET}\", made by: echo whsec_$(openssl rand -base64 32)");
    let secrets = secrets.map(|at| http::keys(&at));
    fields.finish();
    Some(Way::Webhook { url: url?, secrets: secrets.filter(|secrets| !secrets.is_empty())? })
}

fn email(at: &At<'_>, context: &Context) -> Option<Way> {
    let mut fields = at.fields()?;
    let host = fields.require("host", "the mail server, as host: mail.example");
    let words = [("starttls", MailSecurity::StartTls), ("tls", MailSecurity::Tls), ("none", MailSecurity::None)];
    let security = fields.take("tls").and_then(|at| at.choice(&words)).unwrap_or(MailSecurity::StartTls);
    let port = fields.take("port").and_then(|at| at.integer(1..=65_535)).and_then(|port| u16::try_from(port).ok());
    let port = port.unwrap_or(match security {
        MailSecurity::StartTls => 587,
        MailSecurity::Tls => 465,
        MailSecurity::None => 25,
    });
    let login = login(&mut fields, security);
    let from = fields.require("from", "from: \"Trireme <alerts@example.com>\"").and_then(|at| mailbox(&at));
    let to = fields.require("to", "to: ops@example.com").map(|at| recipients(&at)).unwrap_or_default();
    fields.finish();
    let host_at = host?;
    let host = host_at.text()?;
    if let Err(refused) = Target::server(host.as_str(), port, &context.egress) {
        let help = "write the name or address of a mail server; one that is not public has to be allowed by egress";
        host_at.error(crate::transport::EgressRefused::CODE, refused.to_string(), help);
        return None;
    }
    let host = host.as_str().to_owned();
    (!to.is_empty()).then_some(())?;
    Some(Way::Email(EmailSpec { host, port, security, login, from: from?, to }))
}

fn login(fields: &mut Fields<'_>, security: MailSecurity) -> Option<(String, Secret)> {
    let (user, password) = (fields.take("user"), fields.take("secret"));
    let at = match (&user, &password) {
        (None, None) => return None,
        (Some(at), None) | (None, Some(at)) => {
            at.error("missing_key", "a login is a 'user' and its password, the 'secret'", "give both, or neither");
            return None;
        }
        (Some(_), Some(at)) => at,
    };
    if security == MailSecurity::None {
        let help = "use tls: starttls, or leave 'user' and 'secret' out";
        at.error("conflict", "a password is not sent in the clear", help);
    }
    Some((user?.text()?.as_str().to_owned(), secret::secret(&password?)?))
}

fn recipients(at: &At<'_>) -> Vec<String> {
    let all = at.one_or_many();
    if all.len() > RECIPIENTS_MAX {
        let message = format!("{} recipients, at most {RECIPIENTS_MAX} are allowed", all.len());
        at.error("too_many", message, "write to a list of your own");
    }
    if all.is_empty() {
        at.error("empty", "there is nobody in this list", "write at least one address");
    }
    all.iter().filter_map(mailbox).collect()
}

fn mailbox(at: &At<'_>) -> Option<String> {
    let text = at.text()?;
    if Mailbox::parse(text.as_str()).is_none() {
        let message = format!("'{}' is not an address for mail", at.shown(text));
        at.error("invalid_value", message, "write it as ops@example.com or \"Operations <ops@example.com>\"");
        return None;
    }
    Some(text.as_str().to_owned())
}
