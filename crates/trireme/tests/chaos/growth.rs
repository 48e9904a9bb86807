//! A store that has grown, seen by a person and by a program: every page of the dashboard and every list of the API of
//! the real process, and how long each takes to come.

use std::time::{Duration, Instant};

use serde_json::json;
use store::conformance::growth::{Growth, Kind};
use store_postgres::testkit::Database;

use crate::api::Api;
use crate::gateway::{ADMIN_KEY, Home};
use crate::http::{self, Client};
use crate::setup::Setup;

const EVENTS: u64 = 20_000;
const EVENTS_SOAK: u64 = 1_000_000;
/// Events are kept for thirty days unless it is said otherwise.
const DAYS_MAX: u32 = 29;
/// How often each is asked for.
const ROUNDS: usize = 40;
/// Until the first byte of a page, and for a list that an index serves: 95 of 100 times.
const PAGE_WITHIN: Duration = Duration::from_millis(50);
const LIST_WITHIN: Duration = Duration::from_millis(100);
/// What searches may take, as the API has it, and what it takes to answer then.
const SEARCH_WITHIN: Duration = Duration::from_millis(2_500);
/// The short form runs a program that is built to be debugged, beside others: it finds out what hangs, not what is slow.
const SHORT_WITHIN: Duration = Duration::from_millis(2_500);

const MASTER_KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// Pages that look at what has grown; the others show what is configured.
const PAGES: [&str; 18] = [
    "/",
    "/now",
    "/events",
    "/events?source=s0",
    "/events?subject=orders/7",
    "/events/{event}",
    "/sources",
    "/sources/s0",
    "/destinations",
    "/destinations/d0",
    "/routes",
    "/dead-letters",
    "/requests",
    "/runs/{run}",
    "/alerts",
    "/audit",
    "/schemas",
    "/keys",
];

/// Lists and things that an index serves.
const INDEXED: [&str; 17] = [
    "/events",
    "/events?limit=500",
    "/events?source=s0",
    "/events?source=s0&connection=c1",
    "/events?subject=orders/7",
    "/events?until={middle}",
    "/events/{event}",
    "/deliveries",
    "/deliveries?state=dead",
    "/deliveries/{delivery}",
    "/requests",
    "/requests?verdict=rejected&source=s0",
    "/calls?source=s0&connection=c1",
    "/runs",
    "/alerts",
    "/alerts?open=true",
    "/audit",
];

/// Lists that are searched, in vain.
const SEARCHES: [&str; 4] =
    ["/events?q=nowhere", "/events?type=never", "/deliveries?state=cancelled", "/runs?state=failed"];

fn growth() -> Growth {
    let soaks = std::env::var("TRIREME_SOAK").is_ok();
    let given = std::env::var("TRIREME_SOAK_EVENTS").ok().map(|text| text.parse().expect("a whole number of events"));
    // Pages are promised for a million; more is for the stores' own tests.
    let most = given.map_or(EVENTS_SOAK, |given: u64| given.min(EVENTS_SOAK));
    let growth = if soaks { Growth::soaked(most) } else { Growth { events: EVENTS, ..Growth::tested() } };
    // They came until just now, as to a gateway that runs, and the first of them are not yet to be removed.
    let days = growth.days.min(DAYS_MAX);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock");
    let begin = now.as_secs() - u64::from(days) * 24 * 60 * 60;
    Growth { begin: domain::Timestamp::from_secs(begin.cast_signed()), days, ..growth }
}

fn setup() -> Setup {
    let mut setup = Setup::new();
    for number in 0..store::conformance::growth::SOURCES {
        setup = setup.source(&format!("s{number}"));
    }
    for number in 0..store::conformance::growth::DESTINATIONS {
        // Nothing is due for them before the end of the century.
        setup = setup.destination_at(&format!("d{number}"), "http://127.0.0.1:49151/", &json!({}));
        let name = format!("r{number}");
        setup = setup.route("s0", &format!("d{number}"), &json!({ "name": name }));
    }
    setup
}

#[test]
fn pages_and_lists_of_a_grown_store_come_in_time_on_sqlite() {
    let (growth, home) = (growth(), Home::new(setup().value()));
    std::fs::create_dir_all(home.data()).expect("a data folder");
    store_sqlite::testkit::grow(&home.database(), &growth);
    look("SQLite", &home, &growth);
}

