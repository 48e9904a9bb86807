//! The requests that an extension makes possible: reading and writing one record, and keeping subscriptions. Says what
//! each is made of; sends none, and asks for no token.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::{SecretOf, StreamExtension, Webhooks};
use crate::manifest::auth::{Secret, Token};
use crate::manifest::partition::PartitionError;
use crate::manifest::request::{Additions, Requester};
use crate::manifest::scope::Scope;
use crate::manifest::slice::Slice;
use crate::manifest::trouble::Trouble;
use crate::manifest::wire::Request;

/// Most subscriptions of one connection. Sources allow fewer, and a config that lists more is a mistake.
pub const PLACES_MAX: usize = 1_000;
/// Longest id of a record: several times the longest that a source is known to give.
pub const ID_BYTES_MAX: usize = 512;

/// A request that can be built: what builds it, and what its templates see besides config and time.
#[derive(Clone)]
pub struct Ask<'e> {
    requester: &'e Arc<Requester>,
    slice: Slice,
    record: Option<&'e Json>,
}

/// The id of a record, fit to stand in a path: ids come with payloads, and one such as `1/../../users` must not lead a
/// request elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordId(String);

/// An id that would change the address that it stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the id is empty, longer than {ID_BYTES_MAX} bytes, or has a character that an address gives a meaning (/ ? # % \\)"
)]
pub struct UnfitId;

impl RecordId {
    pub fn new(id: &str) -> Result<Self, UnfitId> {
        let has_meaning = |byte: u8| byte.is_ascii_control() || matches!(byte, b'/' | b'?' | b'#' | b'%' | b'\\');
        let is_fit = !matches!(id, "" | "." | "..") && id.len() <= ID_BYTES_MAX && !id.bytes().any(has_meaning);
        if is_fit { Ok(Self(id.to_owned())) } else { Err(UnfitId) }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What templates see of it, as `stream_slice['id']`.
    #[must_use]
    pub fn slice(&self) -> Slice {
        Slice::of(Map::from_iter([("id".to_owned(), Json::from(self.as_str()))]))
    }
}

/// Where the source is to send its webhooks.
#[derive(Clone, Debug)]
pub struct Callback<'a> {
    pub url: &'a str,
    /// Ours, for sources that take one (see [`SecretOf::Ours`]); others never see it.
    pub secret: &'a Secret,
}

/// What one subscription of several is for, such as a repository: kept beside its id, for every later request needs it.
/// Empty where one subscription hears everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place(Map<String, Json>);

impl Place {
    /// As it was kept.
    #[must_use]
    pub fn of(fields: Map<String, Json>) -> Self {
        Self(fields)
    }

    #[must_use]
    pub fn fields(&self) -> &Map<String, Json> {
        &self.0
    }

    fn with(&self, fields: impl IntoIterator<Item = (&'static str, Json)>) -> Slice {
        let mut all = self.0.clone();
        all.extend(fields.into_iter().map(|(name, value)| (name.to_owned(), value)));
        Slice::of(all)
    }
}

impl<'e> Ask<'e> {
    #[must_use]
    pub fn requester(&self) -> &'e Arc<Requester> {
        self.requester
    }

    /// What templates see as `stream_slice`. May hold a secret: not to be logged.
    #[must_use]
    pub fn slice(&self) -> &Slice {
        &self.slice
    }

    /// What templates see as `record`: what is to be written.
    #[must_use]
    pub fn record(&self) -> Option<&'e Json> {
        self.record
    }

    /// A scope that knows the config and the time, with all that is seen here.
    #[must_use]
    pub fn scope<'s>(&'s self, scope: Scope<'s>) -> Scope<'s> {
        let scope = scope.slice(&self.slice);
        self.record.map_or(scope, |record| scope.record(record))
    }

    /// The request itself. `token` is what the requester's authenticator asked for, if it asks for one.
    pub fn request(&self, scope: &Scope<'_>, token: Option<&Token>) -> Result<Request, Trouble> {
        self.requester.request(&self.scope(*scope), Additions::new(), token)
    }

    fn of(requester: &'e Arc<Requester>, slice: Slice) -> Self {
        Self { requester, slice, record: None }
    }

    fn writing(mut self, record: &'e Json) -> Self {
        self.record = Some(record);
        self
    }
}

impl fmt::Debug for Ask<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ask").field("method", self.requester.method()).finish_non_exhaustive()
    }
}

