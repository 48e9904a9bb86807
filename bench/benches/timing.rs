//! Whether the time that a refusal takes tells where a wrong signature goes wrong, which would let a stranger guess it
//! piece by piece. Prints Welch's t for each scheme; judges nothing, because another program on the machine can make
//! a difference too.

#![expect(clippy::print_stdout, reason = "what it measured is what it is for")]

use std::hint::black_box;
use std::sync::Arc;

use bench::stopwatch::Stopwatch;
use bench::welch;
use bytes::Bytes;
use connectors::provider::{
    Incoming, Judgement, Keys, Kind, Moment, Peer, Recipe, SignedSample, Urls, catalogue, judge, sign_sample,
};
use data_encoding::{BASE64, Encoding, HEXLOWER};
use domain::Timestamp;

/// Calls of each class: enough to tell a few nanoseconds apart.
const CALLS: usize = 1_000_000;
/// Calls before that, while caches fill.
const WARM_UP: usize = 20_000;
/// Different signatures of each class.
const SIGNATURES: usize = 64;
const NOW: Timestamp = Timestamp::from_secs(1_769_851_800);
const URL: &str = "https://hooks.example/in/x";

/// What is wrong with a signature, else as long as the right one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    First,
    Last,
    All,
}

const CLASSES: [Wrong; 3] = [Wrong::First, Wrong::Last, Wrong::All];

/// A way of signing, shown by a sender that uses it.
struct Scheme {
    name: &'static str,
    provider: &'static str,
    header: &'static str,
    /// What stands before the signature in its header.
    prefix: &'static str,
    /// `None`: it stands there as it is.
    encoding: Option<Encoding>,
}

fn schemes() -> [Scheme; 5] {
    let scheme = |name, provider, header, prefix, encoding| Scheme { name, provider, header, prefix, encoding };
    [
        scheme("hmac, hex", "github", "x-hub-signature-256", "sha256=", Some(HEXLOWER)),
        scheme("hmac, base64", "shopify", "x-shopify-hmac-sha256", "", Some(BASE64)),
        scheme("token", "telegram", "x-telegram-bot-api-secret-token", "", None),
        scheme("basic", "postmark", "authorization", "Basic ", Some(BASE64)),
        scheme("digest", "hubspot-legacy", "x-hubspot-signature", "", Some(HEXLOWER)),
    ]
}

fn main() {
    println!("refusals by where their signature is wrong: t beyond ±4.5 is a difference, beyond ±10 a sure one");
    println!("{:<28} {:>10} {:>12} {:>12}", "scheme", "first/last", "first/random", "last/random");
    for scheme in schemes() {
        show(scheme.name, &measure(&mut Subject::new(&scheme), Subject::refuse));
    }
    let mut subject = Subject::new(&schemes()[0]);
    show("control: ends at first byte", &measure(&mut subject, Subject::refuse_and_compare_early));
}

fn show(name: &str, [first, last, all]: &[Vec<u32>; 3]) {
    let [one, two, three] =
        [(first, last), (first, all), (last, all)].map(|(one, other)| welch::t_over_cuts(one, other));
    println!("{name:<28} {one:>10.1} {two:>12.1} {three:>12.1}");
}

/// Nanoseconds of each call, by class; which class is next is chance, so that what drifts drifts for all of them.
fn measure(subject: &mut Subject, call: fn(&Subject)) -> [Vec<u32>; 3] {
    let mut times = CLASSES.map(|_| Vec::with_capacity(CALLS + CALLS / 8));
    let (stopwatch, mut dice) = (Stopwatch::start(), Dice(0x5eed));
    for round in 0..WARM_UP + CALLS * CLASSES.len() {
        let chance = dice.throw();
        let (class, number) = ((chance % 3) as usize, (chance >> 32) as usize % SIGNATURES);
        subject.put(class, number);
        let before = stopwatch.elapsed();
        call(black_box(subject));
        let taken = stopwatch.elapsed() - before;
        if round >= WARM_UP {
            times[class].push(u32::try_from(taken.as_nanos()).unwrap_or(u32::MAX));
        }
    }
    times
}

