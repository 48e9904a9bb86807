//! Many accounts behind one address, each with a secret of its own, and the sender of them all, whose requests say by
//! which key they are signed.

use std::fmt::Write as _;

use crate::signing::Signing;

/// The sender's name, which is also that of its recipe's file.
pub(crate) const PROVIDER: &str = "bench-accounts";

/// A sender that signs as most do and names its key: the product has it from a file of ours, as any user could.
pub(crate) const RECIPE: &str = "provider: bench-accounts
title: The load tool's own sender
docs: https://bench.example
secrets: [{ role: signing, about: of one account }]
verify:
  hmac:
    hash: sha256
    key: signing
    select_by: { header: x-key }
    message: [body]
    signature: { from: { header: x-signature }, encoding: hex }
event: { type: [[{ json: /type }]], type_otherwise: unknown, id: [[{ json: /bench_id }]] }
facts: { as_of: 2026-11-21, source: https://bench.example }
---
vectors:
  - { name: none, kind: valid, not_applicable: only the load tool sends this }
  - { name: none either, kind: tampered, not_applicable: only the load tool sends this }
  - { name: nor this, kind: stale, not_applicable: nothing dates its requests }
  - { name: nor that, kind: wrong_key, not_applicable: only the load tool sends this }
";

/// Apart from any number of accounts that is not a multiple of it: a walk by it meets each of them once, in an order
/// that no cache follows.
const STRIDE: usize = 7_919;

/// The lines of a source's mapping, each with `indent` before it.
pub(crate) fn source(accounts: usize, indent: &str) -> String {
    let mut text = format!("{indent}webhook: {{ provider: {PROVIDER} }}\n{indent}connections:\n");
    for n in 0..accounts {
        let (key, secret) = (key(n), secret(n));
        let secret = format!("{{ webhook: {{ secret: {{ value: \"{secret}\", name: \"{key}\" }} }} }}");
        writeln!(text, "{indent}  a{n}: {secret}").expect("writing into a String cannot fail");
    }
    text
}

/// How each account's requests are signed, all of them once.
pub(crate) fn signings(accounts: usize) -> impl Iterator<Item = Signing> {
    (0..accounts).map(move |step| signing(step * STRIDE % accounts))
}

fn signing(n: usize) -> Signing {
    let headers = vec![("x-key".to_owned(), key(n))];
    Signing { headers, ..Signing::new(PROVIDER, "x-signature", &secret(n)) }
}

fn key(n: usize) -> String {
    format!("key-{n:06}")
}

fn secret(n: usize) -> String {
    format!("the secret of account {n:06}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_account_sends_once_in_a_round_by_a_secret_that_is_configured() {
        for accounts in [1, 2, 5_000] {
            let yaml = source(accounts, "    ");
            assert_eq!(yaml.lines().count(), accounts + 2);
            let mut keys = BTreeSet::new();
            for signing in signings(accounts) {
                let key = signing.headers[0].1.clone();
                assert!(yaml.contains(&format!("{{ value: \"{}\", name: \"{key}\" }}", signing.secret)), "{key}");
                keys.insert(key);
            }
            assert_eq!(keys.len(), accounts);
        }
    }
}
