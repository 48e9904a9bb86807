//! The shop's counter: answers requests, within its limit, and as badly as its faults have it.

use std::time::Duration;

use domain::Timestamp;
use serde_json::json;

use super::answer::{Answer, Ending};
use super::habits::{Faults, Paging};

use super::lists::{List, Wish, is_buried};
use super::shop::Shop;
use super::truth::Object;
use crate::scripted::Asked;

impl Shop {
    /// Answers a request.
    pub fn answer(&mut self, asked: &Asked, now: Timestamp) -> Answer {
        self.advance(now);
        let account = self.account(asked);
        let over = self.over_limit(account, now);
        let visit = self.ledger.came(now, account, &asked.method, target(asked));
        let mut answer = match (account, over) {
            (None, _) => Answer::json(401, &json!({ "error": "this key opens nothing" })),
            (Some(_), Some(again)) => too_many(again.since(now)),
            (Some(account), None) => self.faulty(asked, account, now),
        };
        answer = self.counted(answer, account, now);
        answer.visit = visit;
        let status = if answer.ending == Ending::Silence { 0 } else { answer.status };
        let counts = status != 304 || !self.habits.free_unmodified;
        self.ledger.answers(visit, status, counts, answer.retry_after());
        answer
    }

    fn account(&self, asked: &Asked) -> Option<usize> {
        let key = asked.header("authorization")?.strip_prefix("Bearer ")?;
        self.habits.accounts.iter().position(|account| Self::key_of(account) == key)
    }

    /// When it may be asked again, if this request is one too many.
    fn over_limit(&self, account: Option<usize>, now: Timestamp) -> Option<Timestamp> {
        let limit = self.habits.limit.as_ref()?;
        let used = self.ledger.counted(limit, account, now);
        (used >= limit.requests).then(|| self.ledger.free_at(limit, account, now))
    }

    /// With what is left of the limit.
    fn counted(&self, answer: Answer, account: Option<usize>, now: Timestamp) -> Answer {
        let Some(limit) = &self.habits.limit else { return answer };
        let left = limit.requests.saturating_sub(self.ledger.counted(limit, account, now));
        let reset = self.ledger.free_at(limit, account, now).since(now).max(Duration::from_secs(1));
        answer
            .with("x-ratelimit-limit", limit.requests)
            .with("x-ratelimit-remaining", left)
            .with("x-ratelimit-reset", reset.as_secs() + 1)
    }

    fn faulty(&mut self, asked: &Asked, account: usize, now: Timestamp) -> Answer {
        if self.closed {
            return Answer::json(503, &json!({ "error": "the shop is closed" }));
        }
        let faults = if self.healed { Faults::default() } else { self.habits.faults };
        let lag = if self.dice.percent(faults.lagging) {
            Duration::from_micros(self.dice.below(u64::try_from(faults.lag_max.as_micros()).unwrap_or(0) + 1))
        } else {
            Duration::ZERO
        };
        let mut roll = self.dice.below(100);
        let mut falls = |share: u64| {
            let hit = roll < share;
            roll = if hit { u64::MAX } else { roll.saturating_sub(share) };
            hit
        };
        if falls(faults.errors) {
            return Answer::json(500, &json!({ "error": "the shop stumbled" }));
        }
        if falls(faults.busy) {
            return too_many(Duration::from_secs(1 + self.dice.below(20)));
        }
        if falls(faults.apologies) {
            return Answer::json(200, &json!({ "error": "the shop is sorry" }));
        }
        let (truncated, cut, silent) = (falls(faults.truncated), falls(faults.cut), falls(faults.silent));
        let answer = self.route(asked, account, (now, now - lag));
        match (truncated, cut, silent) {
            (true, ..) => answer.truncated(),
            (_, true, _) => answer.cut(),
            (.., true) => Answer { ending: Ending::Silence, ..answer },
            _ => answer,
        }
    }

    fn route(&mut self, asked: &Asked, account: usize, (now, heard): (Timestamp, Timestamp)) -> Answer {
        if let Some(rest) = asked.path.strip_prefix("/hooks") {
            return self.subscriptions_of(asked, account, rest.trim_start_matches('/'), now);
        }
        if asked.method != "GET" {
            return Answer::json(405, &json!({ "error": "this is a list" }));
        }
        let known = asked.header("if-none-match");
        let answer = match List::at(&asked.path, &self.habits) {
            Some(list) => self.list(list, asked, account, heard),
            None => self.one(asked, account, heard),
        };
        if self.habits.conditional && answer.status == 200 { answer.conditional(known) } else { answer }
    }

    fn list(&self, list: List, asked: &Asked, account: usize, heard: Timestamp) -> Answer {
        let parameter = |name: &str| asked.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let since = match parameter("updated_since").map(str::parse::<Timestamp>) {
            Some(Err(error)) => return Answer::json(400, &json!({ "error": error.to_string() })),
            Some(Ok(since)) => Some(since),
            None => None,
        };
        let wish = Wish { since, after: parameter("page") };
        let Some(page) = list.page(&self.truth, &self.habits, account, heard, &wish) else {
            return Answer::json(400, &json!({ "error": "there is no such page" }));
        };
        match self.habits.paging {
            Paging::Token => Answer::json(200, &json!({ "data": page.rows, "next": page.next })),
            Paging::Link => {
                let answer = Answer::json(200, &json!({ "data": page.rows }));
                match page.next {
                    Some(next) => answer.with("link", link(asked, &next)),
                    None => answer,
                }
            }
        }
    }

    fn one(&self, asked: &Asked, account: usize, heard: Timestamp) -> Answer {
        let found = Object::ALL.into_iter().find_map(|object| {
            let id = asked.path.strip_prefix('/')?.strip_prefix(object.plural())?.strip_prefix('/')?;
            let id: u64 = id.parse().ok()?;
            self.truth.as_of(account, object, heard).find(|change| change.id == id)
        });
        match found {
            Some(change) if !change.is_deleted() || is_buried(&self.habits, change.object) => {
                Answer::json(200, &change.record)
            }
            Some(_) => Answer::json(self.habits.gone, &json!({ "error": "it is gone" })),
            None => Answer::json(404, &json!({ "error": "there is no such thing" })),
        }
    }
}

fn too_many(wait: Duration) -> Answer {
    let secs = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    Answer::json(429, &json!({ "error": "too many requests" })).with("retry-after", secs.max(1))
}

fn target(asked: &Asked) -> String {
    let query: Vec<String> = asked.query.iter().map(|(key, value)| format!("{key}={value}")).collect();
    if query.is_empty() { asked.path.clone() } else { format!("{}?{}", asked.path, query.join("&")) }
}

/// The address of the next page: the request's own, with another place in it.
fn link(asked: &Asked, next: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(asked.query.iter().filter(|(key, _)| key != "page")).append_pair("page", next);
    let host = asked.header("host").unwrap_or("shop.example");
    let scheme = if host.starts_with("127.") { "http" } else { "https" };
    format!("<{scheme}://{host}{}?{}>; rel=\"next\"", asked.path, query.finish())
}
