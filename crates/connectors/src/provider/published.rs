//! Serves keys to vectors in place of the network: nothing is at hand at first, and what a judgement asks for is there
//! afterwards only if the vector says that its sender publishes it.

use std::collections::HashMap;
use std::sync::Arc;

use domain::Timestamp;

use super::example::PublishedKey;
use super::fetched::{FetchedKeys, KeyDocument};
use super::incoming::Incoming;
use super::judge::{Judgement, judge_with};
use super::keys::Keys;
use super::recipe::Recipe;

#[derive(Default)]
struct Served(HashMap<String, Arc<KeyDocument>>);

impl FetchedKeys for Served {
    fn document(&self, url: &str, _kid: Option<&str>) -> Option<Arc<KeyDocument>> {
        self.0.get(url).map(Arc::clone)
    }
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
        let found = published.iter().find(|document| document.url == wanted.key_url);
        let document = found.and_then(|found| KeyDocument::read(wanted.format, found.body.as_bytes()).ok());
        match document {
            Some(document) if !served.0.contains_key(&wanted.key_url) => {
                served.0.insert(wanted.key_url.clone(), Arc::new(document));
            }
            _ => return judgement,
        }
    }
}