/// One recipe with its keys, and a request whose signature is exchanged before each call.
struct Subject {
    recipe: Arc<Recipe>,
    keys: Keys,
    request: SignedSample,
    /// Place of the signature among the request's headers.
    header: usize,
    right: Bytes,
    /// By class, then by number.
    wrong: [Vec<Bytes>; 3],
}

impl Subject {
    fn new(scheme: &Scheme) -> Self {
        let recipe = catalogue().get(scheme.provider).expect("it is in the catalogue");
        let vector = recipe.vectors().iter().find(|vector| vector.kind == Kind::Valid).expect("each has one");
        let sample = recipe.sample(None).expect("a sender with a shared secret has samples");
        let moment = Moment { now: NOW, nonce: 7 };
        let signed = sign_sample(&recipe, &vector.role_secrets(), &vector.settings, sample, URL, moment);
        let request = signed.expect("its secret signs");
        let keys = Keys::compile(&recipe, &vector.role_secrets(), &vector.settings).expect("a vector's keys");
        let header = request.headers.iter().position(|(name, _)| **name == *scheme.header).expect("it is signed");
        let right = request.headers[header].1.clone();
        let mut dice = Dice(0xd1ce);
        let mut wrong =
            |class: Wrong| (0..SIGNATURES).map(|number| scheme.wrong(&right, class, number, &mut dice)).collect();
        let wrong = CLASSES.map(&mut wrong);
        let mut subject = Self { recipe: Arc::clone(&recipe), keys, request, header, right, wrong };
        assert!(matches!(subject.judge(), Judgement::Accepted(_)), "{}: the right one passes", scheme.name);
        for (class, number) in (0..CLASSES.len()).flat_map(|class| (0..SIGNATURES).map(move |number| (class, number))) {
            subject.put(class, number);
            let judgement = subject.judge();
            let refused = matches!(&judgement, Judgement::Rejected(reason) if *reason.code == *"signature_mismatch");
            assert!(refused, "{}: {judgement:?}", scheme.name);
        }
        subject
    }

    /// Puts a signature into the request. The former one is freed first, so that all of them, being of one length, have
    /// one place in memory: another place would be a difference in time too.
    fn put(&mut self, class: usize, number: usize) {
        let value = &mut self.request.headers[self.header].1;
        *value = Bytes::new();
        *value = Bytes::copy_from_slice(&self.wrong[class][number]);
    }

    fn judge(&self) -> Judgement {
        let SignedSample { method, url, headers, body } = &self.request;
        let urls = Urls { configured: url, received: url };
        judge(&self.recipe, &self.keys, &Incoming { method, urls, headers, body, peer: Peer::default() }, NOW)
    }

    fn refuse(&self) {
        black_box(self.judge());
    }

    /// What must show: the same, and beside it a comparison as one must not make it.
    fn refuse_and_compare_early(&self) {
        self.refuse();
        for (one, other) in self.request.headers[self.header].1.iter().zip(&self.right) {
            if black_box(*one) != black_box(*other) {
                return;
            }
        }
    }
}

impl Scheme {
    /// The header with a signature that is wrong in this way.
    fn wrong(&self, right: &[u8], class: Wrong, number: usize, dice: &mut Dice) -> Bytes {
        let text = &right[self.prefix.len()..];
        let mut bytes = match &self.encoding {
            Some(encoding) => encoding.decode(text).expect("the sample's own"),
            None => text.to_vec(),
        };
        // Another letter or digit's neighbour: still plain text, where it stands there as it is.
        let change = 1 + (number % 7) as u8;
        let last = bytes.len() - 1;
        match class {
            Wrong::First => bytes[0] ^= change,
            Wrong::Last => bytes[last] ^= change,
            Wrong::All if self.encoding.is_some() => bytes.iter_mut().for_each(|byte| *byte = dice.throw() as u8),
            Wrong::All => bytes.iter_mut().for_each(|byte| *byte = b'a' + (dice.throw() % 26) as u8),
        }
        let text = match &self.encoding {
            Some(encoding) => encoding.encode(&bytes).into_bytes(),
            None => bytes,
        };
        [self.prefix.as_bytes(), &text].concat().into()
    }
}

/// Chance that is the same on every run (SplitMix64).
struct Dice(u64);

impl Dice {
    fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
