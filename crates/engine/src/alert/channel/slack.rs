//! Slack: an incoming webhook, whose address is its secret.

use serde_json::json;

use super::{Post, Spoken, Trouble, cut, header_wait};
use crate::alert::message::Message;
use crate::spec::Secret;

/// Longest text of a header block, and of a section.
const HEADER_CHARS_MAX: usize = 150;
const SECTION_CHARS_MAX: usize = 3_000;

pub(super) async fn send(post: &Post, address: &Secret, message: &Message) -> Result<Spoken, Trouble> {
    let facts: Vec<String> =
        message.facts.iter().map(|(name, value)| format!("*{name}:* {}", escaped(value))).collect();
    let mut text = cut(&facts.join("\n"), SECTION_CHARS_MAX - 500);
    if let Some(link) = &message.link {
        text = format!("{text}\n<{}|Open in the dashboard>", escaped(link).replace('|', "%7C"));
    }
    let body = json!({
        "text": cut(&escaped(&message.title), SECTION_CHARS_MAX),
        "blocks": [
            { "type": "header", "text": { "type": "plain_text", "text": cut(&message.title, HEADER_CHARS_MAX) } },
            { "type": "section", "text": { "type": "mrkdwn", "text": text } },
        ],
    });
    post.post_json(address.expose(), &body).await?.checked("Slack", header_wait)
}

/// The three characters that mean something to Slack.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
