//! The shop itself: what it answers, how it fails, and that it does both the same way again.

use std::time::Duration;

use bytes::Bytes;
use connectors::manifest::node::Read as _;
use connectors::manifest::stream::Stream;
use domain::Timestamp;
use http::Request;
use serde_json::{Value as Json, json};

use super::*;
use crate::scripted::Asked;

const OPENED: Timestamp = Timestamp::from_secs(1_800_000_000);

fn at(secs: u64) -> Timestamp {
    OPENED + Duration::from_secs(secs)
}

fn deed(secs: u64, id: u64, act: Act) -> Deed {
    Deed { after: Duration::from_secs(secs), account: 0, object: Object::Orders, id, act }
}

fn shop(habits: Habits, deeds: Vec<Deed>) -> Shop {
    Shop::new(1, habits, Script::of(deeds), OPENED)
}

fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &Json) -> Asked {
    let mut request = Request::builder().method(method).uri(format!("https://shop.example{target}"));
    request = request.header("authorization", "Bearer key-acme");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).expect("a request").into_parts();
    Asked::new(&parts, Bytes::from(body.to_string()))
}

fn get(shop: &mut Shop, target: &str, now: Timestamp) -> Answer {
    shop.answer(&request("GET", target, &[], &Json::Null), now)
}

