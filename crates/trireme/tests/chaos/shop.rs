//! A shop whose API and webhooks fail on purpose, and a gateway between it and a destination that is killed again and
//! again: in the end the destination believes what is so in the shop, and nothing was told twice.

use std::time::Duration;

use serde_json::json;
use testkit::upstream::oracle::{Message, Promise, judge};
use testkit::upstream::{Faults, Habits, HookHabits, Limit, Manifest, Object, Script, Shop, ShopServer};

use crate::dice::Dice;
use crate::gateway::Home;
use crate::oracle::check_database;
use crate::setup::{Setup, no_breaker};
use crate::sink::Sink;
use crate::wait::{pause, until, within};

/// What the shop's webhooks are signed with.
const SECRET: &str = "whsec_c2hvcHNob3BzaG9wc2hvcHNob3BzaG9wc2hvcHNob3A=";
const KILLS: u64 = 10;
/// How long the destination may take to believe what is so, once nothing fails any more.
const CONVERGES_WITHIN: Duration = Duration::from_secs(50);
/// What a request may be under way: two that were sent far enough apart arrive by so much nearer.
const UNDER_WAY: Duration = Duration::from_millis(250);

const LIMIT: Limit = Limit { requests: 80, per: Duration::from_secs(10), shared: true };

fn habits() -> Habits {
    Habits {
        accounts: vec!["acme".to_owned(), "blue".to_owned()],
        page_size: 4,
        limit: Some(LIMIT),
        faults: Faults { errors: 3, truncated: 3, apologies: 3, cut: 3, ..Faults::default() },
        hooks: HookHabits {
            lost: 25,
            doubled: 25,
            delayed: 30,
            delay_max: Duration::from_secs(4),
            second_topic: 20,
            tries_max: 200,
            retry_after: Duration::from_millis(300),
            ..HookHabits::default()
        },
        ..Habits::default()
    }
}

fn setup(shop: &ShopServer, sink: &Sink) -> Setup {
    let account = |name: &str| json!({ "config": { "base_url": format!("http://{}", shop.address()), "key": Shop::key_of(name) } });
    let source = json!({
        "connector": "./shop.yaml",
        "webhook": { "provider": "standard-webhooks", "secret": SECRET },
        "connections": { "acme": account("acme"), "blue": account("blue") },
        "budget": { "limit": "480/m", "scope": "source" },
        "streams": {
            "orders": { "poll": "1s", "start": "all", "reconcile": { "every": "10s", "grace": "0s" } },
            "customers": { "poll": "2s", "start": "all" },
        },
    });
    let destination =
        json!({ "retry": { "list": ["100ms"], "attempts": 500, "jitter": "0%" }, "breaker": no_breaker() });
    Setup::new().source_of("shop", &source).destination("app", sink, &destination).route(
        "shop",
        "app",
        &json!({ "ordering": "subject" }),
    )
}

/// Everything that arrived. Along one route an event is one message.
fn messages(sink: &Sink) -> Vec<Message> {
    let read = |body: &Vec<u8>| {
        let envelope: serde_json::Value = serde_json::from_slice(body).expect("an envelope");
        Message::read(domain::Timestamp::NEVER, envelope["id"].as_str().expect("an id"), body).expect("an envelope")
    };
    sink.bodies().iter().map(read).collect()
}

fn promise() -> Promise {
    let lists = Object::ALL.into_iter().flat_map(|object| (0..2).map(move |account| (account, object)));
    Promise {
        told_since: lists.map(|list| (list, domain::Timestamp::EPOCH)).collect(),
        ordered: true,
        ..Promise::default()
    }
}

#[test]
fn kills_between_a_failing_shop_and_its_destination_lose_nothing_and_tell_nothing_twice() {
    let mut dice = Dice::of("kill between a shop and its destination");
    let sink = Sink::start();
    sink.keep_bodies();
    let habits = habits();
    let script = Script::of_seed(dice.between(0..1_000), 2, Duration::from_secs(3), Duration::from_secs(15), 60);
    let shop = ShopServer::start(|opened| Shop::new(1, habits.clone(), script, opened)).expect("the shop opens");
    let home = Home::new(setup(&shop, &sink).value());
    std::fs::write(home.folder().join("shop.yaml"), Manifest::of(&habits).text()).expect("the manifest is written");
    for (number, account) in habits.accounts.iter().enumerate() {
        shop.shop().listen(number, &format!("http://{}/in/shop/{account}", home.address), SECRET);
    }
    let mut gateway = home.start();
    for _ in 0..KILLS {
        pause(dice.millis(300..2_500));
        gateway.kill();
        sink.next_generation();
        shop.shop().next_life();
        gateway = home.start();
    }
    until("the story is told", || shop.shop().is_told());
    shop.shop().heal();
    let judged = || judge(&shop.shop(), &messages(&sink), &promise());
    within(CONVERGES_WITHIN, || judged().ok());
    // What comes later than all that was owed would be told twice.
    pause(Duration::from_secs(3));
    let figures = judged().unwrap_or_else(|found| panic!("{found}\n{}", home.log_end()));
    let limit = Limit { per: LIMIT.per - UNDER_WAY, ..LIMIT };
    let overruns = shop.shop().ledger().overruns(&limit);
    assert!(overruns.is_empty(), "{overruns:#?}");
    assert_eq!(gateway.terminate().code(), Some(0));
    check_database(&home.database());
    eprintln!("kills between a shop and its destination: {KILLS} kills; {figures:?}");
    assert!(figures.states > 0 && figures.owed > 0 && figures.messages > 0 && figures.visits > 0);
}
