//! Discord: a webhook of a channel, whose address is its secret.

use domain::alert::Severity;
use domain::alert::tell::Stage;
use serde_json::json;

use super::{Post, Spoken, Trouble, cut, without_markup as escaped};
use crate::alert::message::Message;
use crate::spec::Secret;

/// Limits of an embed.
const TITLE_CHARS_MAX: usize = 256;
const VALUE_CHARS_MAX: usize = 1_024;

pub(super) async fn send(post: &Post, address: &Secret, message: &Message) -> Result<Spoken, Trouble> {
    let fields: Vec<_> = message
        .facts
        .iter()
        .map(|(name, value)| json!({ "name": name, "value": cut(&escaped(value), VALUE_CHARS_MAX) }))
        .collect();
    let mut embed = json!({
        "title": cut(&escaped(&message.title), TITLE_CHARS_MAX),
        "color": color(message),
        "fields": fields,
        "timestamp": message.at.to_string(),
    });
    if let Some(link) = &message.link {
        embed["url"] = json!(link);
    }
    // Nobody is called by what a sender wrote.
    let body = json!({ "embeds": [embed], "allowed_mentions": { "parse": [] } });
    let wait = |answer: &serde_json::Value| answer["retry_after"].as_f64();
    post.post_json(address.expose(), &body).await?.checked("Discord", wait)
}

fn color(message: &Message) -> u32 {
    match (message.stage, message.severity) {
        (Stage::Resolved, _) => 0x2e_a0_43,
        (_, Severity::Critical) => 0xd1_24_2f,
        (_, Severity::Warning) => 0xbf_87_00,
        (_, Severity::Info) => 0x57_60_6a,
    }
}
