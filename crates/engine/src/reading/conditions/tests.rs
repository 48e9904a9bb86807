//! What is asked about, what is believed, and when a whole answer is asked for.

use bytes::Bytes;

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const URL: &str = "https://a.example/orders?since=1";

fn request(url: &str) -> Request {
    Request { method: Method::GET, url: url.to_owned(), headers: HeaderMap::new(), body: Bytes::new() }
}

fn reply(status: u16, pairs: &[(&'static str, &'static str)]) -> Reply {
    let pairs =
        pairs.iter().map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)));
    Reply::new(status, pairs.collect(), Bytes::from_static(b"[]"), URL.to_owned())
}

/// What one reading of one page leads to: `taken` of ten records, `passed` of them too old.
fn read(known: Option<Validators>, reply: &Reply, [taken, passed]: [u64; 2]) -> (Request, Conditions) {
    let conditions = Conditions::new(known);
    let mut asked = request(URL);
    conditions.begin_page(true);
    let key = conditions.put_on(&mut asked);
    if !conditions.confirms(reply) {
        conditions.answered(key, &asked, reply, NOW);
        conditions.take(10, taken);
        (0..passed).for_each(|_| conditions.pass());
    }
    (asked, conditions)
}

fn known(etag: &'static str) -> Option<Validators> {
    read(None, &reply(200, &[("etag", etag)]), [10, 0]).1.outcome()
}

#[test]
fn what_was_read_whole_is_asked_about_and_a_304_says_that_it_holds() {
    let (asked, again) = read(known("\"one\""), &reply(304, &[]), [0, 0]);
    assert_eq!(asked.headers[IF_NONE_MATCH], "\"one\"");
    assert!(again.is_unmodified() && again.records() == 10);
    let kept = again.outcome().expect("it was confirmed");
    assert_eq!((kept.confirmations, kept.answered_at), (1, NOW));
    let (_, changed) = read(Some(kept), &reply(200, &[("etag", "\"two\"")]), [10, 0]);
    assert!(!changed.is_unmodified());
    assert_eq!(changed.outcome().and_then(|kept| kept.etag), Some(HeaderValue::from_static("\"two\"")));
}

#[test]
fn only_an_answer_of_which_everything_was_taken_is_asked_about() {
    let etag = [("etag", "\"one\"")];
    for (expected, taken) in [(true, [10, 0]), (true, [4, 6]), (false, [9, 0]), (false, [4, 5])] {
        assert_eq!(read(None, &reply(200, &etag), taken).1.outcome().is_some(), expected, "{taken:?}");
    }
    let spoilt = read(None, &reply(200, &etag), [10, 0]).1;
    spoilt.spoil();
    let several = read(None, &reply(200, &etag), [10, 0]).1;
    several.begin_page(true);
    let elsewhere =
        Reply::new(200, reply(200, &etag).headers, Bytes::from_static(b"[]"), "https://b.example/".to_owned());
    let redirected = read(None, &elsewhere, [10, 0]).1;
    for conditions in [spoilt, several, redirected, Conditions::new(None)] {
        assert_eq!(conditions.outcome(), None, "{conditions:?}");
    }
}

#[test]
fn validators_are_believed_as_far_as_the_protocol_lets_them() {
    let dated = |modified| [("date", "Sun, 06 Nov 1994 08:50:00 GMT"), ("last-modified", modified)];
    let old = dated("Sun, 06 Nov 1994 08:49:00 GMT");
    for (expected, status, pairs) in [
        (true, 200, &[("etag", "\"one\"")][..]),
        (true, 200, &[("etag", "W/\"one\"")]),
        (true, 200, &old),
        (false, 200, &dated("Sun, 06 Nov 1994 08:49:01 GMT")),
        (false, 200, &dated("yesterday")),
        (false, 200, &old[1..]),
        (false, 200, &[("etag", "one")]),
        (false, 200, &[("etag", "\"")]),
        (false, 206, &[("etag", "\"one\"")]),
        (false, 200, &[("etag", "\"one\""), ("cache-control", "private, no-store")]),
        (false, 200, &[("etag", "\"one\""), ("vary", "*")]),
        (false, 200, &[]),
    ] {
        assert_eq!(read(None, &reply(status, pairs), [10, 0]).1.outcome().is_some(), expected, "{status} {pairs:?}");
    }
    let (asked, _) = read(read(None, &reply(200, &old), [10, 0]).1.outcome(), &reply(304, &[]), [0, 0]);
    assert_eq!(asked.headers[IF_MODIFIED_SINCE], "Sun, 06 Nov 1994 08:49:00 GMT");
}

#[test]
fn another_request_is_asked_in_full() {
    let bearer = HeaderMap::from_iter([(http::header::AUTHORIZATION, HeaderValue::from_static("Bearer x"))]);
    let own = HeaderMap::from_iter([(IF_NONE_MATCH, HeaderValue::from_static("\"own\""))]);
    for other in [
        request("https://a.example/orders?since=2"),
        Request { headers: bearer, ..request(URL) },
        Request { body: Bytes::from_static(b"x"), ..request(URL) },
        Request { method: Method::POST, ..request(URL) },
        Request { headers: own, ..request(URL) },
    ] {
        let conditions = Conditions::new(known("\"one\""));
        conditions.begin_page(true);
        let mut asked = other.clone();
        conditions.put_on(&mut asked);
        assert_eq!(asked.headers, other.headers);
        assert!(!conditions.confirms(&reply(304, &[])), "nobody asked for a 304");
    }
    let second = Conditions::new(known("\"one\""));
    (0..2).for_each(|_| second.begin_page(true));
    let mut asked = request(URL);
    second.put_on(&mut asked);
    assert!(asked.headers.is_empty(), "of several pages none says anything of the others");
}

#[test]
fn a_source_that_always_says_the_same_is_asked_in_full_now_and_then() {
    let mut kept = known("\"one\"").expect("a whole answer");
    for _ in 0..CONFIRMATIONS_MAX {
        assert!(kept.hold(NOW + BELIEVED_MAX - Duration::from_secs(1)) && !kept.hold(NOW + BELIEVED_MAX));
        kept = read(Some(kept), &reply(304, &[]), [0, 0]).1.outcome().expect("it was confirmed");
    }
    assert!(!kept.hold(NOW));
}
