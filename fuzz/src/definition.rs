//! Definitions as the file and the API take them: never a panic, every mistake told, no secret quoted.

use std::sync::{Arc, LazyLock};

use bolero::check;
use domain::Tenant;
use engine::definition::{self, Context, Known, read_json};
use engine::transport::EgressPolicy;
use serde_json::Value;
use store::registry::ManagedBy;

use crate::mutation::{Edit, Tally, damaged, effort};

const CANARY: &str = "canarycanarycanary";
const DESTINATION_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const SOURCE: &str = r#"{"webhook":{"provider":"github","secret":["canarycanarycanary","other"],"dedupe":{"within":"1h"}},"publish":true,"connections":{"acme":{"webhook":{"secret":"canarycanarycanary"}}}}"#;
const DESTINATION: &str = r#"{"http":{"url":"https://app.example/hooks","secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw","headers":{"authorization":"canarycanarycanary"},"body":"raw","timeouts":{"connect":"1s","total":"9s"},"concurrency":4},"retry":{"fibonacci":"10s","attempts":12,"jitter":"10%"},"rate_limit":"100/s","breaker":{"failures":5,"pause":"10s"},"paused":false}"#;
const ROUTE: &str = r#"{"from":"github","to":"app","name":"r","when":"data.a = 1","map":"{ 'a': data.a }","ordering":"subject","on_dead":"block","stale":"drop","retry":{"list":["5s","5m"]},"assurance":"body"}"#;

/// Not captured by the target: a clock within it is not known to be safe across a caught panic.
static CONTEXT: LazyLock<Context> = LazyLock::new(|| Context {
    catalogue: Arc::default(),
    wrong_recipes: Arc::default(),
    connectors: Arc::new(engine::connector::Ours {
        clock: engine::clock::SystemClock::shared(),
        entropy: engine::entropy::SystemEntropy::shared(),
    }),
    tenant: Tenant::default_tenant(),
    managed_by: ManagedBy::Api,
    public_url: Some("https://hooks.example".into()),
    egress: Arc::new(EgressPolicy::default()),
});

#[test]
fn definitions_of_any_kind() {
    let known = Known {
        sources: [("github".parse().expect("a name"), Default::default())].into(),
        destinations: ["app".parse().expect("a name")].into(),
    };
    let tally = Tally::default();
    let (time, inputs) = effort(6_000);
    check!().with_test_time(time).with_iterations(inputs).with_type::<(u8, Vec<Edit>)>().for_each(|(pick, edits)| {
        let seeds = [SOURCE, DESTINATION, ROUTE];
        let kind = usize::from(*pick) % seeds.len();
        let bytes = damaged(seeds[kind].as_bytes(), &edits[..edits.len().min(3)]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Ok(json) = serde_json::from_slice::<Value>(&bytes) else { return };
        let report = match kind {
            0 => read_json(json, |at| definition::source(at, "github".parse().expect("a name"), &CONTEXT)).err(),
            1 => read_json(json, |at| definition::destination(at, "app".parse().expect("a name"), &CONTEXT)).err(),
            _ => read_json(json, |at| definition::route(at, &known, &CONTEXT)).err(),
        };
        tally.note(report.is_none());
        if let Some(report) = report {
            assert!(report.has_errors(), "refused without a reason");
            // Damage may carry a secret into a value that is no secret, where it can only be quoted.
            let moved = |secret: &str| text.matches(secret).count() != text.matches(&format!("\"{secret}\"")).count();
            if moved(CANARY)
                || moved(DESTINATION_SECRET)
                || !text.contains(DESTINATION_SECRET) && text.contains("MfKQ9r8GKYqr")
            {
                return;
            }
            let told = format!("{report:?}");
            assert!(!told.contains(CANARY) && !told.contains("MfKQ9r8GKYqr"), "a secret is quoted: {told}");
        }
    });
    tally.check("definitions");
}
