//! The records that an event takes before it is mapped: its own, where the sender told only of it, and those that its
//! route names.

use std::sync::Arc;

use bytes::Bytes;
use domain::{Action, ConnectionName, Event, Origin};
use futures_util::future::join_all;
use serde_json::{Map, Value as Json};

use super::{Basis, Preparation, Preparer, failed};
use crate::enrich::{Need, Unfetched};
use crate::expression::{Moment, Root};
use crate::message::JSON;
use crate::spec::{EnrichSpec, EnrichWay, OnEnrichError};
use crate::topology::{Enrich, Route};
use crate::upstream::Account;

impl Preparer {
    /// The event with its record as data, if it was only told of; else as it is.
    pub(super) async fn whole(&self, event: &Arc<Event>, route: &Route) -> Result<Arc<Event>, Preparation> {
        let Some((stream, id)) = own_record(event, route) else { return Ok(Arc::clone(event)) };
        let need = Need {
            account: account_of(event),
            stream: &stream,
            request: None,
            id,
            version: event.version,
            exists: true,
            received_at: event.received_at,
            max_age: None,
            confirm: false,
        };
        match self.enricher.fetch(&need).await {
            Ok(Some(record)) => {
                let payload = Bytes::from(record.to_string());
                Ok(Arc::new(Event { payload, content_type: JSON.into(), ..Event::clone(event) }))
            }
            // It is gone by now: what the sender told of it is all that there is.
            Ok(None) => Ok(Arc::clone(event)),
            Err(failure) => {
                let detail = format!("the event's record: {failure}");
                Err(Preparation::Unready { code: "record_unfetched", detail })
            }
        }
    }

    /// The records that the route names, all at once; a null where there is none.
    pub(super) async fn enriched(
        &self,
        route: &Arc<Route>,
        event: &Arc<Event>,
        stale: bool,
        moment: &Moment,
    ) -> Result<Map<String, Json>, Preparation> {
        let ids = self.ids(route, event, stale, moment).await?;
        let fetches = route.enrich.iter().zip(ids).map(|(enrich, id)| self.one(event, enrich, id));
        let mut records = Map::new();
        for (enrich, fetched) in route.enrich.iter().zip(join_all(fetches).await) {
            let EnrichSpec { name, on_error, .. } = &enrich.spec;
            let code = "enrich_failed";
            let detail = |unfetched: Unfetched| format!("`enrich.{name}`: {unfetched}");
            let record = match (fetched, on_error) {
                (Ok(record), _) => record,
                // What the route says of its source is not said of our own store.
                (Err(ours @ Unfetched::Store(_)), _) => {
                    return Err(Preparation::Unready { code, detail: detail(ours) });
                }
                (Err(_), OnEnrichError::DeliverWithout) => Json::Null,
                (Err(theirs), OnEnrichError::Retry) => {
                    return Err(Preparation::Unready { code, detail: detail(theirs) });
                }
                (Err(theirs), OnEnrichError::DeadLetter) => {
                    return Err(Preparation::Failed { code, detail: detail(theirs) });
                }
            };
            records.insert(name.to_string(), record);
        }
        Ok(records)
    }

    /// The ids of the records, as the route's expressions give them.
    async fn ids(
        &self,
        route: &Arc<Route>,
        event: &Arc<Event>,
        stale: bool,
        moment: &Moment,
    ) -> Result<Vec<Option<String>>, Preparation> {
        let is_quick = route.enrich.iter().all(|enrich| enrich.id.is_quick(event.payload.len()));
        let (route, basis) = (Arc::clone(route), Basis::of(event, stale, None));
        let moment = moment.clone();
        let evaluate = move || {
            let root = basis.root();
            route.enrich.iter().map(|enrich| id_of(enrich, &root, &moment)).collect::<Result<Vec<_>, _>>()
        };
        self.compute(is_quick, evaluate).await?
    }

    async fn one(&self, event: &Event, enrich: &Enrich, id: Option<String>) -> Result<Json, Unfetched> {
        let Some(id) = id else { return Ok(Json::Null) };
        let EnrichSpec { name, way, source, connection, max_age, confirm, .. } = &enrich.spec;
        let mut account = account_of(event);
        if let Some(source) = source {
            account.source = source.clone();
            account.connection = ConnectionName::default_connection();
        }
        if let Some(connection) = connection {
            account.connection = connection.clone();
        }
        let (stream, request) = match way {
            EnrichWay::Stream(stream) => (&**stream, None),
            EnrichWay::Request(request) => (&**name, Some(request)),
        };
        let is_own = source.is_none() && is_about(event, &enrich.object, &id);
        let need = Need {
            account,
            stream,
            request,
            id,
            version: event.version.filter(|_| is_own),
            exists: is_own && event.action.is_some_and(|action| action != Action::Deleted),
            received_at: event.received_at,
            max_age: *max_age,
            confirm: *confirm,
        };
        let record = self.enricher.fetch(&need).await?;
        Ok(record.map_or(Json::Null, |record| Json::clone(&record)))
    }
}

/// The stream and id of an event's own record, where it has to be fetched: thin events, and those that are to look like
/// virtual ones.
fn own_record(event: &Event, route: &Route) -> Option<(Arc<str>, String)> {
    let whole = route.whole.as_ref()?;
    if event.origin != Origin::Native || event.action == Some(Action::Deleted) {
        return None;
    }
    let topic = event.native_type.as_deref().unwrap_or(&event.event_type);
    let extension = &whole.connector.extension;
    let payload: Json = serde_json::from_slice(&event.payload).ok()?;
    extension.meanings(topic).find_map(|meaning| {
        let readable = extension.streams.get(meaning.stream)?.get.is_some();
        // A fact of its own stays what its sender told, unless that was next to nothing.
        let wanted = readable && (whole.is_thin || meaning.mapping.action.is_some());
        wanted.then(|| meaning.id(&payload))?.map(|id| (Arc::from(meaning.stream), id))
    })
}

fn id_of(enrich: &Enrich, root: &Root, moment: &Moment) -> Result<Option<String>, Preparation> {
    let field = || format!("enrich.{}.id", enrich.spec.name);
    let given = enrich.id.evaluate(root, moment).map_err(|error| failed(&field(), &error))?;
    match given.and_then(|bytes| serde_json::from_slice::<Json>(&bytes).ok()) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
        Some(Json::Number(number)) => Ok(Some(number.to_string())),
        Some(_) => {
            let detail = format!("`{}` gave neither a text nor a number", field());
            Err(Preparation::Failed { code: "enrich_id_invalid", detail })
        }
    }
}

fn is_about(event: &Event, object: &str, id: &str) -> bool {
    let own = event.subject.as_ref().and_then(|subject| subject.as_str().strip_prefix(object)?.strip_prefix('/'));
    own == Some(id)
}

fn account_of(event: &Event) -> Account {
    Account { tenant: event.tenant.clone(), source: event.source.clone(), connection: event.connection.clone() }
}
