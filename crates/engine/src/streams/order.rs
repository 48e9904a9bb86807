//! A person's wish for one stream: judged before it is passed on, so that nothing is begun that could tell nothing.

use std::time::Duration;

use connectors::manifest::node::Read as _;
use connectors::manifest::stream::Stream;
use domain::run::{Run, StreamKey};
use domain::suggest::nearest;

use super::Wish;
use crate::clock::timeout;
use crate::connector::Connector;
use crate::engine::{Engine, EngineError};
use crate::upstream::Account;

/// How long somebody waits for a stream that is being read already. A poll takes less; a first scan may take hours.
const PATIENCE: Duration = Duration::from_secs(20);

impl Engine {
    /// Has a stream read now; gives the run that was begun, which goes on by itself.
    pub async fn order_stream(&self, key: StreamKey, wish: Wish) -> Result<Run, EngineError> {
        let account =
            Account { tenant: key.tenant.clone(), source: key.source.clone(), connection: key.connection.clone() };
        let topology = self.topology();
        let (spec, _) = topology.upstream(&account)?;
        if !spec.streams.contains_key(&key.stream) {
            judge(&spec.connector, &key)?;
        }
        let order = self.stream_orders().order(key.clone(), wish);
        timeout(&*self.inner.clock, PATIENCE, order).await.unwrap_or_else(|_| Err(busy(&key)))
    }
}

/// What the configuration has judged already where it names the stream.
fn judge(connector: &Connector, key: &StreamKey) -> Result<(), EngineError> {
    let name = &*key.stream;
    let Some(declared) = connector.source.declared().iter().find(|declared| declared.name == name) else {
        let near = nearest(name, connector.source.declared().iter().map(|declared| declared.name.as_str()));
        let near = near.map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
        let detail = format!("source '{}' has no stream '{name}' that its manifest declares{near}", key.source);
        return Err(EngineError::NotFound(detail));
    };
    let stream = Stream::read(&declared.node.afresh());
    let stream =
        stream.map_err(|problem| EngineError::Invalid { code: "stream_unusable", detail: problem.to_string() })?;
    if stream.is_blind() {
        let detail = format!("changes of '{name}' can never be told: it has neither a cursor nor a primary key");
        return Err(EngineError::Invalid { code: "poll_blind", detail });
    }
    Ok(())
}

fn busy(key: &StreamKey) -> EngineError {
    let detail = format!("'{}' is being read just now: try again when that has ended", key.stream);
    EngineError::Invalid { code: "stream_busy", detail }
}
