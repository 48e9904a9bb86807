//! Events that are followed until a delivery of theirs comes to a status that was asked for.

use std::collections::VecDeque;
use std::time::Duration;

use domain::DeliveryState;
use serde_json::Value;

use super::TailArgs;
use crate::client::{Gateway, is_passing, segment};
use crate::exit::Outcome;
use crate::output::{aside, cell};

/// How often those that are followed are looked at.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Events followed at once. Retries may take days: the oldest give way.
const FOLLOWED_MAX: usize = 1_000;
/// Events looked at in one go: each is a request.
const LOOKS_MAX: usize = 50;

pub struct Ends {
    statuses: Vec<DeliveryState>,
    followed: VecDeque<String>,
    gave_way: bool,
}

impl Ends {
    #[must_use]
    pub fn of(statuses: &[DeliveryState]) -> Self {
        Self { statuses: statuses.to_vec(), followed: VecDeque::new(), gave_way: false }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.followed.is_empty()
    }

    /// Takes an event as the stream told it. Gives it back if it is there already; else it is followed.
    pub fn begin(&mut self, mut event: Value, args: &TailArgs) -> Option<Value> {
        match self.judge(&mut event, args) {
            Judged::Come => return Some(event),
            Judged::Never => return None,
            Judged::NotYet => self.followed.push_back(cell(&event, "/id")),
        }
        if self.followed.len() > FOLLOWED_MAX {
            self.followed.pop_front();
            if !std::mem::replace(&mut self.gave_way, true) {
                aside(format!(
                    "More than {FOLLOWED_MAX} events wait for their deliveries; the oldest are not followed any more."
                ));
            }
        }
        None
    }

    /// Looks at some of those that are followed; gives those that came to it.
    pub async fn look(&mut self, gateway: &Gateway, args: &TailArgs) -> Outcome<Vec<Value>> {
        let mut come = Vec::new();
        for _ in 0..self.followed.len().min(LOOKS_MAX) {
            let Some(id) = self.followed.pop_front() else { break };
            let mut event = match gateway.get(&format!("/api/v1/events/{}", segment(&id))).await {
                Ok(event) => event,
                Err(failure) if is_passing(&failure) => {
                    self.followed.push_front(id);
                    break;
                }
                // Retention took it meanwhile.
                Err(failure) if failure.code == "not_found" => continue,
                Err(failure) => return Err(failure),
            };
            match self.judge(&mut event, args) {
                Judged::Come => come.push(event),
                Judged::Never => {}
                Judged::NotYet => self.followed.push_back(id),
            }
        }
        Ok(come)
    }

    /// Of its deliveries, those that the filter is about stay.
    fn judge(&self, event: &mut Value, args: &TailArgs) -> Judged {
        let Some(deliveries) = event["deliveries"].as_array_mut() else { return Judged::Never };
        let is = |wanted: &Option<String>, delivery: &Value, field: &str| {
            wanted.as_ref().is_none_or(|wanted| delivery[field] == **wanted)
        };
        deliveries
            .retain(|delivery| is(&args.route, delivery, "route") && is(&args.destination, delivery, "destination"));
        let states = deliveries.iter().filter_map(|delivery| DeliveryState::parse(delivery["state"].as_str()?));
        let states: Vec<DeliveryState> = states.collect();
        if states.iter().any(|state| self.statuses.contains(state)) {
            Judged::Come
        } else if states.iter().any(|state| state.is_open()) {
            Judged::NotYet
        } else {
            Judged::Never
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Judged {
    Come,
    NotYet,
    /// Nothing of it is open any more.
    Never,
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        tail: TailArgs,
    }

    fn args(words: &[&str]) -> TailArgs {
        Line::parse_from(["tail"].iter().chain(words)).tail
    }

    #[test]
    fn an_event_is_shown_followed_or_let_go_by_its_deliveries() {
        use Judged::{Come, Never, NotYet};
        let cases: [(&[&str], &[&str], Judged); 8] = [
            (&["--status", "dead"], &["app:dead"], Come),
            (&["--status", "dead,delivered"], &["app:pending", "b:delivered"], Come),
            (&["--status", "dead"], &["app:pending", "b:delivered"], NotYet),
            (&["--status", "dead"], &["app:retrying"], NotYet),
            (&["--status", "dead"], &["app:delivered", "b:filtered"], Never),
            (&["--status", "dead"], &[], Never),
            (&["--status", "dead", "--destination", "app"], &["app:delivered", "b:dead"], Never),
            (&["--status", "retrying", "--destination", "b"], &["app:delivered", "b:retrying"], Come),
        ];
        for (words, deliveries, expected) in cases {
            let args = args(words);
            let shown = deliveries.iter().filter_map(|delivery| delivery.split_once(':'));
            let shown: Vec<Value> =
                shown.map(|(destination, state)| json!({ "destination": destination, "state": state })).collect();
            let mut event = json!({ "id": "evt_1", "deliveries": shown });
            assert_eq!(Ends::of(&args.status).judge(&mut event, &args), expected, "{words:?} {deliveries:?}");
        }
    }

    #[test]
    fn the_oldest_give_way_where_too_many_wait() {
        let args = args(&["--status", "dead"]);
        let mut ends = Ends::of(&args.status);
        for number in 0..=FOLLOWED_MAX {
            let event = json!({ "id": format!("evt_{number}"), "deliveries": [{ "state": "pending" }] });
            assert_eq!(ends.begin(event, &args), None);
        }
        assert_eq!((ends.followed.len(), ends.followed.front().map(String::as_str)), (FOLLOWED_MAX, Some("evt_1")));
    }
}
