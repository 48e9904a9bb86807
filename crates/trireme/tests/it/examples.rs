//! The examples, run from end to end against programs that were not written for them: they are served as the examples'
//! READMEs say, and all that is replaced are the ports.

mod kinto;
mod localstripe;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use http::{Method, StatusCode};
use serde_json::Value;

use super::support::destination::Destination;
use super::support::http::{Answer, Connection, get};
use super::support::process::{Gateway, Process};
use super::support::{Folder, eventually};

/// An example: its source served, its receiver not there yet, its gateway not started.
struct Example {
    folder: Folder,
    source: SocketAddr,
    receiver: SocketAddr,
    served: Process,
}

impl Example {
    /// Serves the source of `examples/NAME`, and copies its files with our ports in place of `port` and 3000.
    async fn start(name: &str, port: u16) -> Self {
        let (folder, home) = (Folder::new(), examples().join(name));
        install();
        let [source, receiver] = [free_address(), free_address()];
        for file in std::fs::read_dir(&home).expect("the example is there") {
            let file = file.expect("it can be listed").path();
            if file.extension().is_some_and(|extension| extension == "yaml") {
                let text = std::fs::read_to_string(&file).expect("text");
                let text = text.replace(&format!("127.0.0.1:{port}"), &source.to_string());
                let text = text.replace("127.0.0.1:3000", &receiver.to_string());
                let copy = folder.path().join(file.file_name().expect("it has a name"));
                std::fs::write(copy, text).expect("the folder is ours");
            }
        }
        let served = Process::start(Command::new(home.join("serve")).arg(source.port().to_string()), folder.path());
        eventually(&format!("{name} at {source}"), async || get(source, "/", &[]).await.ok()).await;
        Self { folder, source, receiver, served }
    }

    fn gateway(&self) -> Gateway {
        Gateway::start(&self.folder)
    }

    async fn receiver(&self) -> Destination {
        Destination::start_at(self.receiver).await
    }

    async fn client(&self, authorization: &str) -> Client {
        let connection = Connection::open(self.source).await.expect("the source answers");
        Client { source: self.source, connection, authorization: authorization.to_owned() }
    }
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

/// Apart from serving, so that a machine that cannot install is told from a program that does not start.
fn install() {
    let done = Command::new(examples().join("install")).stdin(Stdio::null()).output().expect("bash is there");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn free_address() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("it is bound")
}

/// What changes things at the source.
struct Client {
    source: SocketAddr,
    connection: Connection,
    authorization: String,
}

impl Client {
    /// Sends a request, which must be answered well.
    async fn send(&mut self, method: Method, path: &str, kind: &str, body: String) -> Answer {
        if !self.connection.is_open().await {
            // Servers close what was idle for a while.
            self.connection = Connection::open(self.source).await.expect("the source answers");
        }
        let headers = [("authorization", self.authorization.clone()), ("content-type", kind.to_owned())];
        let answer = self.connection.send(method, path, &headers, body).await.expect("the source answers");
        let good = [StatusCode::OK, StatusCode::CREATED].contains(&answer.status);
        assert!(good, "{path} was answered {}: {:?}", answer.status, answer.body);
        answer
    }
}

/// What a receiver got, each message checked to have come once.
fn received_once(receiver: &Destination) -> Vec<Value> {
    let twice: BTreeMap<_, _> = receiver.messages().into_iter().filter(|(_, count)| *count > 1).collect();
    assert_eq!(twice, BTreeMap::new(), "messages that came more than once");
    receiver.got().iter().map(|got| serde_json::from_slice(&got.body).expect("JSON")).collect()
}
