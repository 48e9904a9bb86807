//! A source that three nodes poll by one budget, whichever of them has which of its accounts; and what it counted.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::upstream::{Habits, Limit, Manifest, Script, Shop, ShopServer};

/// What the source allows to all of its accounts together. It does not say so: nobody could learn it from its answers.
const LIMIT: Limit = Limit { requests: 120, per: Duration::from_secs(60), shared: true };
/// What a request may be under way: two that were sent far enough apart arrive by so much nearer.
const UNDER_WAY: Duration = Duration::from_millis(500);

pub struct Polled {
    shop: ShopServer,
    habits: Habits,
}

impl Polled {
    pub fn start() -> Self {
        let habits = Habits { accounts: ["acme", "blue", "cyan"].map(str::to_owned).to_vec(), ..Habits::default() };
        let script = Script::of_seed(1, habits.accounts.len(), Duration::ZERO, Duration::from_secs(60), 60);
        let shop = ShopServer::start(|opened| Shop::new(1, habits.clone(), script, opened));
        Self { shop: shop.expect("the shop opens"), habits }
    }

    /// Its streams want more requests than the budget has: three accounts, two streams each, every second.
    pub fn source(&self) -> Value {
        let base_url = format!("http://{}", self.shop.address());
        let account =
            |name: &String| (name.clone(), json!({ "config": { "base_url": base_url, "key": Shop::key_of(name) } }));
        let connections: serde_json::Map<String, Value> = self.habits.accounts.iter().map(account).collect();
        let polled = json!({ "poll": { "budget": "120/m", "at_least": "1s" }, "start": "all" });
        json!({
            "connector": "./shop.yaml",
            "connections": connections,
            "budget": { "limit": "120/m", "scope": "source" },
            "streams": { "orders": polled, "customers": polled },
        })
    }

    /// The connector that `source` names.
    pub fn manifest(&self) -> String {
        Manifest::of(&self.habits).text()
    }

    /// Gives how many requests came. Panics if they were more than the budget allows.
    pub fn judge(&self) -> usize {
        let shop = self.shop.shop();
        let overruns = shop.ledger().overruns(&Limit { per: LIMIT.per - UNDER_WAY, ..LIMIT });
        assert!(overruns.is_empty(), "{} overruns, such as {:#?}", overruns.len(), &overruns[0]);
        shop.ledger().visits().len()
    }
}
