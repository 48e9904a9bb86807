//! What of configured objects is shown to people: neither secrets nor what came from a variable.

use serde_json::Value as Json;
use store::registry::ObjectKind;
use url::Url;

use super::{Destination, Route, Source};
use crate::definition::{SECRET_MARKER, write_destination, write_route, write_source, write_stream};
use crate::spec::{Secret, StreamSpec};

fn marker(_: &Secret) -> String {
    SECRET_MARKER.to_owned()
}

impl Source {
    /// The definition as it may be shown.
    #[must_use]
    pub fn shown(&self) -> Json {
        self.veil.over(ObjectKind::Source, write_source(&self.spec, &mut marker))
    }

    /// How one of its streams is read, as it may be shown.
    #[must_use]
    pub fn shown_stream(&self, name: &str, spec: &StreamSpec) -> Json {
        self.veil.below(&["streams", name]).over(ObjectKind::Source, write_stream(spec))
    }
}

impl Route {
    /// The definition as it may be shown.
    #[must_use]
    pub fn shown(&self) -> Json {
        self.veil.over(ObjectKind::Route, write_route(&self.spec))
    }
}

impl Destination {
    /// The definition as it may be shown.
    #[must_use]
    pub fn shown(&self) -> Json {
        self.veil.over(ObjectKind::Destination, write_destination(&self.spec, &mut marker))
    }

    /// Its address, with the marker for what came from a variable.
    #[must_use]
    pub fn shown_url(&self) -> &str {
        self.veil.text(&["http", "url"], &self.spec.http.url)
    }

    /// Its host, or what may be shown of it.
    #[must_use]
    pub fn shown_host(&self) -> String {
        let shown = self.shown_url();
        // The port may be the only part of it that is hidden.
        let without_port = |_| Url::parse(&shown.replacen(&format!(":{SECRET_MARKER}"), "", 1));
        let shown = Url::parse(shown).or_else(without_port).ok();
        shown.as_ref().and_then(Url::host_str).unwrap_or(SECRET_MARKER).to_owned()
    }

    /// What went wrong on the way to it, without a host that may not be shown.
    #[must_use]
    pub fn without_host(&self, said: String) -> String {
        let known = Url::parse(self.target.url()).ok();
        let shown = self.shown_host();
        match known.as_ref().and_then(Url::host_str) {
            Some(host) if *host != *shown => said.replace(host, &shown),
            _ => said,
        }
    }
}
