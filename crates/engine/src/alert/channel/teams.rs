//! Microsoft Teams: a webhook of a workflow, whose address is its secret. It takes an adaptive card.

use domain::alert::Severity;
use domain::alert::tell::Stage;
use serde_json::json;

use super::{Post, Spoken, Trouble, cut, header_wait, without_markup as escaped};
use crate::alert::message::Message;
use crate::spec::Secret;

/// A card has at most 28 KiB in all.
const VALUE_CHARS_MAX: usize = 2_000;

pub(super) async fn send(post: &Post, address: &Secret, message: &Message) -> Result<Spoken, Trouble> {
    let color = match (message.stage, message.severity) {
        (Stage::Resolved, _) => "Good",
        (_, Severity::Critical) => "Attention",
        (_, Severity::Warning) => "Warning",
        (_, Severity::Info) => "Default",
    };
    let facts: Vec<_> = message
        .facts
        .iter()
        .map(|(name, value)| json!({ "title": name, "value": cut(&escaped(value), VALUE_CHARS_MAX) }))
        .collect();
    let mut card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [
            { "type": "TextBlock", "text": cut(&escaped(&message.title), VALUE_CHARS_MAX), "weight": "Bolder", "size": "Medium",
              "wrap": true, "color": color },
            { "type": "FactSet", "facts": facts },
        ],
    });
    if let Some(link) = &message.link {
        card["actions"] = json!([{ "type": "Action.OpenUrl", "title": "Open in the dashboard", "url": link }]);
    }
    let attachment =
        json!({ "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": card });
    let body = json!({ "type": "message", "attachments": [attachment] });
    let answer = post.post_json(address.expose(), &body).await?;
    // Older webhooks answer 200 and say in the text that it did not work, and why.
    if answer.response.status == 200 && answer.shown().contains("delivery failed") {
        return Err(Trouble::passing("refused", format!("Teams answered {}", answer.shown())));
    }
    answer.checked("Teams", header_wait)
}
