//! What the process tells of itself: log lines on stderr, and traces to a collector if it is told of one.
//!
//! What is logged is the caller's duty: never a payload, never a secret.

#[cfg(feature = "otel")]
mod otlp;

use std::io::{self, IsTerminal};

use tokio::runtime::Handle;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry};

use crate::exit::{Failure, Outcome};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogForm {
    /// For people, coloured on a terminal
    #[default]
    Human,
    /// One JSON object a line
    Json,
}

#[derive(clap::Args, Clone, Debug)]
pub struct LogArgs {
    /// How log lines on stderr look
    #[arg(
        long,
        env = "TRIREME_LOG_FORM",
        value_enum,
        default_value_t,
        value_name = "FORM",
        help_heading = "Telemetry"
    )]
    pub log: LogForm,
    /// What is logged: a level, or levels by crate as `info,engine=debug`
    #[arg(long, env = "TRIREME_LOG", default_value = "info", value_name = "FILTER", help_heading = "Telemetry")]
    pub log_filter: String,
    /// Send traces to this OTLP collector, as http://localhost:4318
    #[arg(long, env = "TRIREME_OTLP_ENDPOINT", value_name = "URL", help_heading = "Telemetry")]
    pub otlp_endpoint: Option<String>,
}

type BoxLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Ends with the process.
pub struct Telemetry {
    #[cfg(feature = "otel")]
    traces: Option<otlp::Traces>,
}

impl Telemetry {
    /// Begins to log, and to send traces on the runtime's threads.
    pub fn start(args: &LogArgs, runtime: &Handle) -> Outcome<Self> {
        let filter = EnvFilter::try_new(&args.log_filter).map_err(|error| {
            Failure::usage(format!("'{}' is not a log filter: {error}", args.log_filter))
                .hint("Use a level (error, warn, info, debug, trace), or levels by crate as in `info,engine=debug`.")
        })?;
        let mut layers = vec![lines(args.log).with_filter(filter).boxed()];
        let telemetry = Self::traces(args, runtime, &mut layers)?;
        let started = tracing_subscriber::registry().with(layers).try_init();
        started.map_err(|error| Failure::general("log_setup", error.to_string()))?;
        Ok(telemetry)
    }

    #[cfg(feature = "otel")]
    fn traces(args: &LogArgs, runtime: &Handle, layers: &mut Vec<BoxLayer>) -> Outcome<Self> {
        let Some(endpoint) = &args.otlp_endpoint else { return Ok(Self { traces: None }) };
        let (layer, traces) = otlp::start(endpoint, runtime)?;
        layers.push(layer);
        Ok(Self { traces: Some(traces) })
    }

    #[cfg(not(feature = "otel"))]
    fn traces(args: &LogArgs, _runtime: &Handle, _layers: &mut Vec<BoxLayer>) -> Outcome<Self> {
        match &args.otlp_endpoint {
            None => Ok(Self {}),
            Some(_) => {
                Err(Failure::usage("this build sends no traces, because it was made without the feature `otel`")
                    .hint("Leave --otlp-endpoint and TRIREME_OTLP_ENDPOINT out, or build with the default features."))
            }
        }
    }

    /// Sends what is left. The runtime must still run.
    #[cfg_attr(not(feature = "otel"), expect(clippy::unused_self, reason = "only traces have something left"))]
    pub fn finish(self) {
        #[cfg(feature = "otel")]
        if let Some(traces) = self.traces {
            traces.finish();
        }
    }
}

fn lines<S>(form: LogForm) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'span> LookupSpan<'span>,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    match form {
        LogForm::Json => lines.json().flatten_event(true).boxed(),
        LogForm::Human => lines.with_target(false).with_ansi(io::stderr().is_terminal()).compact().boxed(),
    }
}
