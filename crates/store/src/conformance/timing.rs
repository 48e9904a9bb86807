//! How long a store that has grown takes to answer, question by question: the long form is `make soak`'s.

use std::time::Duration;

use super::growth::Growth;
use super::questions::{Cost, Question, all};
use crate::Store;
use crate::patience::now;
use crate::read::Page;

/// What 95 of 100 answers by an index may take.
pub const INDEXED_WITHIN: Duration = Duration::from_millis(100);
/// What a search may take beyond its own time: a chunk of rows, and reading what it found.
const SEARCH_BEYOND: Duration = Duration::from_millis(500);
/// How often each is asked in the long form, and how often in the short one, which only finds out whether it can be.
const ROUNDS: u64 = 40;
const ROUNDS_SHORT: u64 = 2;
/// How often what may take all of its time is.
const ROUNDS_SLOW: u64 = 3;

/// How long one question took.
#[derive(Clone, Debug)]
pub struct Timed {
    pub name: String,
    pub cost: Cost,
    pub p50: Duration,
    pub p95: Duration,
    pub most: Duration,
    /// Why it was not answered once, if so. The others are asked all the same: filling a store takes longer than asking.
    pub failed: Option<String>,
}

impl Timed {
    /// Whether it took longer than it may. What is read whole has no bound of its own: it is as long as it is.
    #[must_use]
    pub fn is_late(&self) -> bool {
        if self.failed.is_some() {
            return true;
        }
        match self.cost {
            Cost::Indexed | Cost::Looks(_) => self.p95 > INDEXED_WITHIN,
            Cost::Searches(_) => self.most > search_time() + SEARCH_BEYOND,
            Cost::Whole(_) => false,
        }
    }

    /// A line for people, in milliseconds.
    #[must_use]
    pub fn line(&self) -> String {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let (name, p50, p95, most) = (&self.name, ms(self.p50), ms(self.p95), ms(self.most));
        let cost = match self.cost {
            Cost::Indexed => "indexed",
            Cost::Searches(_) => "searched",
            Cost::Looks(_) => "looks",
            Cost::Whole(_) => "whole",
        };
        let failed = self.failed.as_ref().map(|error| format!(", failed: {error}")).unwrap_or_default();
        format!("{cost:<8} {name:<48} p50 {p50:>8.2} ms, p95 {p95:>8.2} ms, most {most:>8.2} ms{failed}")
    }
}

/// The time that a search has, unless it is asked for with another.
fn search_time() -> Duration {
    Page::first(1).scan
}

/// Asks every question over and over, each time of other rows.
///
/// # Panics
/// If one finds nothing where there is something.
pub async fn time(store: &dyn Store, growth: &Growth, soaks: bool) -> Vec<Timed> {
    let names = all(growth, 0, search_time()).len();
    let mut answers: Vec<Answers> = (0..names).map(|_| Answers::default()).collect();
    let mut questions = Vec::new();
    for round in 0..if soaks { ROUNDS } else { ROUNDS_SHORT } {
        questions = all(growth, round, search_time());
        for (question, answers) in questions.iter().zip(&mut answers) {
            let is_quick = matches!(question.cost, Cost::Indexed | Cost::Looks(_));
            if answers.failed.is_none() && (round < ROUNDS_SLOW || is_quick) {
                ask(store, question, answers).await;
            }
        }
    }
    questions.iter().zip(answers).map(|(question, answers)| timed(question, answers)).collect()
}

#[derive(Default)]
struct Answers {
    times: Vec<Duration>,
    failed: Option<String>,
}

async fn ask(store: &dyn Store, question: &Question, answers: &mut Answers) {
    let began = now();
    match question.ask(store).await {
        Ok(answer) => {
            assert!(!question.finds || answer.rows > 0 || !answer.complete, "{} finds nothing", question.name());
        }
        Err(error) => answers.failed = Some(error.to_string()),
    }
    answers.times.push(began.elapsed());
}

fn timed(question: &Question, Answers { mut times, failed }: Answers) -> Timed {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() * percent).div_ceil(100).saturating_sub(1)];
    Timed { name: question.name(), cost: question.cost, p50: at(50), p95: at(95), most: at(100), failed }
}

/// How much there is to be asked of: that of `make test`, or of `make soak`, or what is given.
///
/// # Panics
/// If what is given is no number.
#[must_use]
pub fn size(soaks: bool, given: Option<String>) -> Growth {
    const EVENTS_SHORT: u64 = 10_000;
    const EVENTS_SOAK: u64 = 10_000_000;
    let given = given.map(|text| text.parse().expect("TRIREME_SOAK_EVENTS is a whole number"));
    match (soaks, given) {
        (true, given) => Growth::soaked(given.unwrap_or(EVENTS_SOAK)),
        (false, _) => Growth { events: EVENTS_SHORT, ..Growth::tested() },
    }
}
