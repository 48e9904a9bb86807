//! What the tests of the binary share: a place to run in, the process itself, senders and destinations.
//!
//! Nothing here waits a fixed time: conditions are polled until they hold or a deadline has passed.

pub mod destination;
pub mod http;
pub mod process;

use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::clock::{Clock, SystemClock};

/// How long anything may take before a test gives up on it: far beyond what it takes on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(90);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// The secret of the source `github` in [`Folder::configure`].
pub const GITHUB_SECRET: &str = "It's a Secret to Everybody";

/// A destination that nobody listens at.
pub const NOBODY: &str = "http://127.0.0.1:65001/";

/// Waits until `look` gives something.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let clock = SystemClock::new();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(clock.monotonic() < DEADLINE, "still not: {what}");
        clock.sleep(LOOK_AGAIN).await;
    }
}

/// The same, where nothing else runs.
pub fn eventually_blocking<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let clock = SystemClock::new();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(clock.monotonic() < DEADLINE, "still not: {what}");
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// A folder with a configuration and a data folder, gone after the test.
pub struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    pub fn config(&self) -> PathBuf {
        self.path().join("trireme.yaml")
    }

    pub fn write_config(&self, text: &str) {
        std::fs::write(self.config(), text).expect("the folder is ours");
    }

    /// A GitHub source whose events all go to `destination`.
    pub fn configure(&self, destination: &str) {
        self.write_config(&config_to(destination));
    }
}

/// The configuration of [`Folder::configure`].
pub fn config_to(destination: &str) -> String {
    format!(
        "egress: {{ allow: [127.0.0.0/8] }}\n\
         sources:\n  github: {{ webhook: {{ provider: github, secret: \"{GITHUB_SECRET}\" }} }}\n\
         destinations:\n  app: {{ http: {{ url: \"{destination}\", unsigned: true }}, retry: {{ fibonacci: 1s, attempts: 2 }} }}\n\
         routes:\n  - {{ from: github, to: app }}\n"
    )
}

/// A webhook of GitHub's, number `number`, with its headers.
pub fn github_webhook(number: u64) -> (Vec<(&'static str, String)>, String) {
    let body =
        format!(r#"{{"action":"opened","issue":{{"id":{number},"number":{number}}},"sender":{{"login":"octocat"}}}}"#);
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, GITHUB_SECRET.as_bytes());
    let signature = data_encoding::HEXLOWER.encode(ring::hmac::sign(&key, body.as_bytes()).as_ref());
    let headers = vec![
        ("content-type", "application/json".to_owned()),
        ("x-github-event", "issues".to_owned()),
        ("x-github-delivery", format!("00000000-0000-4000-8000-{number:012}")),
        ("x-hub-signature-256", format!("sha256={signature}")),
    ];
    (headers, body)
}
