//! Secrets at rest, and what somebody with the database but not the key can do.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::entropy::{SeededEntropy, SystemEntropy};

const SECRET: &[u8] = b"whsec_canary_of_this_test";

fn vault(digit: char) -> Vault {
    Vault::new(MasterKey::from_hex(&digit.to_string().repeat(64)).expect("a key"))
}

fn place<'a>(tenant: &'a str, object: &'a str, role: &'a str) -> Place<'a> {
    Place { tenant, object, role }
}

const HERE: Place<'static> = Place { tenant: "default", object: "destination/app", role: "secret" };

fn seal(vault: &Vault) -> String {
    vault.seal(&SystemEntropy::new(), &HERE, SECRET).expect("a short secret")
}

#[test]
fn what_is_sealed_opens_at_its_place() {
    let vault = vault('a');
    for secret in [&b""[..], SECRET, &[0; SECRET_BYTES_MAX]] {
        let sealed = vault.seal(&SystemEntropy::new(), &HERE, secret).expect("not too long");
        assert_eq!(vault.open(&HERE, &sealed).as_deref().map(Vec::as_slice), Ok(secret));
    }
    let long = vault.seal(&SystemEntropy::new(), &HERE, &[0; SECRET_BYTES_MAX + 1]);
    assert_eq!(long, Err(VaultError::TooLong(SECRET_BYTES_MAX + 1)));
}

mod threat_22_secrets_at_rest {
    use super::*;

    #[test]
    fn a_sealed_secret_shows_nothing_and_is_never_the_same_twice() {
        let vault = vault('a');
        let (one, two) = (seal(&vault), seal(&vault));
        assert_ne!(one, two);
        let encoded = BASE64URL_NOPAD.encode(SECRET);
        for text in [&one, &two] {
            assert!(!text.contains("canary") && !text.contains(&encoded[4..20]));
            assert!(text.starts_with(&format!("v1|{}|", vault.key_id())));
        }
    }

    #[test]
    fn threat_22_a_sealed_secret_swapped_into_another_row_does_not_open() {
        let vault = vault('a');
        let sealed = seal(&vault);
        for elsewhere in [
            place("other", "destination/app", "secret"),
            place("default", "destination/apps", "secret"),
            place("default", "source/app", "secret"),
            place("default", "destination/app", "headers"),
            place("default", "destination", "/appsecret"),
            place("defaultd", "estination/app", "secret"),
            place("", "", "check"),
        ] {
            assert_eq!(vault.open(&elsewhere, &sealed), Err(VaultError::NotAuthentic), "{elsewhere:?}");
            let moved = vault.rewrap(&super::vault('b'), &SystemEntropy::new(), &elsewhere, &sealed);
            assert_eq!(moved, Err(VaultError::NotAuthentic), "{elsewhere:?}");
        }
    }

    #[test]
    fn parts_of_two_sealed_secrets_do_not_mix() {
        let vault = vault('a');
        let (one, two) = (seal(&vault), seal(&vault));
        let (one, two): (Vec<_>, Vec<_>) = (one.split('|').collect(), two.split('|').collect());
        for from in 2..6 {
            let mut mixed = one.clone();
            mixed[from] = two[from];
            assert_eq!(vault.open(&HERE, &mixed.join("|")), Err(VaultError::NotAuthentic), "field {from}");
        }
    }

    #[test]
    fn threat_22_any_flipped_bit_is_found() {
        let vault = vault('a');
        let sealed = seal(&vault);
        for at in 0..sealed.len() {
            let mut bytes = sealed.clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(text) = String::from_utf8(bytes) else { continue };
            assert!(vault.open(&HERE, &text).is_err(), "byte {at}");
        }
    }

    #[test]
    fn threat_22_another_master_key_opens_nothing_and_is_named() {
        let (ours, theirs) = (vault('a'), vault('b'));
        let sealed = seal(&ours);
        let error = theirs.open(&HERE, &sealed).expect_err("another key");
        assert_eq!(error.code(), "master_key_mismatch");
        let words = error.to_string();
        assert!(words.contains(ours.key_id()) && words.contains(theirs.key_id()), "{words}");
        // Even when the key's id is forged.
        let forged = sealed.replace(ours.key_id(), theirs.key_id());
        assert_eq!(theirs.open(&HERE, &forged), Err(VaultError::NotAuthentic));
    }

