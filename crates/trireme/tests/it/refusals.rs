//! What is refused at start: with which exit code, in which words, and that nothing was begun.

use std::process::{Command, Output};

use super::support::process::{Gateway, serve, serve_at, trireme};
use super::support::{Folder, NOBODY};

const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn refused(command: &mut Command) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = command.output().expect("the binary can be started");
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

#[test]
fn a_wrong_configuration_is_told_whole_and_nothing_is_started() {
    let folder = Folder::new();
    folder.write_config(
        "sorces: {}\nsources: { a: { webhook: { provider: gitlub, secret: \"${NOT_SET_ANYWHERE}\" } } }\n\
         destinations: { b: { http: { url: \"http://10.0.0.1/\" } } }\n",
    );
    let (code, said) = refused(&mut serve(&folder));
    assert_eq!(code, Some(2), "{said}");
    for part in ["sorces", "did you mean 'sources'", "gitlub", "NOT_SET_ANYWHERE", "10.0.0.1", "egress"] {
        assert!(said.contains(part), "'{part}' is missing in:\n{said}");
    }
    assert!(!folder.data().exists(), "nothing was made");
    let (code, _) = refused(trireme().args(["check", "--config"]).arg(folder.config()));
    assert_eq!(code, Some(2));
}

#[test]
fn what_cannot_be_typed_is_explained() {
    let cases: [(&[&str], &str); 5] = [
        (&["serve", "--drain", "soon"], "no duration such as 25s"),
        (&["serve", "--listen", "here"], "invalid socket address"),
        (&["serve", "--egress-allow", "10.0.0.0/99"], "not a range of addresses"),
        (&["serve", "--log-filter", "loud=very=much"], "not a log filter"),
        (&["sevre"], "unrecognized subcommand"),
    ];
    for (arguments, says) in cases {
        let (code, said) = refused(trireme().args(arguments));
        assert_eq!(code, Some(2), "{arguments:?}: {said}");
        assert!(said.contains(says), "{arguments:?}: {said}");
    }
}

#[test]
fn a_second_gateway_on_the_same_folder_is_told_who_runs_and_what_to_do() {
    let folder = Folder::new();
    folder.configure(NOBODY);
    let first = Gateway::start(&folder);
    let (code, said) = refused(&mut serve(&folder));
    assert_eq!(code, Some(3), "{said}");
    let pid = first.process.pid();
    for part in [format!("process {pid}"), "--takeover".into(), format!("kill {pid}")] {
        assert!(said.contains(&part), "'{part}' is missing in:\n{said}");
    }
    first.stop();
}

#[test]
fn a_taken_port_is_told_with_the_way_out() {
    let (folder, other) = (Folder::new(), std::net::TcpListener::bind("127.0.0.1:0").expect("a port"));
    folder.configure(NOBODY);
    let address = other.local_addr().expect("it is bound").to_string();
    let (code, said) = refused(&mut serve_at(&folder, &address));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&address) && said.contains("--listen"), "{said}");
}

#[test]
fn a_wrong_or_missing_master_key_is_exit_4() {
    let folder = Folder::new();
    folder.configure(NOBODY);
    let (code, said) = refused(serve(&folder).env("TRIREME_MASTER_KEY", "abc"));
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("64 hexadecimal digits"), "{said}");

    Gateway::start(&folder).stop();
    let (code, said) = refused(serve(&folder).env("TRIREME_MASTER_KEY", KEY));
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("give the former in TRIREME_MASTER_KEY"), "{said}");

    std::fs::remove_file(folder.data().join("master.key")).expect("it was made");
    let (code, said) = refused(&mut serve(&folder));
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("backup"), "{said}");
}

#[test]
fn a_store_that_is_none_of_ours_is_exit_3_and_left_alone() {
    let folder = Folder::new();
    folder.configure(NOBODY);
    std::fs::create_dir_all(folder.data()).expect("ours");
    let file = folder.data().join("trireme.db");
    let junk = b"this is no database, but somebody's notes ".repeat(500);
    std::fs::write(&file, &junk).expect("ours");
    let (code, said) = refused(&mut serve(&folder));
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("damaged or not ours"), "{said}");
    assert_eq!(std::fs::read(&file).expect("it is there"), junk);
}

#[test]
fn a_folder_that_cannot_be_made_is_exit_74() {
    let folder = Folder::new();
    folder.configure(NOBODY);
    std::fs::write(folder.data(), "a file").expect("ours");
    let (code, said) = refused(&mut serve(&folder));
    assert_eq!(code, Some(74), "{said}");
    assert!(said.contains("data folder") && said.contains("--data"), "{said}");
}

#[test]
fn an_admin_key_that_is_no_key_is_exit_2() {
    let folder = Folder::new();
    folder.configure(NOBODY);
    let (code, said) = refused(serve(&folder).env("TRIREME_ADMIN_KEY", "hunter2"));
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("TRIREME_ADMIN_KEY") && !said.contains("hunter2"), "{said}");
}
