//! `trireme tail`: events as they are accepted, without a gap however often the connection breaks; with `--status`,
//! events as their deliveries come to it.

mod ends;

use domain::DeliveryState;
use serde_json::Value;
use tokio::sync::mpsc;

use self::ends::Ends;
use super::filter::{FilterArgs, moment};
use crate::client::{Follow, Gateway, GatewayArgs, Message, query};
use crate::exit::{Failure, Outcome};
use crate::output::{Output, aside, cell, clean};

#[derive(clap::Args, Debug)]
pub struct TailArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// Only what this route owes its destination
    #[arg(long, help_heading = "Filter")]
    route: Option<String>,
    /// Only what is owed to this destination
    #[arg(long, help_heading = "Filter")]
    destination: Option<String>,
    /// Show an event when a delivery of it comes to one of these: delivered, filtered, retrying, held, dead, cancelled
    #[arg(long, value_name = "STATUS", value_delimiter = ',', value_parser = state, help_heading = "Filter")]
    status: Vec<DeliveryState>,
    /// Begin with what was received since then: a time, or so long ago (15m, 2h, 3d)
    #[arg(long, help_heading = "Filter")]
    since: Option<String>,
    /// Go on after this position, as an earlier tail told it
    #[arg(long, value_name = "POSITION", conflicts_with = "since")]
    after: Option<String>,
    /// End after so many events
    #[arg(long, value_name = "COUNT")]
    limit: Option<u64>,
    #[command(flatten)]
    gateway: GatewayArgs,
}

fn state(text: &str) -> Result<DeliveryState, String> {
    DeliveryState::parse(text).ok_or_else(|| {
        let known: Vec<&str> = DeliveryState::ALL.iter().map(|state| state.as_str()).collect();
        format!("use one of {}", known.join(", "))
    })
}

impl TailArgs {
    fn path(&self, gateway: &Gateway) -> Outcome<String> {
        let since = self.since.as_deref().map(|since| moment(since, gateway.clock.now())).transpose()?;
        let deliveries = (!self.status.is_empty()).then(|| "true".to_owned());
        let others = [
            ("route", self.route.clone()),
            ("destination", self.destination.clone()),
            ("since", since),
            ("deliveries", deliveries),
        ];
        Ok(format!("/api/v1/events/stream{}", query(self.filter.parameters().chain(others))))
    }
}

pub async fn run(mut args: TailArgs, output: Output) -> Outcome {
    let gateway = Gateway::new(&args.gateway)?;
    let path = args.path(&gateway)?;
    let mut tail = Tail { position: args.after.take(), ends: Ends::of(&args.status), args, output, shown: 0 };
    tokio::select! {
        ended = tail.follow(&gateway, path) => ended?,
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
    ends: Ends,
}

impl Tail {
    fn is_full(&self) -> bool {
        self.args.limit.is_some_and(|limit| self.shown >= limit)
    }

    async fn follow(&mut self, gateway: &Gateway, path: String) -> Outcome {
        let (told, mut heard) = mpsc::channel(1);
        // Beside the looks at deliveries: those must not break off an attempt to connect.
        let mut reader = Box::pin(read(Follow::new(gateway, path, self.position.clone()), told));
        while !self.is_full() {
            tokio::select! {
                ended = &mut reader => return ended,
                Some(message) = heard.recv() => self.take(message)?,
                () = gateway.clock.sleep(ends::LOOK_EVERY), if !self.ends.is_empty() => {
                    for event in self.ends.look(gateway, &self.args).await? {
                        self.show(&event)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, message: Message) -> Outcome {
        let event: Value = serde_json::from_str(&message.data).unwrap_or(Value::Null);
        if event.get("id").is_some() {
            let come = if self.args.status.is_empty() { Some(event) } else { self.ends.begin(event, &self.args) };
            if let Some(event) = come {
                self.show(&event)?;
            }
        }
        // Only now: what was not shown is asked for again.
        self.position = message.id.or(self.position.take());
        Ok(())
    }

    fn show(&mut self, event: &Value) -> Outcome {
        if self.is_full() {
            return Ok(());
        }
        self.shown += 1;
        self.output.json(event)?;
        self.output.line(line(event))
    }
}

async fn read(mut follow: Follow<'_>, told: mpsc::Sender<Message>) -> Outcome {
    loop {
        let message = follow.next().await?;
        if told.send(message).await.is_err() {
            return Err(Failure::new(crate::exit::Exit::Done, "tail_ended", ""));
        }
    }
}

fn line(event: &Value) -> String {
    let [time, kind, source, subject, id] =
        ["/received_at", "/type", "/source", "/subject", "/id"].map(|at| clean(&cell(event, at)).into_owned());
    // To the second, without the date: this is read as it happens.
    let time = time.get(11..19).unwrap_or(&time).to_owned();
    let owed = event["deliveries"].as_array().into_iter().flatten();
    let owed = owed.map(|delivery| format!("  {}: {}", cell(delivery, "/destination"), cell(delivery, "/state")));
    let owed = owed.collect::<String>();
    format!("{time}  {kind:<32} {source:<12} {subject:<24} {id}{}", clean(&owed))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_shows_where_it_goes_if_that_was_asked_for() {
        let mut event =
            json!({ "received_at": "2026-01-31T09:30:01.5Z", "type": "push", "source": "github", "id": "evt_1" });
        assert!(line(&event).starts_with("09:30:01  push") && line(&event).ends_with("evt_1"));
        event["deliveries"] =
            json!([{ "destination": "app", "state": "dead" }, { "destination": "b", "state": "held" }]);
        assert!(line(&event).ends_with("evt_1  app: dead  b: held"), "{}", line(&event));
    }

    #[test]
    fn a_status_is_one_that_deliveries_have() {
        assert_eq!(state("dead"), Ok(DeliveryState::Dead));
        assert!(state("failed").is_err_and(|said| said.contains("delivered")));
    }
}
