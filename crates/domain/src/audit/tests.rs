//! What a verification finds, by table: each way of tampering, named by the entry's number.

use super::*;

fn tenant() -> Tenant {
    Tenant::default_tenant()
}

fn note(second: i64) -> Note {
    Note {
        at: Timestamp::from_secs(second),
        who: Who::new(WhoKind::Key, "ops"),
        from: "192.0.2.1".into(),
        action: "destination.pause".into(),
        object: "destination/app".into(),
        detail: String::new(),
        outcome: Outcome::Done,
        began: None,
    }
}

fn chain(node: &str, length: u64) -> Vec<Entry> {
    let mut head = Head::genesis(node.into());
    let next = |second: u64| {
        let entry = Entry::after(&head, tenant(), note(i64::try_from(second).expect("small")));
        head = entry.head();
        entry
    };
    (1..=length).map(next).collect()
}

fn key() -> AuditKey {
    AuditKey::new(&[7; 32])
}

fn statement(signer: &str, number: u64, heads: Vec<Head>) -> Statement {
    let at = Timestamp::from_secs(3_600);
    let unsigned =
        Statement { tenant: tenant(), signer: signer.into(), number, at, heads, key: "".into(), signature: GENESIS };
    unsigned.signed(&key())
}

fn verdict(key: Option<AuditKey>, statements: &[Statement], entries: &[Entry], cuts: &[Cut]) -> Verdict {
    let mut verifier = Verifier::new(key);
    statements.iter().for_each(|statement| verifier.statement(statement));
    entries.iter().for_each(|entry| verifier.entry(entry));
    cuts.iter().for_each(|cut| verifier.cut(cut));
    verifier.finish()
}

fn told(verdict: &Verdict) -> Vec<String> {
    verdict.faults.iter().map(ToString::to_string).collect()
}

#[test]
fn a_chain_as_it_was_written_holds() {
    let entries = [chain("a", 5), chain("b", 3)].concat();
    let heads = vec![entries[4].head(), entries[7].head()];
    let said = [statement("a", 1, vec![entries[1].head()]), statement("a", 2, heads.clone()), statement("b", 1, heads)];
    let verdict = verdict(Some(key()), &said, &entries, &[]);
    assert_eq!(verdict, Verdict { entries: 8, statements: 3, with_key: true, ..Verdict::default() });
}

#[test]
fn every_field_is_part_of_the_digest() {
    let entry = chain("a", 1).remove(0);
    let changed = |change: &dyn Fn(&mut Entry)| {
        let mut other = entry.clone();
        change(&mut other);
        other.computed()
    };
    type Change<'c> = (&'c str, &'c dyn Fn(&mut Entry));
    let changes: [Change<'_>; 13] = [
        ("tenant", &|entry| entry.tenant = "other".parse().expect("a name")),
        ("node", &|entry| entry.node = "z".into()),
        ("sequence", &|entry| entry.sequence = 2),
        ("at", &|entry| entry.note.at = Timestamp::EPOCH),
        ("who", &|entry| entry.note.who.kind = WhoKind::Session),
        ("who_id", &|entry| entry.note.who.id = "x".into()),
        ("from", &|entry| entry.note.from = "".into()),
        ("action", &|entry| entry.note.action = "x".into()),
        ("object", &|entry| entry.note.object = "x".into()),
        ("detail", &|entry| entry.note.detail = "x".to_owned()),
        ("outcome", &|entry| entry.note.outcome = Outcome::Refused),
        ("began", &|entry| entry.note.began = Some(1)),
        ("previous", &|entry| entry.previous = Digest([1; 32])),
    ];
    for (field, change) in changes {
        assert_ne!(changed(change), entry.digest, "{field}");
    }
    // Moving a letter from one field to the next is another entry.
    let moved = changed(&|entry| {
        entry.note.action = "destination.paus".into();
        entry.note.object = "edestination/app".into();
    });
    assert_ne!(moved, entry.digest);
}

