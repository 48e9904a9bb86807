//! What is told of each mistake in `webhook.reply`, and that it is shown as it is.

use super::*;

fn reply(reply: Json) -> Result<(SourceSpec, Report), Report> {
    read_source(json!({"webhook": {"provider": "none", "reply": reply}}))
}

#[test]
fn replies_are_told_every_mistake() {
    for (json, expected) in [
        (json!([]), "/webhook/reply wrong_type"),
        (json!({"status": 99}), "/webhook/reply/status invalid_value"),
        (json!({"status": 600}), "/webhook/reply/status invalid_value"),
        (json!({"delay": "31s"}), "/webhook/reply/delay invalid_value"),
        (json!({"body": "x".repeat(16 * 1024 + 1)}), "/webhook/reply/body too_large"),
        (json!({"headers": {"set-cookie": "a=b"}}), "/webhook/reply/headers/set-cookie reserved"),
        (json!({"headers": {"content-length": "5"}}), "/webhook/reply/headers/content-length reserved"),
        (json!({"headers": {"x y": "a"}}), "/webhook/reply/headers/*** invalid_name"),
        (json!({"headers": {"x": "a\r\nset-cookie: b"}}), "/webhook/reply/headers/x invalid_value"),
        (json!({"headers": {"x": "a", "X": "b"}}), "/webhook/reply/headers/X duplicate_key"),
        (json!({"colour": "red"}), "/webhook/reply/colour unknown_key"),
    ] {
        assert_eq!(errors(reply(json.clone())), [expected], "{json}");
    }
    let many: serde_json::Map<_, _> = (0..17).map(|number| (format!("x-{number}"), "a".into())).collect();
    assert_eq!(errors(reply(json!({ "headers": many }))), ["/webhook/reply/headers too_many"]);
}

#[test]
fn a_sender_that_is_verified_is_not_told_what_its_owner_likes() {
    let json = json!({"webhook": {"provider": "github", "secret": "a", "reply": {"status": 202}}});
    assert_eq!(errors(read_source(json)), ["/webhook/reply conflict"]);
}

/// Only there: a connection may be called `webhook` or `reply`, and then its secrets stay secrets.
#[test]
fn what_is_answered_is_no_secret_and_everything_else_is() {
    let mut json = json!({
        "webhook": {"provider": "none", "reply": {"headers": {"x": "told"}, "body": "told"}, "secret": "kept"},
        "connections": {
            "reply": {"webhook": {"secret": "kept", "secrets": {"reply": "kept"}}, "config": {"reply": {"key": "kept"}}},
            "webhook": {"webhook": {"secret": "kept"}, "config": {"webhook": {"reply": "kept"}}},
        },
    });
    replace_secrets(&mut json, &mut |secret| {
        assert_eq!(secret, "kept");
        String::new()
    });
    let shown = json.to_string();
    assert!(shown.matches("told").count() == 2 && !shown.contains("kept"), "{shown}");
}
