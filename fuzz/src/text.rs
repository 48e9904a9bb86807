//! Short texts: ids, names, times, rates, durations, sizes, secrets, URLs, heads. What is read is printed as it was
//! meant: reading it again gives the same.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use bolero::check;
use domain::rate::Rate;
use domain::request::Head;
use domain::{DestinationName, EventId, SourceName, Tenant, Timestamp};
use engine::definition::{parse_duration, parse_size, print_duration, print_size};
use engine::sign::Signer;
use engine::transport::{EgressPolicy, HOP_HEADER, HOPS_MAX, Target, hops_of};
use http::{HeaderMap, HeaderValue};

use crate::mutation::{Edit, Tally, damaged, effort};

const ITERATIONS: usize = 4_000;

/// Every text near these is refused, or read and printed and read as the same.
fn reads_what_it_prints<T: FromStr + Display + PartialEq + std::fmt::Debug>(target: &str, seeds: &[&str]) {
    let tally = Tally::default();
    let (time, inputs) = effort(ITERATIONS);
    check!().with_test_time(time).with_iterations(inputs).with_type::<(u8, Vec<Edit>)>().for_each(|(seed, edits)| {
        let seed = seeds[usize::from(*seed) % seeds.len()];
        let bytes = damaged(seed.as_bytes(), &edits[..edits.len().min(2)]);
        let Ok(text) = String::from_utf8(bytes) else { return };
        let read = text.parse::<T>().ok();
        tally.note(read.is_some());
        if let Some(value) = read {
            assert_eq!(value.to_string().parse::<T>().ok(), Some(value), "{text:?}");
        }
    });
    tally.check(target);
}

#[test]
fn ids() {
    reads_what_it_prints::<EventId>("ids", &["evt_01h455vb4pex5vsknk084sn02q", "evt_7zzzzzzzzzzzzzzzzzzzzzzzzz"]);
}

#[test]
fn names() {
    reads_what_it_prints::<SourceName>("source names", &["github", "a-b_c-9"]);
    reads_what_it_prints::<DestinationName>("destination names", &["app", "x1"]);
    reads_what_it_prints::<Tenant>("tenants", &["default", "acme"]);
}

#[test]
fn times() {
    let seeds =
        ["2026-01-31T09:30:00Z", "1969-12-31T23:59:59.999999Z", "2026-01-31T09:30:00+05:30", "0000-01-01T00:00:00Z"];
    reads_what_it_prints::<Timestamp>("timestamps", &seeds);
}

#[test]
fn rates() {
    reads_what_it_prints::<Rate>("rates", &["100/s", "6000/m", "50000/h", "1/s"]);
}

#[test]
fn durations_and_sizes() {
    let (durations, sizes) = (Tally::default(), Tally::default());
    let (time, inputs) = effort(ITERATIONS);
    check!().with_test_time(time).with_iterations(inputs).with_type::<(u8, Vec<Edit>)>().for_each(|(seed, edits)| {
        let seeds =
            ["10s", "100ms", "3d", "1h", "25 MiB", "512KiB", "0s", "9999999999999999999h", "18446744073709551615"];
        let bytes = damaged(seeds[usize::from(*seed) % seeds.len()].as_bytes(), &edits[..edits.len().min(2)]);
        let text = String::from_utf8_lossy(&bytes);
        let duration = parse_duration(&text);
        durations.note(duration.is_some());
        if let Some(duration) = duration {
            assert_eq!(parse_duration(&print_duration(duration)), Some(duration), "{text:?}");
        }
        let size = parse_size(&text);
        sizes.note(size.is_some());
        if let Some(size) = size {
            assert_eq!(parse_size(&print_size(size)), Some(size), "{text:?}");
        }
    });
    durations.check("durations");
    sizes.check("sizes");
}

#[test]
fn signing_secrets() {
    let tally = Tally::default();
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let (time, inputs) = effort(ITERATIONS);
    check!().with_test_time(time).with_iterations(inputs).with_type::<Vec<Edit>>().for_each(|edits| {
        let bytes = damaged(secret.as_bytes(), &edits[..edits.len().min(1)]);
        let text = String::from_utf8_lossy(&bytes);
        match Signer::new([&*text]) {
            Ok(signer) => {
                tally.note(true);
                assert!(signer.sign("msg_1", Timestamp::EPOCH, b"{}").is_some_and(|value| value.starts_with("v1,")));
            }
            Err(error) => {
                tally.note(false);
                assert!(text.len() < 8 || !error.to_string().contains(&*text), "the error quotes the secret");
            }
        }
    });
    tally.check("signing secrets");
}

#[test]
fn urls_of_destinations() {
    let tally = Tally::default();
    let policy = Arc::new(EgressPolicy::default());
    let seeds = [
        "https://app.example/hooks?a=b",
        "http://203.0.114.7:8080/",
        "https://[2606:4700::1]/x",
        "http://127.1/",
        "http://0x7f000001/",
    ];
    let (time, inputs) = effort(ITERATIONS);
    check!().with_test_time(time).with_iterations(inputs).with_type::<(u8, Vec<Edit>)>().for_each(|(seed, edits)| {
        let bytes = damaged(seeds[usize::from(*seed) % seeds.len()].as_bytes(), &edits[..edits.len().min(3)]);
        let text = String::from_utf8_lossy(&bytes);
        let target = Target::parse(&text, &policy);
        tally.note(target.is_ok());
        if let Ok(target) = target {
            let again = Target::parse(target.url(), &policy).expect("a normalised URL is allowed as the first was");
            assert_eq!(again.url(), target.url(), "{text:?}");
        }
    });
    tally.check("URLs");
}

/// Whatever the header says, a message that went round cannot look as if it had not.
#[test]
fn hop_headers() {
    let tally = Tally::default();
    let (time, inputs) = effort(ITERATIONS);
    check!().with_test_time(time).with_iterations(inputs).with_type::<Vec<Vec<u8>>>().for_each(|values| {
        let values: Vec<HeaderValue> =
            values.iter().take(3).filter_map(|value| HeaderValue::from_bytes(value).ok()).collect();
        let headers: HeaderMap = values.iter().map(|value| (HOP_HEADER, value.clone())).collect();
        let hops = hops_of(&headers);
        let plain = values.len() == 1 && values[0].as_bytes().iter().all(u8::is_ascii_digit);
        tally.note(!values.is_empty());
        assert!(values.is_empty() == (hops == 0) || plain, "{values:?} count as {hops}");
        assert!(plain || values.is_empty() || hops == HOPS_MAX, "{values:?} count as {hops}");
    });
    tally.check("hop headers");
}

#[test]
fn stored_heads() {
    let head = b"POST https://hooks.example/in/github\n192.0.2.1\nhost: hooks.example\nx-github-event: push\n";
    let tally = Tally::default();
    let (time, inputs) = effort(ITERATIONS);
    check!().with_test_time(time).with_iterations(inputs).with_type::<Vec<Edit>>().for_each(|edits| {
        let bytes = damaged(head, edits);
        let read = Head::decode(&bytes);
        let names: usize = read.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        // Bytes that are no text are replaced by three each.
        assert!(read.method.len() + read.url.len() + read.remote.len() + names <= bytes.len() * 3);
        tally.note(read.headers.len() == 2);
    });
    tally.check("stored heads");
}
