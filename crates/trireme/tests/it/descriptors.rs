//! A process that may open few files: fewer connections at once, and never its end.

use std::net::TcpStream;
use std::process::Command;

use super::support::destination::Destination;
use super::support::http::post;
use super::support::process::{Gateway, serve};
use super::support::{Folder, eventually, github_webhook};

/// The same command where only so many files may be open.
fn with_files(count: u32, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("ulimit -n {count}; exec \"$0\" \"$@\""));
    shell.arg(command.get_program()).args(command.get_args());
    shell
}

#[tokio::test]
async fn with_few_files_it_takes_fewer_connections_and_outlives_a_crowd() {
    let (folder, destination) = (Folder::new(), Destination::start().await);
    folder.configure(&destination.url());
    let mut gateway = Gateway::of(&mut with_files(200, &serve(&folder)), &folder);
    gateway.process.logs("few files may be open").await;
    let crowd: Vec<_> = (0..300).filter_map(|_| TcpStream::connect(gateway.address).ok()).collect();
    assert!(crowd.len() > 200, "{} connected", crowd.len());
    drop(crowd);
    let answer = eventually("a place for one more", async || {
        let (headers, body) = github_webhook(1);
        post(gateway.address, "/in/github", &headers, body).await.ok().filter(|answer| answer.status == 200)
    });
    assert_eq!(answer.await.status, 200);
    destination.has_got(1).await;
    assert!(!gateway.process.has_ended());
    gateway.stop();
}
