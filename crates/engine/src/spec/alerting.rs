//! `alerts`: which rules count, by which channels people are told, and when they are left in peace.

use std::time::Duration;

use domain::alert::{DigestTime, QuietHours, Rules, Severity};
use domain::{ChannelName, Tenant};

use super::Secret;

/// What a tenant says about its alerts.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertingSpec {
    pub tenant: Tenant,
    pub channels: Vec<ChannelSpec>,
    pub rules: Rules,
    pub quiet: Option<QuietHours>,
    /// How long a cause must be calm before it counts as over.
    pub calm: Duration,
    pub digest: Option<DigestSpec>,
}

impl AlertingSpec {
    /// Of a tenant that says nothing: every rule as it is standard, and nobody to tell.
    #[must_use]
    pub fn standard(tenant: Tenant) -> Self {
        let (rules, calm) = (Rules::default(), domain::alert::tell::CALM);
        Self { tenant, channels: Vec::new(), rules, quiet: None, calm, digest: None }
    }

    #[must_use]
    pub fn channel(&self, name: &str) -> Option<&ChannelSpec> {
        self.channels.iter().find(|channel| channel.name.as_str() == name)
    }
}

/// Where people are told.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelSpec {
    pub name: ChannelName,
    /// What matters less than this is not told here.
    pub least: Severity,
    pub way: Way,
}

/// How a channel is reached. Addresses that let whoever knows them write are secrets.
#[derive(Clone, Debug, PartialEq)]
pub enum Way {
    Email(EmailSpec),
    Slack(Secret),
    Discord(Secret),
    Teams(Secret),
    Telegram(TelegramSpec),
    PagerDuty(PagerSpec),
    /// Signed by Standard Webhooks with each of these secrets.
    Webhook {
        url: String,
        secrets: Vec<Secret>,
    },
}

impl Way {
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Email(_) => "email",
            Self::Slack(_) => "slack",
            Self::Discord(_) => "discord",
            Self::Teams(_) => "teams",
            Self::Telegram(_) => "telegram",
            Self::PagerDuty(_) => "pagerduty",
            Self::Webhook { .. } => "webhook",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmailSpec {
    pub host: String,
    pub port: u16,
    pub security: MailSecurity,
    /// User and password.
    pub login: Option<(String, Secret)>,
    /// `name <address>` or the address alone, as is `to`.
    pub from: String,
    pub to: Vec<String>,
}

/// How the connection to a mail server is kept from being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailSecurity {
    /// The connection begins in the clear and must change to TLS: port 587.
    StartTls,
    /// TLS from the first byte: port 465.
    Tls,
    /// In the clear, for a server on the same machine or network. No password goes that way.
    None,
}

/// Where bots of Telegram are, unless somebody runs the server themselves.
pub const TELEGRAM: &str = "https://api.telegram.org";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelegramSpec {
    pub server: String,
    pub token: Secret,
    pub chat: String,
}

/// Where PagerDuty takes events; the European one is called otherwise.
pub const PAGERDUTY: &str = "https://events.pagerduty.com";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PagerSpec {
    pub server: String,
    pub key: Secret,
}

/// What is told by the day or week.
#[derive(Clone, Debug, PartialEq)]
pub struct DigestSpec {
    pub time: DigestTime,
    /// Empty: all of them.
    pub channels: Vec<ChannelName>,
}