fn body(answer: &Answer) -> Json {
    serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

/// Ids of every page of a list, in order.
fn walked(shop: &mut Shop, target: &str, now: Timestamp) -> Vec<u64> {
    let (mut ids, mut next) = (Vec::new(), Some(target.to_owned()));
    while let Some(target) = next {
        let answer = get(shop, &target, now);
        let page = body(&answer);
        ids.extend(page["data"].as_array().expect("rows").iter().filter_map(|row| row["id"].as_u64()));
        let base = target.split("page=").next().unwrap_or_default().trim_end_matches(['?', '&']).to_owned();
        let separator = if base.contains('?') { '&' } else { '?' };
        next = match answer.header("link") {
            Some(link) => Some(link[1..].split('>').next().expect("a link").replace(SHOP, "")),
            None => page["next"].as_str().map(|token| format!("{base}{separator}page={token}")),
        };
    }
    ids
}

/// Orders 1 to 5 from the opening on; then 2 changes at 10 s, 3 is deleted at 20 s.
fn story() -> Vec<Deed> {
    let opening = (1..=5).map(|id| deed(0, id, Act::Create("open")));
    opening.chain([deed(10, 2, Act::Change("paid")), deed(20, 3, Act::Delete)]).collect()
}

#[test]
fn a_list_is_walked_page_by_page_in_both_ways_of_paging() {
    for paging in [Paging::Token, Paging::Link] {
        let mut shop = shop(Habits { page_size: 2, paging, ..Habits::default() }, story());
        assert_eq!(walked(&mut shop, "/orders", at(1)), [1, 2, 3, 4, 5], "{paging:?}");
        assert_eq!(walked(&mut shop, "/orders", at(15)), [1, 3, 4, 5, 2], "what changed is at the end now");
        assert_eq!(walked(&mut shop, "/customers", at(15)), Vec::<u64>::new());
    }
}

#[test]
fn a_bound_is_with_its_own_moment_or_without_it() {
    let since = format!("/orders?updated_since={}", at(10));
    for (bound, ids) in [(Bound::Inclusive, vec![2]), (Bound::Exclusive, vec![])] {
        let mut shop = shop(Habits { bound, ..Habits::default() }, story());
        assert_eq!(walked(&mut shop, &since, at(15)), ids, "{bound:?}");
    }
}

#[test]
fn what_is_deleted_is_marked_told_by_a_feed_or_just_gone() {
    let cases: [(Deletes, &[u64], &[u64], u16); 3] = [
        (Deletes::Tombstone, &[1, 4, 5, 2, 3], &[], 200),
        (Deletes::Feed, &[1, 4, 5, 2], &[3], 410),
        (Deletes::Absence, &[1, 4, 5, 2], &[], 410),
    ];
    for (deletes, listed, fed, status) in cases {
        let mut shop = shop(Habits { deletes, gone: 410, ..Habits::default() }, story());
        assert_eq!(walked(&mut shop, "/orders", at(25)), listed, "{deletes:?}");
        let feed = get(&mut shop, "/deleted/orders", at(25));
        assert_eq!(feed.status, if deletes == Deletes::Feed { 200 } else { 404 }, "{deletes:?}");
        let told: Vec<u64> =
            body(&feed)["data"].as_array().into_iter().flatten().filter_map(|row| row["id"].as_u64()).collect();
        assert_eq!(told, fed, "{deletes:?}");
        assert_eq!(get(&mut shop, "/orders/3", at(25)).status, status, "{deletes:?}");
        assert_eq!(get(&mut shop, "/orders/77", at(25)).status, 404);
    }
}

#[test]
fn who_has_an_answer_is_not_given_it_again_until_it_is_another() {
    let mut shop = shop(Habits::default(), story());
    let first = get(&mut shop, "/orders", at(1));
    let known = first.header("etag").expect("a tag").to_owned();
    let ask = request("GET", "/orders", &[("if-none-match", &known)], &Json::Null);
    let (same, changed) = (shop.answer(&ask, at(5)), shop.answer(&ask, at(11)));
    assert_eq!((same.status, same.body.len(), changed.status), (304, 0, 200));
}

#[test]
fn a_shop_shows_its_own_clock_in_its_own_precision() {
    let habits = Habits { precision: Duration::from_secs(1), skew_micros: -2_500_000, ..Habits::default() };
    let mut shop = shop(habits, story());
    assert_eq!(body(&get(&mut shop, "/orders/2", at(15)))["updated_at"], json!(at(7)));
}

#[test]
fn a_replica_that_lags_answers_as_it_was() {
    let faults = Faults { lagging: 100, lag_max: Duration::from_secs(8), ..Faults::default() };
    let mut shop = shop(Habits { faults, conditional: false, ..Habits::default() }, story());
    let mut states = Vec::new();
    for _ in 0..50 {
        states.push(body(&get(&mut shop, "/orders/2", at(14)))["status"].clone());
    }
    assert!(states.contains(&json!("open")) && states.contains(&json!("paid")), "{states:?}");
    shop.heal();
    assert_eq!(body(&get(&mut shop, "/orders/2", at(14)))["status"], "paid");
}

#[test]
fn the_limit_is_kept_by_a_429_that_says_when_to_come_back() {
    let limit = Limit { requests: 2, per: Duration::from_secs(10), shared: false };
    let mut shop = shop(Habits { limit: Some(limit), ..Habits::default() }, story());
    let left: Vec<_> = [1, 3]
        .map(|secs| get(&mut shop, "/orders", at(secs)).header("x-ratelimit-remaining").map(str::to_owned))
        .into();
    assert_eq!(left, [Some("1".to_owned()), Some("0".to_owned())]);
    assert_eq!(shop.ledger().overruns(&limit), Vec::<String>::new());
    let refused = get(&mut shop, "/orders", at(4));
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("7")));
    assert_eq!(shop.ledger().overruns(&limit).len(), 1, "it is found even though it was refused");
    assert_eq!(get(&mut shop, "/orders", at(14)).status, 200);
}

#[test]
fn every_fault_comes_and_none_after_the_shop_is_healed() {
    let faults =
        Faults { errors: 15, busy: 15, truncated: 15, apologies: 15, cut: 15, silent: 15, ..Faults::default() };
    let mut shop = shop(Habits { faults, ..Habits::default() }, story());
    let kind = |answer: Answer| match (answer.status, answer.ending) {
        (_, Ending::Cut(_)) => "cut",
        (_, Ending::Silence) => "silent",
        (500, _) => "error",
        (429, _) => "busy",
        _ => match serde_json::from_slice::<Json>(&answer.body) {
            Err(_) => "truncated",
            Ok(body) if body["error"].is_string() => "apology",
            Ok(_) => "fine",
        },
    };
    let mut kinds: Vec<_> = (0..200).map(|_| kind(get(&mut shop, "/orders", at(1)))).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds, ["apology", "busy", "cut", "error", "fine", "silent", "truncated"]);
    shop.heal();
    assert!((0..50).all(|_| kind(get(&mut shop, "/orders", at(1))) == "fine"));
}

