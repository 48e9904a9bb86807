//! Telegram: a bot that writes to a chat. Its token is part of the address, which therefore is never shown.

use serde_json::{Value, json};

use super::{Post, Spoken, Trouble, cut};
use crate::alert::message::Message;
use crate::spec::TelegramSpec;

const TEXT_CHARS_MAX: usize = 4_096;

pub(super) async fn send(post: &Post, spec: &TelegramSpec, message: &Message) -> Result<Spoken, Trouble> {
    let url = format!("{}/bot{}/sendMessage", spec.server, spec.token.expose());
    let body = json!({
        "chat_id": spec.chat,
        "text": cut(&format!("{}\n\n{}", message.title, message.text()), TEXT_CHARS_MAX),
        "link_preview_options": { "is_disabled": true },
    });
    let answer = post.post_json(&url, &body).await?;
    let said = answer.json();
    if (200..300).contains(&answer.response.status) && said["ok"] != json!(true) {
        return Err(Trouble::lasting("refused", format!("Telegram answered {}", answer.shown())));
    }
    let spoken = answer.checked("Telegram", |answer| answer["parameters"]["retry_after"].as_f64())?;
    // The whole message comes back: its number says enough.
    let number = said.pointer("/result/message_id").and_then(Value::as_i64);
    let said = number.map_or(spoken.said, |number| format!("200 message {number}"));
    Ok(Spoken { said, complaint: None })
}
