//! The manifest of a shop: the one in the data folder, changed to what the shop's habits ask for.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::habits::{Deletes, Habits, Paging, SecretWay};
use super::shop::SECOND_TOPIC;
use super::truth::Object;

const SHOP: &str = include_str!("../../data/shop.yaml");

/// A manifest as a test wants it.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest(Json);

impl Manifest {
    /// For a shop with these habits.
    #[must_use]
    pub fn of(habits: &Habits) -> Self {
        let mut manifest = Self(serde_saphyr::from_str(SHOP).expect("the data file is YAML"));
        let paging = match habits.paging {
            Paging::Token => "#/definitions/by_token",
            Paging::Link => "#/definitions/by_link",
        };
        for stream in manifest.0["streams"].as_array_mut().expect("it has streams") {
            stream["retriever"]["paginator"] = json!({ "$ref": paging });
        }
        manifest.0["metadata"]["trireme"]["free_unmodified"] = json!(habits.free_unmodified);
        let deletes = match habits.deletes {
            Deletes::Tombstone => json!({ "tombstone": ["deleted_at"] }),
            Deletes::Feed => json!({ "feed": "deleted_orders" }),
            Deletes::Absence => json!("scan"),
        };
        let orders = manifest.extension(Object::Orders);
        orders["deletes"] = deletes;
        orders["version"]["precision"] = json!(seconds(habits.precision));
        manifest.subscribe_as(habits);
        manifest
    }

    /// In which this object cannot be asked for by its id.
    #[must_use]
    pub fn without_get(mut self, object: Object) -> Self {
        self.extension(object).as_object_mut().expect("it is a mapping").remove("get");
        self
    }

    /// In which nothing says what the topics about this object mean.
    #[must_use]
    pub fn without_events(mut self, object: Object) -> Self {
        self.extension(object)["events"] = json!([]);
        self
    }

    /// In which the shop's second topic about orders says that one was changed, as the first does.
    #[must_use]
    pub fn with_a_second_word_for_changes(mut self) -> Self {
        let events = self.extension(Object::Orders)["events"].as_array_mut().expect("it has events");
        let second = events.iter_mut().find(|event| event["type"] == SECOND_TOPIC).expect("it knows that topic");
        second["action"] = json!("updated");
        self
    }

    /// In which nothing says how to subscribe.
    #[must_use]
    pub fn without_subscriptions(mut self) -> Self {
        self.0["metadata"]["trireme"].as_object_mut().expect("it is a mapping").remove("webhooks");
        self
    }

    /// In which only this object is subscribed to, where each has to be by itself.
    #[must_use]
    pub fn subscribing_only(mut self, object: Object) -> Self {
        self.0["metadata"]["trireme"]["webhooks"]["each"]["values"] = json!([object.singular()]);
        self
    }

    /// What [`text`](Self::text) gave, changed.
    #[must_use]
    pub fn read(text: &str) -> Self {
        Self(serde_json::from_str(text).expect("it is JSON"))
    }

    /// As a file has it.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.to_string()
    }

    fn subscribe_as(&mut self, habits: &Habits) {
        let webhooks = &mut self.0["metadata"]["trireme"]["webhooks"];
        let requester = |path: &str, method: &str| json!({ "$ref": "#/definitions/requester", "path": path, "http_method": method });
        let subscribe = &mut webhooks["subscribe"];
        match habits.subscriptions.secret {
            SecretWay::Answered => {}
            SecretWay::Given => {
                subscribe["secret"] = json!("ours");
                subscribe["requester"]["request_body_json"]["secret"] = json!("{{ stream_slice['secret'] }}");
            }
            SecretWay::Asked => {
                let asks = requester("hooks/{{ stream_slice['id'] }}/secret", "GET");
                subscribe["secret"] = json!({ "requester": asks, "at": ["secret"] });
            }
            SecretWay::App => subscribe["secret"] = json!("app"),
        }
        if habits.subscriptions.by_object {
            let object = json!("{{ stream_slice['object'] }}");
            subscribe["requester"]["request_body_json"]["object"] = object.clone();
            webhooks["each"] = json!({ "values": Object::ALL.map(Object::singular), "as": "object" });
            webhooks["list"]["requester"]["request_parameters"] = json!({ "object": object });
        }
        if let Some(after) = habits.subscriptions.expire_after {
            let renews = requester("hooks/{{ stream_slice['id'] }}/renew", "POST");
            webhooks["renew"] = json!({ "requester": renews, "every": seconds(after / 2) });
        }
    }

    fn extension(&mut self, object: Object) -> &mut Json {
        &mut self.0["metadata"]["trireme"]["streams"][object.plural()]
    }
}

fn seconds(duration: Duration) -> String {
    format!("PT{}S", duration.as_secs_f64())
}