#[test]
fn keys_open_their_own_account_only() {
    let habits = Habits { accounts: vec!["acme".to_owned(), "blue".to_owned()], ..Habits::default() };
    let other = Deed { account: 1, ..deed(0, 9, Act::Create("sent")) };
    let mut shop = shop(habits, story().into_iter().chain([other]).collect());
    assert_eq!(walked(&mut shop, "/orders", at(1)), [1, 2, 3, 4, 5]);
    let stranger = Request::builder().uri("https://shop.example/orders").body(()).expect("a request").into_parts().0;
    assert_eq!(shop.answer(&Asked::new(&stranger, Bytes::new()), at(1)).status, 401);
}

#[test]
fn subscriptions_are_made_listed_disabled_and_removed() {
    let mut shop = shop(Habits::default(), vec![deed(30, 0, Act::DisableHooks)]);
    let wish = json!({ "url": "https://hooks.example/in/shop" });
    let made = body(&shop.answer(&request("POST", "/hooks", &[], &wish), at(1)));
    assert!(made["secret"].as_str().is_some_and(|secret| secret.starts_with("whsec_")), "{made}");
    let listed = |shop: &mut Shop, secs| body(&get(shop, "/hooks", at(secs)))["data"].clone();
    assert_eq!(listed(&mut shop, 2), json!([{ "id": "sub_1", "url": wish["url"], "active": true }]));
    assert_eq!(listed(&mut shop, 31)[0]["active"], false);
    let gone = request("DELETE", "/hooks/sub_1", &[], &Json::Null);
    assert_eq!((shop.answer(&gone, at(32)).status, shop.answer(&gone, at(33)).status), (204, 404));
    assert_eq!(listed(&mut shop, 34), json!([]));
}

/// Sends every webhook as it is due until `until`, and has each answered by `status`; gives their ids with the times.
fn sent(shop: &mut Shop, until: Timestamp, status: Option<u16>) -> Vec<(String, Timestamp)> {
    let mut sent = Vec::new();
    while let Some(due) = shop.next_due().filter(|due| *due <= until) {
        for hook in shop.due(due) {
            sent.push((hook.headers.iter().find(|(name, _)| *name == "webhook-id").expect("an id").1.clone(), due));
            shop.told(hook.number, status, due);
        }
    }
    sent
}

const SECRET: &str = crate::simulation::SECRET;

fn listened(hooks: HookHabits) -> Shop {
    let changes = (0..100).map(|number| deed(number, 1 + number, Act::Create("open"))).collect();
    let mut shop = shop(Habits { hooks, ..Habits::default() }, changes);
    shop.listen(0, "https://hooks.example/in/shop", SECRET);
    shop
}

fn distinct(sent: &[(String, Timestamp)]) -> usize {
    sent.iter().map(|(id, _)| id).collect::<std::collections::BTreeSet<_>>().len()
}

#[test]
fn webhooks_are_lost_doubled_and_out_of_order_at_the_rates_asked_for() {
    let plain = sent(&mut listened(HookHabits::default()), at(1_000), Some(200));
    assert_eq!((plain.len(), distinct(&plain)), (100, 100));
    let lossy = sent(&mut listened(HookHabits { lost: 40, ..HookHabits::default() }), at(1_000), Some(200));
    assert!((40..80).contains(&lossy.len()), "{}", lossy.len());
    let doubled = sent(&mut listened(HookHabits { doubled: 30, ..HookHabits::default() }), at(1_000), Some(200));
    assert_eq!(distinct(&doubled), 100);
    assert!((115..150).contains(&doubled.len()), "{}", doubled.len());
    let late = sent(&mut listened(HookHabits { delayed: 50, ..HookHabits::default() }), at(1_000), Some(200));
    let number = |id: &str| id.split('_').nth(1).and_then(|number| number.parse::<u64>().ok());
    assert!(late.windows(2).any(|pair| number(&pair[0].0) > number(&pair[1].0)), "they come in order");
    let topics = sent(&mut listened(HookHabits { second_topic: 50, ..HookHabits::default() }), at(1_000), Some(200));
    assert!(topics.iter().any(|(id, _)| id.ends_with("order_noticed")));
}