#[test]
fn pages_and_lists_of_a_grown_store_come_in_time_on_postgresql() {
    let (growth, database) = (growth(), Database::new());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(store_postgres::testkit::grow(&database, &growth));
    let home = Home::new(setup().value()).with_environment("TRIREME_STORE", database.address());
    look("PostgreSQL", &home.with_environment("TRIREME_MASTER_KEY", MASTER_KEY), &growth);
}

fn look(store: &str, home: &Home, growth: &Growth) {
    let gateway = home.start();
    let cookie = enter(home);
    let soaks = std::env::var("TRIREME_SOAK").is_ok();
    let within = |long: Duration| if soaks { long } else { SHORT_WITHIN };
    let api = Api { address: home.address };
    let mut late = Vec::new();
    let mut judge = |what: &str, path: &str, times: Vec<Duration>, within: Duration| {
        let p95 = p95(times);
        eprintln!("growth: {store}, {} events, {what} {path}: p95 {:.1} ms", growth.events, p95.as_secs_f64() * 1e3);
        if p95 > within {
            late.push(format!("{what} {path}: {p95:?} for {within:?}"));
        }
    };
    let rounds = if soaks { ROUNDS } else { 3 };
    for path in PAGES {
        let times = (0..rounds).map(|round| first_byte(home, &filled(path, growth, round), &cookie)).collect();
        judge("page", path, times, within(PAGE_WITHIN));
    }
    let list = |path: &str, round| {
        let began = Instant::now();
        let answer = api.get(&format!("/api/v1{}", filled(path, growth, round)));
        (began.elapsed(), answer)
    };
    for path in INDEXED {
        let times = (0..rounds).map(|round| list(path, round).0).collect();
        judge("list", path, times, within(LIST_WITHIN));
    }
    for path in SEARCHES {
        let times = (0..rounds.min(3)).map(|round| list(path, round).0).collect();
        judge("search", path, times, SEARCH_WITHIN);
    }
    assert_eq!(crate::oracle::panics(&home.log()), Vec::<String>::new());
    assert!(late.is_empty(), "{store}: {late:#?}");
    assert_eq!(gateway.terminate().code(), Some(0));
}

/// A path with what stands for a row of this round filled in.
fn filled(path: &str, growth: &Growth, round: usize) -> String {
    let number = (round as u64 * 7_919 + 4_320) % growth.events / 7 * 7;
    let id = |prefix: &str, kind, number| {
        let uuid = growth.id(kind, number);
        match prefix {
            "evt" => domain::EventId::from_uuid(uuid).to_string(),
            "dlv" => domain::DeliveryId::from_uuid(uuid).to_string(),
            _ => domain::RunId::from_uuid(uuid).to_string(),
        }
    };
    path.replace("{event}", &id("evt", Kind::Event, number))
        .replace("{delivery}", &id("dlv", Kind::Delivery, number))
        .replace("{run}", &id("run", Kind::Run, number % growth.others()))
        .replace("{middle}", &growth.at(growth.events / 2).to_string())
}

/// Comes into the dashboard, and gives the cookie that it gave.
fn enter(home: &Home) -> String {
    let form = format!("key={ADMIN_KEY}");
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("origin", "http://localhost")];
    let answer = http::once(home.address, "POST", "/login", &headers, form.as_bytes()).expect("an answer");
    let cookie = answer.header("set-cookie").unwrap_or_else(|| panic!("no cookie: {}", answer.text()));
    cookie.split(';').next().unwrap_or_default().to_owned()
}

/// Until the head of a page is there, on a connection that stands.
fn first_byte(home: &Home, path: &str, cookie: &str) -> Duration {
    let mut client = Client::connect(home.address).expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\ncookie: {cookie}\r\n\r\n");
    let began = Instant::now();
    client.write(request.as_bytes()).expect("it reads");
    client.first_byte().expect("it answers");
    let waited = began.elapsed();
    let answer = client.read().expect("a whole answer");
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    waited
}

fn p95(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[(times.len() * 95).div_ceil(100).saturating_sub(1)]
}
