//! A source that three nodes poll by one budget, whichever of them has which of its accounts; and what it counted.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use testkit::upstream::{Habits, Limit, Manifest, Script, Shop, ShopServer};

use crate::gateway::ADMIN_KEY;
use crate::http::Client;
use crate::wait::pause;

/// What the source allows to all of its accounts together. It does not say so: nobody could learn it from its answers.
const LIMIT: Limit = Limit { requests: 30, per: Duration::from_secs(60), shared: true };
/// What a request may be under way: two that were sent far enough apart arrive by so much nearer.
const UNDER_WAY: Duration = Duration::from_millis(500);
/// How long a person waits for an answer, and before the next question.
const PATIENCE: Duration = Duration::from_secs(1);
const BETWEEN: Duration = Duration::from_millis(200);

pub struct Polled {
    shop: ShopServer,
    habits: Habits,
    /// What people asked in vain.
    unanswered: Arc<AtomicUsize>,
}

impl Polled {
    pub fn start() -> Self {
        let habits = Habits { accounts: ["acme", "blue", "cyan"].map(str::to_owned).to_vec(), ..Habits::default() };
        let script = Script::of_seed(1, habits.accounts.len(), Duration::ZERO, Duration::from_secs(60), 60);
        let shop = ShopServer::start(|opened| Shop::new(1, habits.clone(), script, opened));
        Self { shop: shop.expect("the shop opens"), habits, unanswered: Arc::default() }
    }

    /// From now on people ask each of these nodes for more than the budget has. Ends with the test's process.
    pub fn ask_at(&self, nodes: Vec<SocketAddr>) {
        let (accounts, unanswered) = (self.habits.accounts.clone(), Arc::clone(&self.unanswered));
        std::thread::spawn(move || {
            let key = format!("Bearer {ADMIN_KEY}");
            for (node, account) in nodes.iter().cycle().zip(accounts.iter().cycle()) {
                let path = format!("/api/v1/sources/shop/connections/{account}/streams/orders/records?limit=1");
                let asked = Client::connect_within(*node, PATIENCE)
                    .and_then(|mut client| client.send("GET", &path, &[("authorization", &key)], b""));
                if !asked.is_ok_and(|answer| answer.status == 200) {
                    unanswered.fetch_add(1, Ordering::Relaxed);
                }
                pause(BETWEEN);
            }
        });
    }

    pub fn source(&self) -> Value {
        let base_url = format!("http://{}", self.shop.address());
        let account =
            |name: &String| (name.clone(), json!({ "config": { "base_url": base_url, "key": Shop::key_of(name) } }));
        let connections: serde_json::Map<String, Value> = self.habits.accounts.iter().map(account).collect();
        let polled = json!({ "poll": { "budget": "30/m", "at_least": "1s" }, "start": "all" });
        json!({
            "connector": "./shop.yaml",
            "connections": connections,
            "budget": { "limit": "30/m", "scope": "source" },
            "streams": { "orders": polled, "customers": polled },
        })
    }

    /// The connector that `source` names.
    pub fn manifest(&self) -> String {
        Manifest::of(&self.habits).text()
    }

    /// Panics if more requests came than the budget allows, or nobody wanted more.
    pub fn judge(&self) {
        let shop = self.shop.shop();
        let overruns = shop.ledger().overruns(&Limit { per: LIMIT.per - UNDER_WAY, ..LIMIT });
        assert!(overruns.is_empty(), "{} overruns, such as {:#?}", overruns.len(), &overruns[0]);
        let (visits, unanswered) = (shop.ledger().visits().len(), self.unanswered.load(Ordering::Relaxed));
        assert!(visits >= LIMIT.requests / 2, "only {visits} requests came");
        assert!(unanswered > 0, "nobody wanted more than the {visits} that came");
    }
}
