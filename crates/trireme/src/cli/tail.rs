//! `trireme tail`: events as they are accepted, without a gap however often the connection breaks.

use std::time::Duration;

use serde_json::Value;

use super::filter::FilterArgs;
use crate::client::{Gateway, GatewayArgs, Message, Reader, is_passing, query};
use crate::exit::{Failure, Outcome};
use crate::output::{Output, aside, cell, clean};

/// Between two tries to get the stream back.
const RECONNECT_WAIT: Duration = Duration::from_secs(1);

#[derive(clap::Args, Debug)]
pub struct TailArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// Go on after this position, as an earlier tail told it
    #[arg(long, value_name = "POSITION")]
    after: Option<String>,
    /// End after so many events
    #[arg(long, value_name = "COUNT")]
    limit: Option<u64>,
    #[command(flatten)]
    gateway: GatewayArgs,
}

pub async fn run(args: TailArgs, output: Output) -> Outcome {
    let gateway = Gateway::new(&args.gateway)?;
    let mut tail = Tail { args, output, position: None, shown: 0 };
    tail.position = tail.args.after.take();
    tokio::select! {
        ended = tail.follow(&gateway) => ended?,
        _ = tokio::signal::ctrl_c() => {}
    }
    match tail.position.filter(|_| output.is_terminal()) {
        Some(position) => {
            aside(format!("To go on from here: trireme tail --after {position}"));
            Ok(())
        }
        None => Ok(()),
    }
}

struct Tail {
    args: TailArgs,
    output: Output,
    position: Option<String>,
    shown: u64,
}

impl Tail {
    fn is_full(&self) -> bool {
        self.args.limit.is_some_and(|limit| self.shown >= limit)
    }

    /// The first connection must succeed; one that breaks later is taken up again where it ended.
    async fn follow(&mut self, gateway: &Gateway) -> Outcome {
        let path = format!("/api/v1/events/stream{}", query(self.args.filter.parameters()));
        self.read(gateway, &path).await?;
        while !self.is_full() {
            aside("The connection ended; trying to go on where it was …");
            gateway.clock.sleep(RECONNECT_WAIT).await;
            match self.read(gateway, &path).await {
                Err(failure) if is_passing(&failure) => {}
                other => other?,
            }
        }
        Ok(())
    }

    /// Reads until the stream ends, breaks, or enough was shown.
    async fn read(&mut self, gateway: &Gateway, path: &str) -> Outcome {
        let mut stream = gateway.open(path, self.position.as_deref()).await?;
        let mut reader = Reader::default();
        while let Some(Ok(piece)) = stream.chunk().await {
            let too_large =
                |_| Failure::general("answer_too_large", "the stream holds an event larger than any can be");
            for message in reader.push(&piece).map_err(too_large)? {
                self.show(message)?;
                if self.is_full() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn show(&mut self, message: Message) -> Outcome {
        let event: Value = serde_json::from_str(&message.data).unwrap_or(Value::Null);
        if event.get("id").is_some() {
            self.shown += 1;
            self.output.json(&event)?;
            self.output.line(line(&event))?;
        }
        // Only now: what was not shown is asked for again.
        self.position = message.id.or(self.position.take());
        Ok(())
    }
}

fn line(event: &Value) -> String {
    let [time, kind, source, subject, id] =
        ["/received_at", "/type", "/source", "/subject", "/id"].map(|at| clean(&cell(event, at)).into_owned());
    // To the second, without the date: this is read as it happens.
    let time = time.get(11..19).unwrap_or(&time).to_owned();
    format!("{time}  {kind:<32} {source:<12} {subject:<24} {id}")
}
