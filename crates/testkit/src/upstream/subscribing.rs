//! The shop's counter for subscriptions: makes, lists, prolongs and ends them, in the ways in which sources do.

use domain::Timestamp;
use serde_json::{Value as Json, json};

use super::answer::{Answer, Ending};
use super::habits::{APP_SECRET, SecretWay};
use super::hooks::Subscription;
use super::shop::Shop;
use crate::scripted::Asked;

impl Shop {
    pub(super) fn subscriptions_of(&mut self, asked: &Asked, account: usize, rest: &str, now: Timestamp) -> Answer {
        let (id, what) = rest.split_once('/').unwrap_or((rest, ""));
        match (asked.method.as_str(), id, what) {
            ("GET", "", "") => {
                let object = asked.query.iter().find(|(name, _)| name == "object").map(|(_, object)| object);
                let is_asked_for = |own: &&Subscription| own.account == account && own.object.as_ref() == object;
                let own = self.hooks.subscriptions.iter().filter(is_asked_for);
                Answer::json(200, &json!({ "data": own.map(Subscription::shown).collect::<Vec<_>>() }))
            }
            ("POST", "", "") => self.subscribe(asked, account, now),
            ("GET", id, "secret") => {
                let own = self.hooks.subscriptions.iter().find(|own| own.account == account && own.id == id);
                own.map_or_else(none_such, |own| Answer::json(200, &json!({ "secret": own.secret })))
            }
            ("POST", id, "renew") => {
                let until = self.habits.subscriptions.expire_after.map(|after| now + after);
                if self.hooks.prolong(account, id, until) { Answer::empty(204) } else { none_such() }
            }
            ("DELETE", id, "") if self.hooks.unsubscribe(account, id) => Answer::empty(204),
            _ => none_such(),
        }
    }

    fn subscribe(&mut self, asked: &Asked, account: usize, now: Timestamp) -> Answer {
        if self.refuses_subscriptions {
            return Answer::json(403, &json!({ "error": "this key may not subscribe" }));
        }
        let body = asked.json.as_ref();
        let Some(url) = body.and_then(|body| body["url"].as_str()) else {
            return Answer::json(400, &json!({ "error": "a url is missing" }));
        };
        let secret = match self.habits.subscriptions.secret {
            SecretWay::App => Some(APP_SECRET.to_owned()),
            SecretWay::Answered | SecretWay::Given | SecretWay::Asked => {
                body.and_then(|body| body["secret"].as_str()).map(str::to_owned)
            }
        };
        let object = body.and_then(|body| body["object"].as_str());
        let until = self.habits.subscriptions.expire_after.map(|after| now + after);
        let is_same = |own: &Subscription| own.account == account && own.url == url && own.object.as_deref() == object;
        if self.hooks.subscriptions.iter().any(is_same) {
            self.doubled.push(format!("a second subscription for {url} was asked for at {now}"));
        }
        let made = self.hooks.subscribe(account, url, secret).clone();
        self.hooks.prolong(account, &made.id, until);
        self.hooks.limit(&made.id, object);
        let mut shown = made.shown();
        if self.habits.subscriptions.secret == SecretWay::Answered {
            shown["secret"] = Json::from(made.secret.as_str());
        }
        let answer = Answer::json(201, &shown);
        if std::mem::take(&mut self.loses_next_creation) {
            return Answer { ending: Ending::Silence, ..answer };
        }
        answer
    }
}

fn none_such() -> Answer {
    Answer::json(404, &json!({ "error": "there is no such subscription" }))
}
