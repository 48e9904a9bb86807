//! Errors that the API answers (RFC 9457), in words for a person.

use serde::Deserialize;

use crate::exit::{Failure, Outcome};
use crate::output::clean;

/// How much of an answer that is no problem document is shown.
const SHOWN_CHARS: usize = 200;

#[derive(Deserialize)]
struct Problem {
    title: String,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    errors: Vec<Fault>,
}

#[derive(Deserialize)]
struct Fault {
    field: String,
    detail: String,
}

/// Turns whatever is no success into a failure.
pub fn check(status: u16, body: &[u8]) -> Outcome {
    if (200..300).contains(&status) {
        return Ok(());
    }
    let Ok(problem) = serde_json::from_slice::<Problem>(body) else {
        let shown: String = String::from_utf8_lossy(body).chars().take(SHOWN_CHARS).collect();
        // What a proxy says while the gateway behind it is away.
        let code = if (502..=504).contains(&status) { "bad_gateway" } else { "unexpected_answer" };
        let failure = Failure::general(code, format!("it answered {status}: {}", clean(shown.trim())));
        return Err(failure.hint("Does the URL name a trireme gateway?"));
    };
    let mut message = problem.title.clone();
    if !problem.detail.is_empty() {
        message = format!("{message}: {}", clean(&problem.detail));
    }
    for fault in problem.errors.iter().filter(|fault| !problem.detail.contains(&fault.detail)) {
        message = format!("{message}\n  {}: {}", clean(&fault.field), clean(&fault.detail));
    }
    let failure = Failure::general(problem.code, message);
    Err(match status {
        401 => failure.hint(
            "Give a key with --key or TRIREME_KEY. The first one was printed when the gateway started for the first \
             time; `trireme key create` makes more.",
        ),
        403 => failure.hint("`trireme key list` shows the scopes of each key."),
        503 => failure.hint("Try again in a moment."),
        _ => failure,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: u16, body: &str) -> Failure {
        check(status, body.as_bytes()).expect_err("no success")
    }

    #[test]
    fn problems_are_told_with_their_code_and_every_fault() {
        let failure = told(
            422,
            r#"{"type":"/x","title":"The definition is not valid","status":422,"detail":"2 faults","code":"invalid_definition",
               "errors":[{"field":"http.url","detail":"is private"},{"field":"retry","detail":"is odd"}]}"#,
        );
        assert_eq!(failure.code, "invalid_definition");
        assert_eq!(failure.message, "The definition is not valid: 2 faults\n  http.url: is private\n  retry: is odd");
        let failure = told(401, r#"{"title":"A valid API key is needed","status":401,"code":"unauthorized"}"#);
        assert!(failure.hint.is_some_and(|hint| hint.contains("TRIREME_KEY")));
    }

    #[test]
    fn what_is_no_problem_document_is_shown_shortened_and_cleaned() {
        assert_eq!(told(503, "<h1>Service unavailable</h1>").code, "bad_gateway", "it may pass");
        let failure = told(418, &format!("<h1>\u{1b}[31mBad gateway</h1>{}", "x".repeat(500)));
        assert_eq!(failure.code, "unexpected_answer");
        assert!(failure.message.starts_with("it answered 418: <h1>\u{fffd}[31mBad gateway"), "{failure}");
        assert!(failure.message.chars().count() < 250);
        assert!(check(204, b"").is_ok());
    }
}
