//! Three real nodes on one PostgreSQL behind a balancer, traffic going on: restarted in turn, killed in turn, and one
//! stopped for longer than its lease. One oracle for all of it, one node per destination at every rest, and one budget for
//! the source that they all poll.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::json;
use store_postgres::testkit::Database;

use crate::api::Api;
use crate::dice::Dice;
use crate::gateway::{Gateway, Home};
use crate::generator::{Generator, Plan};
use crate::http;
use crate::ledger::Ledger;
use crate::oracle::{Owed, Verdict, judge_at_rest, panics};
use crate::polled::Polled;
use crate::setup::{Setup, no_breaker, quick_retries};
use crate::sink::{Behaviour, Sink};
use crate::wait::{pause, until};

const MASTER_KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const NODES: usize = 3;
/// Most messages under way to one destination.
const CONCURRENCY: usize = 8;
/// What one end of a node may have sent without noting it: to each of its share of the destinations, all that its gate holds.
const UNNOTED: usize = OWED.len().div_ceil(NODES) * 8 * CONCURRENCY;
/// A node's lease, and what it takes to notice that it is over.
const LEASE: Duration = Duration::from_secs(15);
const NOTICED: Duration = Duration::from_secs(6);

const OWED: [Owed; 6] = [
    Owed { route: "load-ordered-a", destination: "ordered-a", ordered: true },
    Owed { route: "load-ordered-b", destination: "ordered-b", ordered: true },
    Owed { route: "load-ordered-c", destination: "ordered-c", ordered: true },
    Owed { route: "load-plain-a", destination: "plain-a", ordered: false },
    Owed { route: "load-plain-b", destination: "plain-b", ordered: false },
    Owed { route: "load-stubborn", destination: "stubborn", ordered: false },
];

pub struct Cluster {
    /// Kept for as long as the nodes run.
    _database: Option<Database>,
    homes: Vec<Home>,
    nodes: Vec<Gateway>,
    sink: Sink,
    polled: Polled,
}

impl Cluster {
    fn start() -> Self {
        let database = Database::new();
        let cluster = Self::start_on(&database.address());
        Self { _database: Some(database), ..cluster }
    }

    /// On a database that somebody else looks after.
    pub fn start_on(address: &str) -> Self {
        let sink = Sink::start();
        sink.behave("stubborn", Behaviour::Stubborn(2));
        let http = json!({ "concurrency": CONCURRENCY });
        let destination = json!({ "http": http, "retry": quick_retries(30), "breaker": no_breaker() });
        let polled = Polled::start();
        let mut setup = Setup::new().source("load").source_of("shop", &polled.source());
        for owed in OWED {
            let order = if owed.ordered { json!({ "ordering": "subject" }) } else { json!({}) };
            setup = setup.destination(owed.destination, &sink, &destination).route("load", owed.destination, &order);
        }
        let home = |number: usize| {
            let home = Home::new(setup.value()).with_environment("TRIREME_STORE", address);
            std::fs::write(home.folder().join("shop.yaml"), polled.manifest()).expect("the manifest is written");
            home.with_environment("TRIREME_MASTER_KEY", MASTER_KEY)
                .with_environment("TRIREME_NODE", format!("n{number}"))
        };
        let homes: Vec<Home> = (0..NODES).map(home).collect();
        let nodes = homes.iter().map(Home::start).collect();
        polled.ask_at(homes.iter().map(|home| home.address).collect());
        Self { _database: None, homes, nodes, sink, polled }
    }

    pub fn plan(&self) -> Plan {
        Plan {
            gateways: self.homes.iter().map(|home| home.address).collect(),
            gap: Duration::from_millis(8),
            insist: true,
            silence: Duration::from_secs(1),
            ..Plan::to(self.homes[0].address, "/in/load")
        }
    }

    /// Which living node has which destinations, as any of them tells it.
    fn shares(&self, asked: usize) -> BTreeMap<String, Vec<String>> {
        let nodes = Api { address: self.homes[asked].address }.get("/api/v1/nodes");
        let nodes = nodes["data"].as_array().expect("a list").iter().filter(|node| node["state"] == "lives");
        let named = |names: &serde_json::Value| -> Vec<String> {
            let names = names.as_array().expect("a list").iter();
            names.map(|name| name.as_str().expect("a name").to_owned()).collect()
        };
        nodes.map(|node| (node["name"].as_str().expect("a name").to_owned(), named(&node["destinations"]))).collect()
    }

    /// Waits until every destination is one living node's, evenly. Gives how long that took.
    pub fn until_shared(&self) -> Duration {
        let began = Instant::now();
        until("every node has its share", || {
            let shares = self.shares(0);
            shares.len() == NODES && shares.values().all(|names| names.len() == OWED.len() / NODES)
        });
        began.elapsed()
    }

    /// Answers of a node: whether it takes requests.
    pub fn is_ready(&self, number: usize) -> bool {
        self.nodes[number].is_ready()
    }

    pub fn arrivals(&self) -> usize {
        self.sink.arrivals().len()
    }

    /// Whether each node is still the process that it began as.
    pub fn all_live(&mut self) -> bool {
        self.nodes.iter_mut().all(|node| node.ended().is_none())
    }

