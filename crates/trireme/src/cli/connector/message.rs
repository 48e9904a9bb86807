//! The messages of the line protocol, one JSON object on a line each, spelled as tools that drive connectors expect them.

use engine::reading::{Level, ReadFailure, Standing};
use serde_json::{Map, Value, json};

/// What only this program has in place of a stack trace: where to look the code up.
fn trace_of(failure: &ReadFailure) -> String {
    match &failure.detail {
        Some(detail) => format!("{}: {detail}", failure.code),
        None => failure.code.to_owned(),
    }
}

pub fn spec(spec: Value) -> Value {
    json!({ "type": "SPEC", "spec": spec })
}

pub fn catalog(streams: Vec<Value>) -> Value {
    json!({ "type": "CATALOG", "catalog": { "streams": streams } })
}

/// Whether the configuration works, and if not, why.
pub fn connection_status(failed: Option<&str>) -> Value {
    let status = match failed {
        None => json!({ "status": "SUCCEEDED" }),
        Some(message) => json!({ "status": "FAILED", "message": message }),
    };
    json!({ "type": "CONNECTION_STATUS", "connectionStatus": status })
}

pub fn log(level: Level, message: &str) -> Value {
    let level = match level {
        Level::Debug => "DEBUG",
        Level::Info => "INFO",
        Level::Warn => "WARN",
        Level::Error => "ERROR",
    };
    json!({ "type": "LOG", "log": { "level": level, "message": message } })
}

/// Counts are floats in the protocol, so that no reader overflows.
pub fn state(stream: &str, state: &Value, records: u64) -> Value {
    json!({ "type": "STATE", "state": {
        "type": "STREAM",
        "stream": { "stream_descriptor": { "name": stream }, "stream_state": state },
        "sourceStats": { "recordCount": records as f64 },
    } })
}

pub fn standing(stream: &str, standing: Standing, now_ms: i64) -> Value {
    let (status, reason) = match standing {
        Standing::Started => ("STARTED", None),
        Standing::Running => ("RUNNING", None),
        Standing::RateLimited => ("RUNNING", Some("RATE_LIMITED")),
        Standing::Complete => ("COMPLETE", None),
        Standing::Incomplete => ("INCOMPLETE", None),
    };
    let mut body = json!({ "stream_descriptor": { "name": stream }, "status": status });
    if let Some(reason) = reason {
        body["reasons"] = json!([{ "type": reason }]);
    }
    json!({ "type": "TRACE", "trace": { "type": "STREAM_STATUS", "emitted_at": now_ms as f64, "stream_status": body } })
}

pub fn error(stream: Option<&str>, failure: &ReadFailure, now_ms: i64) -> Value {
    let mut error = Map::new();
    error.insert("message".into(), failure.message.as_str().into());
    error.insert("internal_message".into(), failure.detail.as_deref().unwrap_or(&failure.message).into());
    error.insert("stack_trace".into(), trace_of(failure).into());
    error.insert("failure_type".into(), failure.blame.as_str().into());
    if let Some(stream) = stream {
        error.insert("stream_descriptor".into(), json!({ "name": stream }));
    }
    json!({ "type": "TRACE", "trace": { "type": "ERROR", "emitted_at": now_ms as f64, "error": error } })
}

/// A configuration that has to be kept: what drives the connector stores it before the next run.
pub fn control(config: &Value, now_ms: i64) -> Value {
    json!({ "type": "CONTROL", "control": {
        "type": "CONNECTOR_CONFIG",
        "emitted_at": now_ms as f64,
        "connectorConfig": { "config": config },
    } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_has_the_shape_of_the_protocol() {
        for (message, text) in [
            (connection_status(None), r#"{"type":"CONNECTION_STATUS","connectionStatus":{"status":"SUCCEEDED"}}"#),
            (
                connection_status(Some("no")),
                r#"{"type":"CONNECTION_STATUS","connectionStatus":{"status":"FAILED","message":"no"}}"#,
            ),
            (
                state("a", &json!({ "updated_at": "2024-01-01" }), 3),
                r#"{"type":"STATE","state":{"type":"STREAM","stream":{"stream_descriptor":{"name":"a"},"stream_state":{"updated_at":"2024-01-01"}},"sourceStats":{"recordCount":3.0}}}"#,
            ),
            (
                standing("a", Standing::RateLimited, 5),
                r#"{"type":"TRACE","trace":{"type":"STREAM_STATUS","emitted_at":5.0,"stream_status":{"stream_descriptor":{"name":"a"},"status":"RUNNING","reasons":[{"type":"RATE_LIMITED"}]}}}"#,
            ),
            (log(Level::Warn, "x"), r#"{"type":"LOG","log":{"level":"WARN","message":"x"}}"#),
            (
                control(&json!({ "refresh_token": "r" }), 7),
                r#"{"type":"CONTROL","control":{"type":"CONNECTOR_CONFIG","emitted_at":7.0,"connectorConfig":{"config":{"refresh_token":"r"}}}}"#,
            ),
        ] {
            assert_eq!(message.to_string(), text);
        }
    }

    #[test]
    fn an_error_says_whose_move_is_next_and_which_stream_it_is_about() {
        let failure = ReadFailure::config("source_refused", "401").detail("GET /items answered 401");
        let trace = error(Some("items"), &failure, 1);
        let error = &trace["trace"]["error"];
        assert_eq!(error["failure_type"], "config_error");
        assert_eq!(error["stream_descriptor"]["name"], "items");
        assert_eq!((&error["message"], &error["internal_message"]), (&json!("401"), &json!("GET /items answered 401")));
    }
}
