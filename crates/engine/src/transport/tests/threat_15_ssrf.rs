//! Requests that are aimed at the inside: every spelling of every private address, by literal and by name.

use super::peer::{OK, Peer};
use super::*;

fn closed() -> Arc<EgressPolicy> {
    Arc::new(EgressPolicy::default())
}

fn refusal(url: &str, policy: &Arc<EgressPolicy>) -> EgressRefused {
    Target::parse(url, policy).err().unwrap_or_else(|| panic!("{url} was let through"))
}

/// Spellings of 127.0.0.1.
const LOOPBACK: &[&str] = &[
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0x7f.0x0.0x0.0x1",
    "017700000001",
    "0177.0.0.01",
    "127.0.0.0x1",
    "127.255.255.254",
    "127。0。0。1",
    "127．0｡0．1",
    "１２７.0.0.1",
    "①②⑦.0.0.1",
    "%31%32%37.0.0.1",
    "localhost",
    "localhost.",
    "LOCALHOST",
    "ｌｏｃａｌｈｏｓｔ",
    "foo.localhost",
    "a.b.localhost.",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2002:7f00:1::1]",
];

/// Spellings of 169.254.169.254, and metadata services elsewhere.
const METADATA: &[&str] = &[
    "169.254.169.254",
    "169.254.169.254.",
    "2852039166",
    "0xa9fea9fe",
    "0xA9.0xFE.0xA9.0xFE",
    "0251.0376.0251.0376",
    "025177524776",
    "169.254.43518",
    "169.16689662",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::1]",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "[fd00:ec2::254]",
    "[fd20:ce::254]",
];

/// The rest of what is not public.
const RESERVED: &[&str] = &[
    "0",
    "0.0.0.0",
    "0.1.2.3",
    "[::]",
    "10.0.0.1",
    "10.255.255.255",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "192.168.257",
    "100.64.0.1",
    "100.127.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "198.51.100.1",
    "203.0.113.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.19.255.255",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "4294967295",
    "[fc00::1]",
    "[fdff::1]",
    "[fe80::1]",
    "[fec0::1]",
    "[ff02::1]",
    "[2001:db8::1]",
    "[2001::1]",
    "[3fff::1]",
    "[100::1]",
    "[::ffff:0:0]",
    "[::ffff:10.0.0.1]",
];

#[test]
fn private_literals_are_refused_when_configured_in_every_spelling() {
    for host in [LOOPBACK, METADATA, RESERVED].concat() {
        for scheme in ["http", "https"] {
            let refused = refusal(&format!("{scheme}://{host}/x"), &closed());
            assert!(matches!(refused, EgressRefused::Address { .. }), "{host}: {refused:?}");
        }
    }
}

#[test]
fn public_hosts_are_let_through_and_keep_their_path_and_query() {
    for (url, origin) in [
        ("https://hooks.example/in?a=b#c", "https://hooks.example:443"),
        ("http://hooks.example:8080", "http://hooks.example:8080"),
        ("HTTPS://HOOKS.example./in", "https://hooks.example:443"),
        ("https://1.1.1.1/", "https://1.1.1.1:443"),
        ("https://[2606:4700::1111]:444/", "https://[2606:4700::1111]:444"),
        ("https://bücher.example/", "https://xn--bcher-kva.example:443"),
        ("http://service_a:9000/", "http://service_a:9000"),
    ] {
        let target = Target::parse(url, &closed()).unwrap_or_else(|refused| panic!("{url}: {refused}"));
        assert_eq!(target.origin(), origin);
    }
    let target = target("https://hooks.example/in/%7Ea?a=b&c=%20#frag", &closed());
    assert_eq!(target.uri.to_string(), "/in/%7Ea?a=b&c=%20");
    assert_eq!(target.host_header, "hooks.example");
}

#[test]
fn schemes_credentials_ports_and_nonsense_are_refused_with_what_to_do() {
    let long = format!("https://a.example/{}", "x".repeat(URL_BYTES_MAX));
    for (url, part) in [
        ("ftp://a.example/", "'ftp:' is not allowed here; use https: or http:"),
        ("file:///etc/passwd", "'file:'"),
        ("gopher://127.0.0.1:6379/_", "'gopher:'"),
        ("javascript:alert(1)", "'javascript:'"),
        ("https://user:pw@a.example/", "in a header"),
        ("https://a.example@127.0.0.1/", "user name or password"),
        ("http://a.example:22/", "port 22 belongs to another protocol"),
        ("http://a.example:6667/", "port 6667"),
        ("http://a.example:0/", "port 0"),
        ("https://", "is not a URL"),
        ("https://./", "is not a URL"),
        ("a.example/in", "is not a URL"),
        ("", "is not a URL"),
        ("http://[fe80::1%25eth0]/", "is not a URL"),
        ("http://256.256.256.256/", "is not a URL"),
        (&long, "at most 8192 bytes"),
    ] {
        let words = refusal(url, &closed()).to_string();
        assert!(words.contains(part), "{url}: {words}");
    }
    for leaky in ["https//u:secret@x?token=secret", "https://u:secret@/?token=secret", "x:y:secret@z"] {
        let words = refusal(leaky, &closed()).to_string();
        assert!(!words.contains("secret"), "{words}");
    }
}

