//! Lists by each of their filters. Every filter is taken apart whole, so that a field that is added to one without a
//! question of its own does not compile.

use std::time::Duration;

use domain::request::Verdict;
use domain::run::{RunKind, RunState};
use domain::{DeliveryState, Origin, Purpose, ReplayId};

use super::super::growth::{DESTINATIONS, Kind, POLLED, connection_of};
use super::{Answer, Asked, Cost, Question, name, tenant, then};
use crate::read::{DeliveryFilter, EventFilter, RequestFilter};
use crate::reading::RunFilter;
use crate::watch::CallFilter;

const ROWS: Cost = Cost::Searches("few have it, and an index of it would cost every event");
const COUNTED: Cost = Cost::Searches("what is counted is looked at");
const TAIL: Cost = Cost::Searches("the order of acceptance is walked, whatever is wanted of it");

/// A field of a filter set, how that is called, what it costs, and whether there are such rows.
type Case<F> = (&'static str, F, Cost, bool);

impl Asked {
    /// Each field of the filter by itself, and those together that an index has together.
    fn event_cases(&self) -> Vec<Case<EventFilter>> {
        let (at, begin) = (self.growth.at(self.number), self.growth.begin);
        let whole = EventFilter {
            source: Some(self.source()),
            connection: Some(name(format!("c{}", connection_of(self.number)))),
            event_type: Some("never".to_owned()),
            subject: Some(format!("orders/{}", self.number % self.growth.subjects())),
            origin: Some(Origin::Backfill),
            since: Some(begin),
            until: Some(at + Duration::from_micros(1)),
            q: Some("no payload holds this".to_owned()),
        };
        let none = EventFilter::default;
        let EventFilter { source, connection, event_type, subject, origin, since, until, q } = whole;
        let (of, at) = (source.clone(), connection.clone());
        vec![
            ("nothing", none(), Cost::Indexed, true),
            ("source", EventFilter { source, ..none() }, Cost::Indexed, true),
            ("source, connection", EventFilter { source: of.clone(), connection: at, ..none() }, Cost::Indexed, true),
            ("subject", EventFilter { subject, ..none() }, Cost::Indexed, true),
            ("since", EventFilter { since, ..none() }, Cost::Indexed, true),
            ("until", EventFilter { until, ..none() }, Cost::Indexed, true),
            ("source, since, until", EventFilter { source: of.clone(), since, until, ..none() }, Cost::Indexed, true),
            ("connection", EventFilter { connection, ..none() }, ROWS, true),
            ("a source of many connections", EventFilter { source: Some(name("s6")), ..none() }, ROWS, true),
            ("type", EventFilter { event_type: event_type.clone(), ..none() }, ROWS, false),
            ("type*", EventFilter { event_type: Some("never*".to_owned()), ..none() }, ROWS, false),
            ("origin", EventFilter { origin, ..none() }, ROWS, false),
            ("q", EventFilter { q: q.clone(), ..none() }, ROWS, false),
            ("source, type, origin, q", EventFilter { source: of, event_type, origin, q, ..none() }, ROWS, false),
        ]
    }

    pub(super) fn events(&self) -> Vec<Question> {
        let mut questions = Vec::new();
        for (by, filter, cost, finds) in self.event_cases() {
            let (page, scan) = (self.page.clone(), self.page.scan);
            let wanted = filter.clone();
            let listed = Question::new("events", by, cost, move |store| {
                then(store.events(tenant(), wanted.clone(), page.clone()), |listed| Answer::of(&listed))
            });
            let wanted = filter.clone();
            let counted = Question::new("count_events", by, COUNTED, move |store| {
                then(store.count_events(tenant(), wanted.clone(), scan), |(count, complete)| Answer {
                    rows: usize::try_from(count).unwrap_or(usize::MAX),
                    complete,
                })
            });
            let page = self.page.clone();
            let tailed = Question::new("events_after", by, TAIL, move |store| {
                then(store.events_after(tenant(), filter.clone(), page.clone()), |stretch| Answer {
                    rows: stretch.events.len(),
                    complete: !stretch.more,
                })
            });
            // A count or a tail that ends for its time may not have come to what there is.
            questions.extend([finding(listed, finds), counted.in_vain(), tailed.in_vain()]);
        }
        questions
    }

    pub(super) fn deliveries(&self) -> Vec<Question> {
        let whole = DeliveryFilter {
            state: Some(DeliveryState::Dead),
            destination: Some(name(format!("d{}", self.number % DESTINATIONS))),
            route: Some(name(format!("r{}", self.number % DESTINATIONS))),
            source: Some(self.source()),
            replay: Some(ReplayId::from_uuid(self.growth.id(Kind::Replay, 0))),
            cause: Some("never".to_owned()),
            since: Some(self.growth.at(self.number)),
            until: Some(self.growth.begin),
        };
        let none = DeliveryFilter::default;
        let DeliveryFilter { state, destination, route, source, replay, cause, since, until } = whole;
        let of = destination.clone();
        let mut cases = vec![
            ("nothing".to_owned(), none(), Cost::Indexed, true),
            ("replay".to_owned(), DeliveryFilter { replay, ..none() }, Cost::Indexed, true),
            ("destination".to_owned(), DeliveryFilter { destination, ..none() }, ROWS, true),
            ("dead, destination".to_owned(), DeliveryFilter { state, destination: of, ..none() }, ROWS, false),
            ("route".to_owned(), DeliveryFilter { route, ..none() }, ROWS, true),
            ("source".to_owned(), DeliveryFilter { source, ..none() }, ROWS, true),
            ("cause".to_owned(), DeliveryFilter { cause, ..none() }, ROWS, false),
            ("since".to_owned(), DeliveryFilter { since, ..none() }, ROWS, false),
            ("until".to_owned(), DeliveryFilter { until, ..none() }, ROWS, false),
        ];
        for state in DeliveryState::ALL {
            // What is delivered is nearly everything, what is dead has an index; the others are few among many.
            let cost = if state == DeliveryState::Dead { Cost::Indexed } else { ROWS };
            let finds = matches!(state, DeliveryState::Dead | DeliveryState::Delivered);
            cases.push((state.as_str().to_owned(), DeliveryFilter { state: Some(state), ..none() }, cost, finds));
        }
        let asked = |(by, filter, cost, finds): (String, DeliveryFilter, Cost, bool)| {
            let page = self.page.clone();
            let question = Question::new("deliveries", by, cost, move |store| {
                then(store.deliveries(tenant(), filter.clone(), page.clone()), |listed| Answer::of(&listed))
            });
            finding(question, finds)
        };
        cases.into_iter().map(asked).collect()
    }

    pub(super) fn requests(&self) -> Vec<Question> {
        let whole = RequestFilter {
            verdict: Some(Verdict::Rejected),
            source: Some(self.source()),
            reason: Some("never".to_owned()),
        };
        let none = RequestFilter::default;
        let RequestFilter { verdict, source, reason } = whole;
        let of = source.clone();
        let cases: Vec<Case<RequestFilter>> = vec![
            ("nothing", none(), Cost::Indexed, true),
            ("rejected, source", RequestFilter { verdict, source: of, ..none() }, Cost::Indexed, true),
            ("verdict", RequestFilter { verdict: Some(Verdict::Accepted), ..none() }, ROWS, false),
            ("source", RequestFilter { source, ..none() }, ROWS, true),
            ("reason", RequestFilter { reason, ..none() }, ROWS, false),
        ];
        let asked = |(by, filter, cost, finds): Case<RequestFilter>| {
            let page = self.page.clone();
            let question = Question::new("requests", by, cost, move |store| {
                then(store.requests(tenant(), filter.clone(), page.clone()), |listed| Answer::of(&listed))
            });
            finding(question, finds)
        };
        cases.into_iter().map(asked).collect()
    }

    pub(super) fn calls(&self) -> Vec<Question> {
        let whole = CallFilter {
            source: Some(name("s0")),
            connection: Some(name(format!("c{}", self.number % POLLED))),
            stream: Some("never".to_owned()),
            purpose: Some(Purpose::Token),
            failed: Some(true),
        };
        let none = CallFilter::default;
        let CallFilter { source, connection, stream, purpose, failed } = whole;
        let (of, at) = (source.clone(), connection.clone());
        let cases: Vec<Case<CallFilter>> = vec![
            ("nothing", none(), Cost::Indexed, true),
            ("source, connection", CallFilter { source: of, connection: at, ..none() }, Cost::Indexed, true),
            ("source", CallFilter { source, ..none() }, ROWS, true),
            ("connection", CallFilter { connection, ..none() }, ROWS, true),
            ("stream", CallFilter { stream, ..none() }, ROWS, false),
            ("purpose", CallFilter { purpose, ..none() }, ROWS, false),
            ("failed", CallFilter { failed, ..none() }, ROWS, false),
        ];
        let asked = |(by, filter, cost, finds): Case<CallFilter>| {
            let page = self.page.clone();
            let question = Question::new("calls", by, cost, move |store| {
                then(store.calls(tenant(), filter.clone(), page.clone()), |listed| Answer::of(&listed))
            });
            finding(question, finds)
        };
        cases.into_iter().map(asked).collect()
    }

    pub(super) fn runs(&self) -> Vec<Question> {
        let whole = RunFilter {
            source: Some(name("s0")),
            connection: Some(name(format!("c{}", self.number % POLLED))),
            stream: Some("never".to_owned()),
            kind: Some(RunKind::Reconcile),
            state: Some(RunState::Failed),
        };
        let none = RunFilter::default;
        let RunFilter { source, connection, stream, kind, state } = whole;
        let cases: Vec<Case<RunFilter>> = vec![
            ("nothing", none(), Cost::Indexed, true),
            ("source", RunFilter { source, ..none() }, ROWS, true),
            ("connection", RunFilter { connection, ..none() }, ROWS, true),
            ("stream", RunFilter { stream, ..none() }, ROWS, false),
            ("kind", RunFilter { kind, ..none() }, ROWS, true),
            ("state", RunFilter { state, ..none() }, ROWS, false),
        ];
        let asked = |(by, filter, cost, finds): Case<RunFilter>| {
            let page = self.page.clone();
            let question = Question::new("runs", by, cost, move |store| {
                then(store.runs(tenant(), filter.clone(), page.clone()), |listed| Answer::of(&listed))
            });
            finding(question, finds)
        };
        cases.into_iter().map(asked).collect()
    }
}

fn finding(question: Question, finds: bool) -> Question {
    if finds { question } else { question.in_vain() }
}
