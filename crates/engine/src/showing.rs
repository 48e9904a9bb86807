//! Requests for a person to see: without the secret that their sender shows in them, wherever its recipe says that it
//! stands. Whoever may look may not therefore send.

use std::sync::Arc;

use bytes::Bytes;
use domain::request::{Head, InboundRequest, MASK, SecretPlaces, masked_url_of};
use domain::{Event, SourceName, Tenant};
use store::intake::KeptRequest;

use crate::engine::Engine;

impl Engine {
    /// A kept request with its head opened.
    #[must_use]
    pub fn shown(&self, kept: KeptRequest) -> KeptRequest {
        let kept = self.inner.heads.shown(kept);
        let places = self.secret_places(&kept.request.tenant, &kept.request.source);
        let request = masked(Arc::unwrap_or_clone(kept.request), &places);
        KeptRequest { request: Arc::new(request), ..kept }
    }

    /// What came before an event's body. Events that an earlier version accepted have more in it than they should.
    #[must_use]
    pub fn shown_head(&self, event: &Event) -> Head {
        let places = self.secret_places(&event.tenant, &event.source);
        let mut head = Head::decode(&event.head);
        head.url = masked_url_of(&head.url, &places).into_owned();
        for (_, value) in head.headers.iter_mut().filter(|(name, _)| places.has_header(name)) {
            MASK.clone_into(value);
        }
        head
    }

    fn secret_places(&self, tenant: &Tenant, source: &SourceName) -> SecretPlaces {
        let topology = self.topology();
        let listener = topology.source(tenant.as_str(), source.as_str()).and_then(|source| source.listener.as_ref());
        // Of a source that is gone nobody knows its recipe any more.
        listener.map_or_else(SecretPlaces::anywhere, |listener| listener.keys.get().secret_places().clone())
    }
}

fn masked(mut request: InboundRequest, places: &SecretPlaces) -> InboundRequest {
    request.url = masked_url_of(&request.url, places).into();
    for (_, value) in request.headers.iter_mut().filter(|(name, _)| places.has_header(name)) {
        *value = Bytes::from_static(MASK.as_bytes());
    }
    request
}