/// `None` of each: the source cannot do it. Nothing sends the writes yet: tests build those of every connector of ours,
/// so that what a manifest describes holds.
impl StreamExtension {
    /// The record of this id; [`super::OneRecord::found`] reads the answer.
    #[must_use]
    pub fn asks_for(&self, id: &RecordId) -> Option<Ask<'_>> {
        self.get.as_ref().map(|one| Ask::of(&one.requester, id.slice()))
    }

    /// A new record; [`Self::created`] reads the answer.
    #[must_use]
    pub fn asks_to_create<'e>(&'e self, record: &'e Json) -> Option<Ask<'e>> {
        self.create.as_ref().map(|one| Ask::of(&one.requester, Slice::whole()).writing(record))
    }

    /// These fields of a record; [`Self::updated`] reads the answer.
    #[must_use]
    pub fn asks_to_update<'e>(&'e self, id: &RecordId, record: &'e Json) -> Option<Ask<'e>> {
        self.update.as_ref().map(|one| Ask::of(&one.requester, id.slice()).writing(record))
    }

    /// That the record be deleted. `record` is as much of it as is known: some sources want its version or its place
    /// beside its id. [`super::answer::done`] reads the answer.
    #[must_use]
    pub fn asks_to_delete<'e>(&'e self, id: &RecordId, record: &'e Json) -> Option<Ask<'e>> {
        self.delete.as_ref().map(|requester| Ask::of(requester, id.slice()).writing(record))
    }
}

impl Webhooks {
    /// What there must be a subscription for, each of them.
    pub fn places(&self, scope: &Scope<'_>) -> Result<Vec<Place>, PlacesError> {
        let Some(each) = &self.each else { return Ok(vec![Place::default()]) };
        let mut places = Vec::new();
        for slice in each.partitions(scope)? {
            if places.len() == PLACES_MAX {
                return Err(PlacesError::TooMany);
            }
            places.push(Place(slice.partition().clone()));
        }
        Ok(places)
    }

    /// A subscription; [`Self::subscribed`] reads the answer.
    #[must_use]
    pub fn asks_to_subscribe(&self, place: &Place, callback: &Callback<'_>) -> Ask<'_> {
        Ask::of(&self.subscribe.requester, place.with(self.wanted(callback)))
    }

    /// The secret of a new subscription, where the source tells it only when asked; [`Self::told_secret`] reads it.
    #[must_use]
    pub fn asks_for_secret(&self, place: &Place, id: &str) -> Option<Ask<'_>> {
        match &self.subscribe.secret {
            SecretOf::Asked { requester, .. } => Some(Ask::of(requester, place.with([("id", Json::from(id))]))),
            SecretOf::Ours | SecretOf::Answer(_) | SecretOf::App => None,
        }
    }

    /// That a subscription be ended; [`super::answer::done`] reads the answer.
    #[must_use]
    pub fn asks_to_unsubscribe(&self, place: &Place, id: &str) -> Option<Ask<'_>> {
        self.unsubscribe.as_ref().map(|requester| Ask::of(requester, place.with([("id", Json::from(id))])))
    }

    /// The subscriptions that there are, ours and those of others; [`Self::listed`] reads the answer. One page is asked
    /// for: no source allows more subscriptions than one page has.
    #[must_use]
    pub fn asks_for_list(&self, place: &Place) -> Option<Ask<'_>> {
        self.list.as_ref().map(|list| Ask::of(&list.requester, place.with([])))
    }

    /// That a subscription go on; [`super::answer::done`] reads the answer.
    #[must_use]
    pub fn asks_to_renew(&self, place: &Place, id: &str, callback: &Callback<'_>) -> Option<Ask<'_>> {
        let seen = [("id", Json::from(id))].into_iter().chain(self.wanted(callback));
        self.renew.as_ref().map(|renew| Ask::of(&renew.requester, place.with(seen)))
    }

    fn wanted(&self, callback: &Callback<'_>) -> impl IntoIterator<Item = (&'static str, Json)> + use<> {
        let secret = matches!(self.subscribe.secret, SecretOf::Ours).then(|| callback.secret.expose());
        let secret = secret.map(|secret| ("secret", Json::from(secret)));
        let events = Json::from(self.subscribe.events.clone());
        [("url", Json::from(callback.url)), ("events", events)].into_iter().chain(secret)
    }
}

/// Why it cannot be said what to subscribe for.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PlacesError {
    #[error(transparent)]
    List(#[from] PartitionError),
    #[error("the config asks for more than {PLACES_MAX} subscriptions of one connection; list fewer")]
    TooMany,
}

impl PlacesError {
    /// Stable, for machines.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::List(error) => error.code(),
            Self::TooMany => "subscriptions_too_many",
        }
    }
}
