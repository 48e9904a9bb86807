//! Fetches the lists that senders publish, again and again. A list that cannot be fetched or read changes nothing: the
//! last good one stays, also over a restart.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::latest;
use bytes::Bytes;
use connectors::provider::LIST_BYTES_MAX;
use domain::Timestamp;
use http::{HeaderMap, HeaderValue, Method, header};
use ipnet::IpNet;
use store::Store;
use tokio_util::sync::CancellationToken;

use super::PublishedList;
use crate::clock::SharedClock;
use crate::topology::Topology;
use crate::transport::{BodyEnd, EgressPolicy, Limits, OutboundRequest, Target, Transport};

/// Senders announce new addresses days before they use them.
const EVERY: Duration = Duration::from_secs(6 * 60 * 60);
/// What is kept begins with the time at which it was fetched, for people who look.
const FETCHED_AT_BYTES: usize = 8;
/// After a failure, and while there is no list at all.
const AGAIN: Duration = Duration::from_secs(60);
const LIMITS: Limits = Limits {
    connect: Duration::from_secs(10),
    first_byte: Duration::from_secs(20),
    body: Duration::from_secs(30),
    total: Duration::from_secs(45),
    body_bytes: LIST_BYTES_MAX,
};

pub(crate) struct Refresher {
    pub store: Arc<dyn Store>,
    pub clock: SharedClock,
    pub transport: Arc<dyn Transport>,
    /// Changes with the configuration.
    pub topology: latest::Receiver<Arc<Topology>>,
    pub stop: CancellationToken,
}

impl Refresher {
    /// Keeps every published list that a source asks for fresh, until told to stop. Costs nothing while none does.
    pub async fn run(mut self) {
        let mut due: BTreeMap<Arc<str>, Timestamp> = BTreeMap::new();
        loop {
            let lists = lists(&self.topology.borrow_and_update());
            due.retain(|url, _| lists.contains_key(url));
            for (url, same) in &lists {
                self.refresh(url, same, &mut due).await;
            }
            let next = due.values().min().map(|next| next.since(self.clock.now()));
            let sleep = async {
                match next {
                    Some(wait) => self.clock.sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                changed = self.topology.changed() => if changed.is_err() { return },
                () = sleep => {}
            }
        }
    }

    async fn refresh(&self, url: &Arc<str>, same: &[Arc<PublishedList>], due: &mut BTreeMap<Arc<str>, Timestamp>) {
        let now = self.clock.now();
        let first = !due.contains_key(url);
        if first {
            self.recall(url, same).await;
        }
        let fresh = same.iter().all(|list| list.ranges().is_some());
        if fresh && due.get(url).is_some_and(|due| *due > now) {
            return;
        }
        let wait = match self.fetch(&same[0]).await {
            Ok((ranges, text)) => {
                same.iter().for_each(|list| list.keep(Arc::clone(&ranges)));
                self.remember(url, now, &text).await;
                EVERY
            }
            Err(problem) => {
                crate::telemetry::address_list_kept(url, &problem);
                AGAIN
            }
        };
        due.insert(Arc::clone(url), now + wait);
    }

    async fn fetch(&self, list: &PublishedList) -> Result<(Arc<[IpNet]>, Bytes), String> {
        let target = Target::parse(&list.url, &Arc::new(EgressPolicy::default())).map_err(|error| error.to_string())?;
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, text/plain"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static("trireme"));
        let request = OutboundRequest {
            method: Method::GET,
            target: Arc::new(target),
            headers,
            body: Bytes::new(),
            limits: LIMITS,
        };
        let response = self.transport.send(request).await.map_err(|error| error.to_string())?;
        if response.status != 200 || response.body_end != BodyEnd::Complete {
            return Err(format!("answered {} with {:?}", response.status, response.body_end));
        }
        let ranges = list.read(&response.body_head).map_err(|error| error.to_string())?;
        Ok((ranges, response.body_head))
    }

    /// The list of an earlier run, so that a start behind a broken network admits whom it admitted before.
    async fn recall(&self, url: &str, same: &[Arc<PublishedList>]) {
        let Ok(Some(kept)) = self.store.setting(setting(url)).await else { return };
        let Some((_, text)) = kept.split_first_chunk::<FETCHED_AT_BYTES>() else { return };
        for list in same.iter().filter(|list| list.ranges().is_none()) {
            if let Ok(ranges) = list.read(text) {
                list.keep(ranges);
            }
        }
    }

    async fn remember(&self, url: &str, at: Timestamp, text: &[u8]) {
        let value = [&at.as_micros().to_be_bytes()[..], text].concat();
        if let Err(error) = self.store.put_setting(setting(url), value.into()).await {
            crate::telemetry::store_failed("put_setting", &error);
        }
    }
}

fn setting(url: &str) -> Arc<str> {
    format!("addresses {url}").into()
}

/// All published lists that count, by where they are.
fn lists(topology: &Topology) -> BTreeMap<Arc<str>, Vec<Arc<PublishedList>>> {
    let mut lists: BTreeMap<Arc<str>, Vec<Arc<PublishedList>>> = BTreeMap::new();
    let allowed = topology.sources().filter_map(|source| source.listener.as_ref()?.allow.as_ref());
    for list in allowed.filter_map(super::AllowList::published) {
        lists.entry(Arc::clone(&list.url)).or_default().push(Arc::clone(list));
    }
    lists
}
