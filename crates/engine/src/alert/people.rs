//! What people do about alerts: say that they look after one, say that it is over, and ask whether a channel works.

use std::sync::Arc;

use domain::alert::tell::{NoticeState, Stage};
use domain::alert::{Rule, Severity};
use domain::{AlertId, NoticeId, Tenant, Timestamp};
use store::notices::Notice;
use store::registry::Alert;

use super::channel::{Post, Spoken, Trouble};
use super::message::Words;
use crate::engine::{Engine, EngineError};
use crate::entropy::uuid_v7;
use crate::spec::Way;

/// Messages that are looked through for how channels do.
const NOTICES_MAX: u32 = 500;

/// A channel as people see it: never its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelView {
    pub name: String,
    /// How it is reached, as `slack`.
    pub way: &'static str,
    pub least: Severity,
    pub waiting: usize,
    pub sent_at: Option<Timestamp>,
    /// Why the latest message does not go out, if it does not.
    pub problem: Option<String>,
}

/// Why a test of a channel did not go through.
#[derive(Debug, thiserror::Error)]
pub enum TestFailed {
    #[error("there is no channel '{0}'")]
    NoChannel(String),
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl Engine {
    /// Notes who looks after an open alert; gives it as it is then, or `None` if there is none.
    pub async fn acknowledge_alert(
        &self,
        tenant: &Tenant,
        id: AlertId,
        by: Arc<str>,
    ) -> Result<Option<Alert>, EngineError> {
        let found = self.inner.store.acknowledge_alert(tenant.clone(), id, by, self.inner.clock.now()).await?;
        self.inner.alerts.changed().notify_one();
        Ok(found)
    }

    /// Resolves an open alert because a person says so; gives it as it is then, or `None` if there is none.
    pub async fn dismiss_alert(
        &self,
        tenant: &Tenant,
        id: AlertId,
        by: Arc<str>,
    ) -> Result<Option<Alert>, EngineError> {
        Ok(self.inner.alerts.dismiss(tenant, id, by).await?)
    }

    /// The rule that alerts of a kind follow.
    #[must_use]
    pub fn alert_rule(&self, tenant: &Tenant, kind: &str) -> Rule {
        self.topology().alerting(tenant).rules.of(kind)
    }

    /// The channels through which a tenant's people are told, and how each does.
    pub async fn channels(&self, tenant: &Tenant) -> Result<Vec<ChannelView>, EngineError> {
        let topology = self.topology();
        // Others may be told of this tenant's alerts, but whom and how is their own matter.
        let Some(spec) = topology.alertings().find(|spec| spec.tenant == *tenant) else { return Ok(Vec::new()) };
        let notices = self.inner.store.notices(tenant.clone(), NOTICES_MAX).await?;
        let view = |channel: &crate::spec::ChannelSpec| {
            let own: Vec<&Notice> = notices.iter().filter(|notice| *notice.channel == *channel.name.as_str()).collect();
            let sent = own.iter().filter(|notice| notice.state == NoticeState::Sent);
            let tried = own.iter().find(|notice| notice.tries > 0);
            ChannelView {
                name: channel.name.to_string(),
                way: channel.way.as_str(),
                least: channel.least,
                waiting: own.iter().filter(|notice| notice.state == NoticeState::Waiting).count(),
                sent_at: sent.filter_map(|notice| notice.ended_at).max(),
                problem: tried.map(|notice| notice.problem.clone()).filter(|problem| !problem.is_empty()),
            }
        };
        Ok(spec.channels.iter().map(view).collect())
    }

    /// Sends one message that says that it is a test, and gives what came back.
    pub async fn test_channel(&self, tenant: &Tenant, name: &str) -> Result<Spoken, TestFailed> {
        let topology = self.topology();
        let own = topology.alertings().find(|spec| spec.tenant == *tenant);
        let channel = own.and_then(|spec| spec.channel(name)).ok_or_else(|| TestFailed::NoChannel(name.to_owned()))?;
        let inner = &self.inner;
        let post = Post {
            transport: Arc::clone(&inner.transport),
            clock: Arc::clone(&inner.clock),
            egress: inner.policies.egress(tenant),
        };
        let (now, words) = (inner.clock.now(), Words { tenant, public_url: topology.public_url() });
        let id = NoticeId::from_uuid(uuid_v7(&*inner.entropy, now));
        let spoken = post.send(channel, &words.test(id, Stage::Opened, now)).await?;
        if matches!(channel.way, Way::PagerDuty(_)) {
            // Nobody is to be kept awake by a test.
            post.send(channel, &words.test(id, Stage::Resolved, now)).await?;
        }
        Ok(spoken)
    }
}