#[test]
fn a_refusal_names_the_address_and_the_range_to_allow() {
    assert_eq!(
        refusal("http://127.0.0.1:3000/", &closed()).to_string(),
        "127.0.0.1 is 127.0.0.1, which is not public (loopback); if you mean it, add 127.0.0.1/32 to `egress.allow`"
    );
}

#[test]
fn what_is_allowed_opens_only_itself() {
    let policy = Arc::new(EgressPolicy::new(vec![net("10.1.0.0/16"), net("fd00::/8")], Vec::new()));
    for open in ["http://10.1.2.3/", "http://[::ffff:10.1.2.3]/", "http://[fd00::1]/"] {
        assert!(Target::parse(open, &policy).is_ok(), "{open}");
    }
    for shut in ["http://10.2.0.1/", "http://[fc00::1]/", "http://[64:ff9b::10.1.2.3]/", "http://localhost/"] {
        refusal(shut, &policy);
    }
}

#[test]
fn our_own_listeners_stay_shut_even_when_their_range_is_allowed() {
    let all = vec![net("0.0.0.0/0"), net("::/0")];
    let own = |listener: &str| Arc::new(EgressPolicy::new(all.clone(), vec![listener.parse().expect("an address")]));
    for (listener, shut, open) in [
        ("127.0.0.1:8080", "http://127.0.0.1:8080/", "http://127.0.0.1:8081/"),
        ("127.0.0.1:8080", "http://[::ffff:127.0.0.1]:8080/", "http://127.0.0.2:8080/"),
        ("127.0.0.1:8080", "http://0.0.0.0:8080/", "http://0.0.0.0:8081/"),
        ("[::1]:8080", "http://[::1]:8080/", "http://127.0.0.1:8080/"),
        ("0.0.0.0:8080", "http://127.8.9.10:8080/", "http://10.9.8.7:8081/"),
        ("[::]:8080", "http://127.0.0.1:8080/", "http://[::1]:8081/"),
        ("[::ffff:127.0.0.1]:8080", "http://127.0.0.1:8080/", "http://127.0.0.1:80/"),
        ("0.0.0.0:80", "http://localhost/", "http://192.0.2.77/"),
    ] {
        let refused = refusal(shut, &own(listener));
        assert!(matches!(refused, EgressRefused::OwnListener { .. }), "{listener} {shut}: {refused:?}");
        assert!(Target::parse(open, &own(listener)).is_ok(), "{listener} {open}");
    }
}

#[tokio::test]
async fn names_of_private_addresses_are_refused_when_dialled() {
    for ip in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00:ec2::254", "::ffff:192.168.0.1", "0.0.0.0"] {
        let resolver = Scripted::new([&[ip][..]]);
        let transport = transport(resolver.options());
        let refused = transport.send(post(&target("http://metadata.example/", &closed()))).await.expect_err(ip);
        assert_eq!((refused.code(), refused.sent()), ("egress_refused", false), "{ip}");
        assert!(refused.to_string().starts_with("metadata.example is "), "{refused}");
        assert_eq!(resolver.times_asked(), 1, "{ip}");
    }
}

#[tokio::test]
async fn literals_and_localhost_never_reach_the_resolver() {
    let peer = Peer::answering(OK).await;
    let resolver = Scripted::new([&["10.0.0.1"][..]]);
    let transport = transport(resolver.options());
    for host in ["127.0.0.1", "localhost", "localhost.", "app.localhost", "2130706433", "[::ffff:127.0.0.1]"] {
        let url = format!("http://{host}:{}/", peer.address.port());
        let response = transport.send(post(&target(&url, &loopback()))).await.expect(host);
        assert_eq!((response.status, response.peer), (200, peer.address), "{host}");
    }
    assert_eq!(resolver.times_asked(), 0);
}

#[tokio::test]
async fn localhost_needs_only_one_of_its_addresses_allowed() {
    let peer = Peer::answering(OK).await;
    let v4_only = Arc::new(EgressPolicy::new(vec![net("127.0.0.0/8")], Vec::new()));
    let url = format!("http://localhost:{}/", peer.address.port());
    assert_eq!(plain().send(post(&target(&url, &v4_only))).await.map(|response| response.status), Ok(200));
}