#[test]
fn a_webhook_is_tried_again_until_it_is_acknowledged_or_refused() {
    let mut shop = listened(HookHabits { tries_max: 3, ..HookHabits::default() });
    let tries = sent(&mut shop, at(1_000), None);
    assert_eq!((tries.len(), distinct(&tries)), (300, 100));
    assert!(shop.emissions().iter().all(|own| own.lost && !own.acknowledged));
    let mut shop = listened(HookHabits::default());
    assert_eq!(sent(&mut shop, at(1_000), Some(401)).len(), 100);
    assert!(shop.emissions().iter().all(|own| own.refused == Some(401)));
}

/// A receiver that acknowledges one webhook after another; gives what came first.
fn received_by(listener: &std::net::TcpListener) -> String {
    use std::io::{Read as _, Write as _};
    let (mut stream, _) = listener.accept().expect("a webhook comes");
    let (mut text, mut buffer) = (String::new(), [0; 4096]);
    while !text.contains("}}") {
        let read = stream.read(&mut buffer).expect("it is read");
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").expect("it is answered");
    text
}

#[test]
fn as_a_server_it_answers_and_sends_its_webhooks() {
    use std::io::{Read as _, Write as _};
    let receiver = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/in/shop", receiver.local_addr().expect("an address"));
    let server = ShopServer::start(|opened| {
        let script = Script::of(vec![deed(0, 7, Act::Create("open"))]);
        let mut shop = Shop::new(1, Habits::default(), script, opened);
        shop.listen(0, &url, SECRET);
        shop
    });
    let server = server.expect("it starts");
    let hook = received_by(&receiver);
    assert!(hook.contains("webhook-signature: v1,") && hook.contains(r#""type":"order.created""#), "{hook}");
    let mut client = std::net::TcpStream::connect(server.address()).expect("it listens");
    let head = "GET /orders HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer key-acme\r\nconnection: close\r\n\r\n";
    client.write_all(head.as_bytes()).expect("asked");
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("answered");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(r#""id":7"#), "{answer}");
    assert_eq!(server.shop().ledger().visits().len(), 1);
}

#[test]
fn a_seed_tells_the_same_story_in_which_only_what_exists_changes() {
    for seed in 0..50 {
        let habits = Habits::of_seed(seed);
        assert_eq!(habits, Habits::of_seed(seed));
        let minute = Duration::from_secs(60);
        let script = || Script::of_seed(seed, habits.accounts.len(), minute, 10 * minute, 30);
        let tell = || {
            let mut shop = Shop::new(seed, habits.clone(), script(), OPENED);
            shop.advance(at(1_000));
            shop.truth().changes().to_vec()
        };
        let changes = tell();
        assert_eq!(changes, tell(), "seed {seed}");
        assert!(changes.len() > 20, "seed {seed}: {}", changes.len());
        assert!(changes.iter().any(|change| change.at > OPENED + minute), "seed {seed}");
    }
}

#[test]
fn the_manifest_reads_the_shop_as_its_habits_are() {
    for deletes in [Deletes::Tombstone, Deletes::Feed, Deletes::Absence] {
        for paging in [Paging::Token, Paging::Link] {
            let manifest = Manifest::of(&Habits { deletes, paging, ..Habits::default() });
            for manifest in [manifest.clone(), manifest.without_get(Object::Orders).without_subscriptions()] {
                read(&manifest);
            }
        }
    }
}

/// A manifest that is not understood is a panic.
fn read(manifest: &Manifest) {
    let clock: engine::clock::SharedClock = engine::clock::SystemClock::shared();
    let entropy: engine::entropy::SharedEntropy = std::sync::Arc::new(engine::entropy::SeededEntropy::new(1));
    let text = manifest.text();
    let named = engine::connector::Named { name: "shop.yaml", text: &text };
    let connector = engine::connector::Connector::load(named, None, std::sync::Arc::new(|_| None), &clock, &entropy);
    let connector = connector.unwrap_or_else(|error| panic!("{error}\n{text}"));
    let declared = connector.source.declared();
    assert_eq!(declared.len(), 4);
    for stream in declared {
        let read = Stream::read(&stream.node.afresh());
        assert!(read.is_ok(), "{}: {:?}", stream.name, read.err());
    }
}