#[test]
fn tampering_is_found_and_named_by_its_number() {
    type Tamper = fn(&mut Vec<Entry>);
    let cases: [(&str, Tamper, &[&str]); 7] = [
        ("a changed field", |chain| chain[2].note.detail = "nothing".to_owned(), &["entry 3 of a was changed"]),
        (
            "a changed field with a digest made anew",
            |chain| {
                chain[2].note.detail = "nothing".to_owned();
                chain[2].digest = chain[2].computed();
            },
            &["entry 4 of a does not follow from the one before it: one of them was rewritten"],
        ),
        (
            "an entry taken out",
            |chain| {
                chain.remove(2);
            },
            &["entry 3 of a is missing"],
        ),
        (
            "several taken out",
            |chain| {
                chain.drain(1..4);
            },
            &["entries 2 to 4 of a are missing"],
        ),
        ("two exchanged", |chain| chain.swap(1, 2), &["entry 2 of a stands in the wrong place"]),
        ("one twice", |chain| chain.insert(2, chain[1].clone()), &["entry 2 of a stands in the wrong place"]),
        (
            "the beginning taken out",
            |chain| {
                chain.drain(..2);
            },
            &["the chain of a begins at 3, and nothing signed says that it was cut there"],
        ),
    ];
    for (name, tamper, expected) in cases {
        let mut entries = chain("a", 6);
        tamper(&mut entries);
        assert_eq!(told(&verdict(None, &[], &entries, &[])), expected, "{name}");
    }
}

#[test]
fn a_tail_that_was_cut_off_and_a_chain_written_anew_are_found_by_what_others_signed() {
    let entries = chain("a", 6);
    let said = [statement("b", 1, vec![entries[3].head()]), statement("b", 2, vec![entries[5].head()])];
    let short = &entries[..4];
    let cut_off = ["the chain of a ends at 4, but b knew its entry 6: its end was cut off"];
    assert_eq!(told(&verdict(Some(key()), &said, short, &[])), cut_off);
    assert_eq!(told(&verdict(None, &said, short, &[])), cut_off, "also without the key");
    let gone = ["the chain of a ends at 0, but b knew its entry 6: its end was cut off"];
    assert_eq!(told(&verdict(Some(key()), &said, &[], &[])), gone);
    let mut head = Head::genesis("a".into());
    let anew: Vec<Entry> = (1..=6)
        .map(|second| {
            let entry = Entry::after(&head, tenant(), Note { object: "x".into(), ..note(second) });
            head = entry.head();
            entry
        })
        .collect();
    let rewritten = ["entry 4 of a is not the one that b knew", "entry 6 of a is not the one that b knew"];
    assert_eq!(told(&verdict(Some(key()), &said, &anew, &[])), rewritten);
}

#[test]
fn a_tail_that_was_cut_off_before_anybody_signed_it_is_found_by_the_end_that_the_store_has() {
    let entries = chain("a", 6);
    let found = |read: &[Entry]| {
        let mut verifier = Verifier::new(None);
        verifier.ends(&entries[5].head());
        read.iter().for_each(|entry| verifier.entry(entry));
        told(&verifier.finish())
    };
    assert_eq!(found(&entries), [""; 0]);
    assert_eq!(found(&entries[..4]), ["the chain of a ends at 4, but the store knew its entry 6: its end was cut off"]);
    let mut anew = entries.clone();
    anew[5].note.detail = "nothing".to_owned();
    anew[5].digest = anew[5].computed();
    assert_eq!(found(&anew), ["entry 6 of a is not the one that the store knew"]);
    let longer = chain("a", 8);
    assert_eq!(found(&longer), [""; 0], "it grew while it was read");
}