    pub fn address(&self, number: usize) -> std::net::SocketAddr {
        self.homes[number].address
    }

    pub fn judge(&self, ledger: &Ledger) -> Verdict {
        for home in &self.homes {
            assert_eq!(panics(&home.log()), Vec::<String>::new());
        }
        self.polled.judge();
        judge_at_rest(&self.homes[0], ledger, &self.sink, &OWED)
    }

    /// Tries at a destination that were never answered.
    fn hung_at(&self, destination: &str) -> usize {
        self.sink.count(|arrival| &*arrival.destination == destination && arrival.status == 0)
    }

    /// Settlements of this node that the store refused, because others had taken over.
    fn fenced(&self, number: usize) -> u64 {
        let figures = http::once(self.address(number), "GET", "/metrics", &[], b"").expect("an answer").text();
        let told = figures.lines().find_map(|line| line.strip_prefix("trireme_settlements_fenced_total "));
        told.map_or(0, |count| count.parse().expect("a number"))
    }
}

/// How often each of the three ends is gone through.
fn rounds() -> u64 {
    let given = std::env::var("TRIREME_CHAOS_ROUNDS").ok();
    // Each takes most of a minute.
    given.map_or(1, |text| text.parse::<u64>().expect("TRIREME_CHAOS_ROUNDS is a whole number").div_ceil(100))
}

#[test]
fn three_nodes_lose_nothing_and_keep_order_while_they_are_restarted_and_killed_in_turn() {
    let mut dice = Dice::of("nodes restarted and killed");
    let mut cluster = Cluster::start();
    let joined = cluster.until_shared();
    let ledger = Ledger::new();
    let generator = Generator::start(&cluster.plan(), &ledger, &mut dice);
    let (mut kills, mut longest, mut stopped) = (0, Duration::ZERO, Duration::ZERO);
    for _ in 0..rounds() {
        for number in 0..NODES {
            pause(dice.millis(300..1_000));
            let began = Instant::now();
            let node = cluster.nodes.remove(number);
            assert_eq!(node.terminate().code(), Some(0), "{}", cluster.homes[number].log_end());
            stopped = stopped.max(began.elapsed());
            cluster.nodes.insert(number, cluster.homes[number].start());
        }
        cluster.until_shared();
        let before = cluster.sink.arrivals().len();
        assert!(duplicates(&cluster.sink) == 0 || kills > 0, "a node that is asked to stop leaves nothing half done");
        for number in 0..NODES {
            pause(dice.millis(300..1_000));
            cluster.nodes[number].kill();
            kills += 1;
            cluster.nodes[number] = cluster.homes[number].start();
        }
        longest = longest.max(cluster.until_shared());
        assert!(cluster.sink.arrivals().len() > before, "nothing went on");
    }
    generator.stop();
    let verdict = cluster.judge(&ledger);
    eprintln!(
        "nodes: shared out in {joined:?}, {kills} kills, all replaced in {longest:?}, stopped in {stopped:?}; {verdict}"
    );
    assert!(longest <= LEASE + NOTICED, "a dead node was replaced only after {longest:?}");
    assert!(verdict.delivered > 0 && verdict.ordered > 0);
    assert!(verdict.duplicates <= kills * UNNOTED, "more than was under way");
}

#[test]
fn a_node_that_stands_still_for_longer_than_its_lease_settles_nothing_that_others_took_over() {
    let mut dice = Dice::of("nodes that stand still");
    let cluster = Cluster::start();
    cluster.until_shared();
    let ledger = Ledger::new();
    let generator = Generator::start(&cluster.plan(), &ledger, &mut dice);
    let mut pauses = 0;
    for _ in 0..rounds() {
        let number = 1 + dice.index(NODES - 1);
        pause(dice.millis(500..1_500));
        let own = cluster.shares(0).remove(&format!("n{number}")).expect("it lives");
        let held = own.iter().find(|name| *name != "stubborn").expect("it has two");
        let (hung, fenced) = (cluster.hung_at(held), cluster.fenced(number));
        cluster.sink.behave(held, Behaviour::Hang);
        until("something is under way", || cluster.hung_at(held) > hung);
        cluster.nodes[number].stand_still();
        cluster.sink.behave(held, Behaviour::Healthy);
        pauses += 1;
        let taken = || {
            cluster.shares(0).len() == NODES - 1
                && cluster.shares(0).values().map(Vec::len).sum::<usize>() == OWED.len()
        };
        until("the others have what it had", taken);
        pause(dice.millis(500..3_000));
        cluster.nodes[number].go_on();
        until("what it had under way is refused, and counted", || cluster.fenced(number) > fenced);
        cluster.until_shared();
    }
    generator.stop();
    let verdict = cluster.judge(&ledger);
    eprintln!("nodes: {pauses} stood still; {verdict}");
    assert!(verdict.delivered > 0 && verdict.ordered > 0);
    assert!(verdict.duplicates <= pauses * UNNOTED, "more than was under way");
}

fn duplicates(sink: &Sink) -> usize {
    let mut seen = std::collections::HashSet::new();
    let accepted = sink.arrivals().into_iter().filter(|arrival| arrival.accepted());
    accepted.filter(|arrival| !seen.insert((arrival.destination.clone(), arrival.event))).count()
}
