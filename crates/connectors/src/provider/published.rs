//! Serves keys to vectors in place of the network: nothing is at hand at first, and what a judgement asks for is there
//! afterwards only if the vector says that its sender publishes it.

use std::collections::HashMap;
use std::sync::Arc;

use domain::Timestamp;
use domain::request::Reason;

use super::example::PublishedKey;
use super::fetched::{FetchedKeys, KeyDocument};
use super::incoming::Incoming;
use super::judge::{Judgement, Pending, judge_with};
use super::key_api::NoKey;
use super::keys::Keys;
use super::recipe::Recipe;
use super::refusal::Code;

#[derive(Default)]
struct Served(HashMap<String, Arc<KeyDocument>>);

impl FetchedKeys for Served {
    fn document(&self, url: &str, _kid: Option<&str>) -> Option<Arc<KeyDocument>> {
        self.0.get(url).map(Arc::clone)
    }
}

/// Whether this is what is asked for, and in the way that is expected.
fn answers(document: &PublishedKey, wanted: &Pending) -> bool {
    let posted = wanted.request.as_ref().and_then(|request| request.post());
    document.url == wanted.key_url && document.posted.as_deref().is_none_or(|expected| posted == Some(expected))
}

fn read(document: &PublishedKey, wanted: &Pending) -> Result<KeyDocument, NoKey> {
    let (status, body) = (document.status.unwrap_or(200), document.body.as_bytes());
    match &wanted.request {
        None => KeyDocument::read(wanted.format, body).map_err(|_| NoKey::NotNow),
        Some(request) => request.read(status, body),
    }
}

fn absent() -> Judgement {
    let detail = "the sender's API knows no key of this name".to_owned();
    Judgement::Rejected(Reason { code: Code::KeyUnknown.as_str().into(), detail })
}

/// Judges as often as another key is asked for that is published. A document that cannot be read is as good as none.
pub(crate) fn judge(
    recipe: &Recipe,
    keys: &Keys,
    incoming: &Incoming<'_>,
    received_at: Timestamp,
    published: &[PublishedKey],
) -> Judgement {
    let mut served = Served::default();
    loop {
        let judgement = judge_with(recipe, keys, incoming, received_at, &served);
        let Judgement::Pending(wanted) = &judgement else { return judgement };
        let address = wanted.address().into_owned();
        let document = published.iter().find(|document| answers(document, wanted)).map(|found| read(found, wanted));
        match document {
            Some(Ok(document)) if !served.0.contains_key(&address) => {
                served.0.insert(address, Arc::new(document));
            }
            Some(Err(NoKey::Absent)) => return absent(),
            _ => return judgement,
        }
    }
}