#[test]
fn statements_are_believed_by_their_signature_and_missed_by_their_number() {
    let entries = chain("a", 3);
    let head = vec![entries[2].head()];
    let mut forged = statement("a", 2, head.clone());
    forged.heads[0].sequence = 2;
    let said = [statement("a", 1, head.clone()), forged, statement("a", 4, head.clone())];
    let found = told(&verdict(Some(key()), &said, &entries, &[]));
    assert_eq!(found, ["statement 2 of a was not signed with the key", "statements 3 to 3 of a are missing"]);
    let other = verdict(Some(AuditKey::new(&[8; 32])), &[statement("a", 1, head)], &entries, &[]);
    assert_eq!(told(&other), ["statement 1 of a was not signed with the key"]);
}

#[test]
fn a_signed_cut_stands_for_what_was_removed_and_no_other_does() {
    let entries = chain("a", 6);
    let at = Timestamp::from_secs(9);
    let said = [statement("a", 1, vec![entries[1].head()]), statement("a", 2, vec![entries[5].head()])];
    let cut = Cut::signed(tenant(), entries[2].head(), at, &key());
    let headless = ["the chain of a begins at 4, and nothing signed says that it was cut there"];
    assert!(verdict(Some(key()), &said, &entries[3..], std::slice::from_ref(&cut)).holds());
    assert!(verdict(Some(key()), &said, &entries, std::slice::from_ref(&cut)).holds(), "cut while it was read");
    assert_eq!(told(&verdict(Some(key()), &said, &entries[3..], &[])), headless);
    let elsewhere = Cut::signed(tenant(), entries[1].head(), at, &key());
    assert_eq!(told(&verdict(Some(key()), &said, &entries[3..], &[elsewhere])), headless);
    let forged = Cut::signed(tenant(), entries[2].head(), at, &AuditKey::new(&[8; 32]));
    let found = told(&verdict(Some(key()), &said, &entries[3..], &[forged]));
    assert_eq!(found, [headless[0], "the cut of a was not signed with the key"]);
    let whole = Cut::signed(tenant(), entries[5].head(), at, &key());
    assert!(verdict(Some(key()), &said, &[], &[whole]).holds(), "all of it was removed");
}

#[test]
fn a_clock_that_goes_back_breaks_no_chain() {
    let first = Entry::after(&Head::genesis("a".into()), tenant(), note(100));
    let second = Entry::after(&first.head(), tenant(), note(50));
    assert!(verdict(None, &[], &[first, second], &[]).holds());
}

#[test]
fn texts_are_bounded_and_stay_on_one_line() {
    let wide = Note { detail: "x\n".repeat(FIELD_CHARS_MAX), ..note(1) };
    let entry = Entry::after(&Head::genesis("a".into()), tenant(), wide);
    assert_eq!(entry.note.detail.chars().count(), FIELD_CHARS_MAX);
    assert!(!entry.note.detail.contains('\n'));
    assert_eq!(entry.computed(), entry.digest, "the digest is of what is kept");
}

#[test]
fn what_was_exported_is_read_back_whole() {
    let mut entry = chain("a", 2).remove(1);
    entry.note.began = Some(1);
    let said = statement("a", 1, vec![entry.head()]);
    let cut = Cut::signed(tenant(), entry.head(), Timestamp::from_secs(9), &key());
    let lines = [
        Line::Entry((&entry).into()),
        Line::Statement((&said).into()),
        Line::Head((&entry.head()).into()),
        Line::Cut((&cut).into()),
    ];
    for line in lines {
        let text = line.to_json();
        assert!(!text.contains('\n'));
        match Line::parse(&text).expect("a line") {
            Line::Entry(line) => assert_eq!(Entry::try_from(line).as_ref(), Ok(&entry)),
            Line::Statement(line) => assert_eq!(Statement::try_from(line).as_ref(), Ok(&said)),
            Line::Head(line) => assert_eq!(Head::from(line), entry.head()),
            Line::Cut(line) => assert_eq!(Cut::try_from(line).as_ref(), Ok(&cut)),
            other => panic!("{other:?}"),
        }
    }
    assert!(Line::parse("{\"kind\":\"else\"}").is_err());
}
