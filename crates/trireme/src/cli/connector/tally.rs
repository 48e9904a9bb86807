//! How far a reading has come, on stderr and only where a person watches.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engine::reading::Standing;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Redrawn so often; more would only cost.
const REDRAWS_PER_SECOND: u8 = 8;
/// Streams that are named at once; a line has no room for more.
const NAMED_MAX: usize = 4;

pub struct Tally {
    bar: Option<ProgressBar>,
    running: Mutex<BTreeMap<Arc<str>, u64>>,
}

impl Tally {
    pub fn silent() -> Self {
        Self { bar: None, running: Mutex::default() }
    }

    /// One that shows itself if stderr is a terminal.
    pub fn for_stderr() -> Self {
        if !io::stderr().is_terminal() {
            return Self::silent();
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(REDRAWS_PER_SECOND));
        let style = ProgressStyle::with_template("{spinner} {human_pos} records, {per_sec} {wide_msg}");
        bar.set_style(style.expect("the template names only what there is"));
        bar.enable_steady_tick(Duration::from_millis(250));
        Self { bar: Some(bar), running: Mutex::default() }
    }

    pub fn add(&self, stream: &Arc<str>, records: u64) {
        let Some(bar) = &self.bar else { return };
        *self.lock().entry(Arc::clone(stream)).or_default() += records;
        bar.inc(records);
    }

    pub fn standing(&self, stream: &Arc<str>, standing: Standing) {
        let Some(bar) = &self.bar else { return };
        let mut running = self.lock();
        match standing {
            Standing::Complete | Standing::Incomplete => drop(running.remove(stream)),
            Standing::Started | Standing::Running | Standing::RateLimited => {
                running.entry(Arc::clone(stream)).or_default();
            }
        }
        let named: Vec<_> = running.keys().take(NAMED_MAX).map(|name| crate::output::clean(name)).collect();
        bar.set_message(named.join(", "));
    }

    pub fn finish(&self) {
        self.bar.iter().for_each(ProgressBar::finish_and_clear);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Arc<str>, u64>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