    #[test]
    fn the_check_value_tells_a_wrong_key_at_the_start() {
        let check = vault('a').seal_check(&SystemEntropy::new()).expect("a check");
        assert_eq!(vault('a').verify_check(&check), Ok(()));
        assert_eq!(vault('b').verify_check(&check).map_err(|error| error.code()), Err("master_key_mismatch"));
        assert_eq!(vault('a').verify_check(&seal(&vault('a'))), Err(VaultError::NotAuthentic));
    }

    #[test]
    fn rewrapping_changes_the_master_key_and_nothing_else() {
        let (old, new) = (vault('a'), vault('b'));
        let sealed = seal(&old);
        let rewrapped = old.rewrap(&new, &SystemEntropy::new(), &HERE, &sealed).expect("our own");
        assert_eq!(new.open(&HERE, &rewrapped).as_deref().map(Vec::as_slice), Ok(SECRET));
        assert_eq!(old.open(&HERE, &rewrapped).map_err(|error| error.code()), Err("master_key_mismatch"));
        let tail = |text: &str| text.rsplitn(3, '|').take(2).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(tail(&sealed), tail(&rewrapped));
    }

    #[test]
    fn threat_24_nothing_prints_a_key_or_a_secret() {
        let key = MasterKey::from_hex(&"ab".repeat(32)).expect("a key");
        let shown = format!("{key:?} {:?}", Vault::new(MasterKey::from_hex(&"ab".repeat(32)).expect("a key")));
        assert!(!shown.contains("abab") && shown.contains(key.id()), "{shown}");
        let error = MasterKey::from_hex("abc_canary").expect_err("no key");
        assert!(!format!("{error} {error:?}").contains("canary"));
    }

    #[test]
    fn junk_is_refused_in_words() {
        for junk in ["", "v1", "v2|a|b|c|d|e", "v1|a|b|c|d", "v1|a|b|c|d|e|f", "v1|a|!|c|d|e", "v1|a|AAAA|c|d|e"] {
            assert_eq!(vault('a').open(&HERE, junk), Err(VaultError::UnknownForm), "{junk}");
        }
    }
}

#[test]
fn the_key_file_is_made_once_and_for_its_owner_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("master.key");
    let made = MasterKey::from_file(&path, &SystemEntropy::new()).expect("made");
    let mode = fs::metadata(&path).expect("a file").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let text = fs::read_to_string(&path).expect("text");
    assert_eq!(text.trim().len(), 64);
    let again = MasterKey::from_file(&path, &SeededEntropy::new(1)).expect("read");
    assert_eq!(again.id(), made.id());
    assert_eq!(MasterKey::from_hex(&text).expect("a key").id(), made.id());
    let names: Vec<_> =
        fs::read_dir(folder.path()).expect("a folder").map(|entry| entry.expect("one").file_name()).collect();
    assert_eq!(names, ["master.key"]);
}

#[test]
fn a_key_file_that_others_can_read_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("master.key");
    MasterKey::from_file(&path, &SystemEntropy::new()).expect("made");
    for mode in [0o640, 0o604, 0o620, 0o601, 0o644, 0o777] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("ours");
        let error = MasterKey::from_file(&path, &SystemEntropy::new()).expect_err("open to others");
        assert!(matches!(error, KeyFileError::OpenToOthers { .. }), "{mode:o}");
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).expect("ours");
    assert!(MasterKey::from_file(&path, &SystemEntropy::new()).is_ok());
}

#[test]
fn a_file_that_is_no_key_is_neither_used_nor_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("master.key");
    for junk in [String::new(), "ab".repeat(31), "ab".repeat(33), "xy".repeat(32), "ab".repeat(4_000)] {
        fs::write(&path, &junk).expect("ours");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("ours");
        let error = MasterKey::from_file(&path, &SystemEntropy::new()).expect_err("no key");
        assert!(matches!(error, KeyFileError::NoKey { .. }), "{error}");
        assert_eq!(fs::read_to_string(&path).expect("text"), junk);
    }
    let error =
        MasterKey::from_file(&folder.path().join("no/such/folder"), &SystemEntropy::new()).expect_err("no folder");
    assert!(matches!(error, KeyFileError::Io { .. }), "{error}");
}
