//! A webhook of one's own: JSON, signed by Standard Webhooks, with the same id for every try.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;

use super::{Post, Spoken, Trouble, header_wait};
use crate::alert::message::Message;
use crate::sign::Signer;
use crate::spec::Secret;

pub(super) async fn send(post: &Post, url: &str, secrets: &[Secret], message: &Message) -> Result<Spoken, Trouble> {
    let body = json!({
        "type": format!("alert.{}", message.stage.as_str()),
        "timestamp": message.at.to_string(),
        "data": {
            "key": message.key,
            "kind": message.kind,
            "object": message.object,
            "severity": message.severity,
            "title": message.title,
            "facts": message.facts.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect::<Vec<_>>(),
            "url": message.link,
        },
    });
    let body = Bytes::from(body.to_string());
    let now = post.clock.now();
    let unusable = |problem: String| Trouble::lasting("secret_unusable", problem);
    let signer = Signer::new(secrets.iter().map(Secret::expose)).map_err(|error| unusable(error.to_string()))?;
    let mut headers = HeaderMap::new();
    let signature = signer.sign(&message.id, now, &body).unwrap_or_default();
    for (name, value) in [
        ("webhook-id", message.id.clone()),
        ("webhook-timestamp", now.as_secs().to_string()),
        ("webhook-signature", signature),
    ] {
        let value = HeaderValue::from_str(&value).map_err(|error| unusable(error.to_string()))?;
        headers.insert(HeaderName::from_static(name), value);
    }
    post.post(url, headers, body).await?.checked("the webhook", header_wait)
}
