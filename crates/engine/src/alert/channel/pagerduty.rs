//! PagerDuty: its Events API, version 2. What tells of one cause has one key, so that it is one incident there too.

use domain::alert::tell::Stage;
use serde_json::json;

use super::{Post, Spoken, Trouble, cut, header_wait};
use crate::alert::message::Message;
use crate::spec::PagerSpec;

const SUMMARY_CHARS_MAX: usize = 1_024;
const KEY_CHARS_MAX: usize = 255;

pub(super) async fn send(post: &Post, spec: &PagerSpec, message: &Message) -> Result<Spoken, Trouble> {
    let action = match message.stage {
        Stage::Opened | Stage::Worse | Stage::Digest => "trigger",
        Stage::Acknowledged => "acknowledge",
        Stage::Resolved => "resolve",
    };
    let mut body = json!({
        "routing_key": spec.key.expose(),
        "event_action": action,
        "dedup_key": cut(&message.key, KEY_CHARS_MAX),
    });
    if action == "trigger" {
        body["payload"] = json!({
            "summary": cut(&message.title, SUMMARY_CHARS_MAX),
            "source": message.source,
            "severity": message.severity.as_str(),
            "timestamp": message.at.to_string(),
            "component": message.object,
            "class": message.kind,
            "custom_details": message.facts.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
        });
        body["client"] = json!("Trireme");
        if let Some(link) = &message.link {
            body["client_url"] = json!(link);
            body["links"] = json!([{ "href": link, "text": "Open in the dashboard" }]);
        }
    }
    post.post_json(&format!("{}/v2/enqueue", spec.server), &body).await?.checked("PagerDuty", header_wait)
}
