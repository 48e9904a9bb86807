//! What a store that has grown is asked: every verb that reads, by each of its filters, and what each may cost. The
//! stores' own tests look at how they are answered; nothing here knows what a store is made of.

mod filters;
mod others;
#[cfg(test)]
mod tests;
mod told;

use std::time::Duration;

use domain::{DeliveryId, EventId, RequestId, RunId, SourceName, Tenant};

use super::growth::{Growth, Kind, SOURCES};
use crate::read::{Listed, OUT_OF_ORDER, Page};
use crate::{Store, Verb};

/// Rows of one page: more than a person looks at, fewer than a program may ask for.
pub const PAGE: u32 = 50;

/// What an answer may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// Found by an index: no more in a large store than in a small one.
    Indexed,
    /// Looks at row after row, newest first, within the time of its page; and why it has no index.
    Searches(&'static str),
    /// Looks at so many rows at most, however large the store.
    Looks(u32),
    /// All that there is of something that does not grow with the events; and what bounds it.
    Whole(&'static str),
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    pub rows: usize,
    /// Nothing was left out for lack of time.
    pub complete: bool,
}

type Ask = Box<dyn for<'s> Fn(&'s dyn Store) -> Verb<'s, Answer> + Send + Sync>;

pub struct Question {
    pub verb: &'static str,
    /// What it is asked by, for people.
    pub by: String,
    pub cost: Cost,
    /// Whether there is something to find.
    pub finds: bool,
    ask: Ask,
}

impl Question {
    fn new(
        verb: &'static str,
        by: impl Into<String>,
        cost: Cost,
        ask: impl for<'s> Fn(&'s dyn Store) -> Verb<'s, Answer> + Send + Sync + 'static,
    ) -> Self {
        Self { verb, by: by.into(), cost, finds: true, ask: Box::new(ask) }
    }

    /// It asks for what is not there: the worst that a search can be asked for.
    fn in_vain(self) -> Self {
        Self { finds: false, ..self }
    }

    /// For people: `events by source, connection`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} by {}", self.verb, self.by)
    }

    pub fn ask<'s>(&self, store: &'s dyn Store) -> Verb<'s, Answer> {
        (self.ask)(store)
    }
}

impl Answer {
    fn of<T>(listed: &Listed<T>) -> Self {
        Self { rows: listed.rows.len(), complete: listed.searched_until.is_none() }
    }

    fn rows(rows: usize) -> Self {
        Self { rows, complete: true }
    }
}

/// Every question, asking for other rows in each round. `scan` is the time that searches have.
#[must_use]
pub fn all(growth: &Growth, round: u64, scan: Duration) -> Vec<Question> {
    let asked = Asked { growth: *growth, number: number(growth, round), page: Page { scan, ..Page::first(PAGE) } };
    let mut questions = asked.events();
    questions.extend(asked.deliveries());
    questions.extend(asked.requests());
    questions.extend(asked.calls());
    questions.extend(asked.runs());
    questions.extend(asked.single());
    questions.extend(others::all(&asked));
    questions.extend(asked.told());
    questions
}

/// The event that a round is about: of a source with few connections, and not in the order of their numbers.
fn number(growth: &Growth, round: u64) -> u64 {
    let spread = (round * 7_919 + 4_321) % growth.events;
    if spread % SOURCES == SOURCES - 1 { spread - 1 } else { spread }
}

/// What is asked for.
struct Asked {
    growth: Growth,
    number: u64,
    page: Page,
}

fn tenant() -> Tenant {
    Tenant::default_tenant()
}

/// # Panics
/// If it is no name.
fn name<T: std::str::FromStr>(text: impl AsRef<str>) -> T {
    text.as_ref().parse().unwrap_or_else(|_| panic!("{} is a name", text.as_ref()))
}

impl Asked {
    fn source(&self) -> SourceName {
        name(format!("s{}", self.number % SOURCES))
    }

    /// One thing by its id.
    fn single(&self) -> Vec<Question> {
        let id = |kind| self.growth.id(kind, self.number);
        let (event, delivery) = (EventId::from_uuid(id(Kind::Event)), DeliveryId::from_uuid(id(Kind::Delivery)));
        let tenth = self.number - self.number % super::growth::EVENTS_PER_OTHER;
        let request = RequestId::from_uuid(self.growth.id(Kind::Request, tenth));
        let run = RunId::from_uuid(self.growth.id(Kind::Run, self.number % self.growth.others()));
        let at = self.growth.at(self.number);
        let one = |there: bool| Answer::rows(usize::from(there));
        let by = |verb, ask: Ask| Question { verb, by: "id".to_owned(), cost: Cost::Indexed, finds: true, ask };
        vec![
            by("event", Box::new(move |store| then(store.event(tenant(), event), move |found| one(found.is_some())))),
            by(
                "delivery",
                Box::new(move |store| then(store.delivery(tenant(), delivery), move |found| one(found.is_some()))),
            ),
            by(
                "request",
                Box::new(move |store| then(store.request(tenant(), request), move |found| one(found.is_some()))),
            ),
            by("run", Box::new(move |store| then(store.run(tenant(), run), move |found| one(found.is_some())))),
            Question::new("tail_position", "tenant", Cost::Indexed, move |store| {
                then(store.tail_position(tenant()), move |_| one(true))
            }),
            Question::new("position_since", "time", Cost::Looks(OUT_OF_ORDER + PAGE), move |store| {
                then(store.position_since(tenant(), at), move |_| one(true))
            }),
        ]
    }
}

/// A verb's answer, seen as one of these.
fn then<'s, T: Send + 's>(verb: Verb<'s, T>, answer: impl FnOnce(T) -> Answer + Send + 's) -> Verb<'s, Answer> {
    Box::pin(async move { Ok(answer(verb.await?)) })
}
