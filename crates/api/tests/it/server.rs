//! A gateway on a real socket, and a client that writes whatever bytes it likes.

use std::net::SocketAddr;
use std::time::Duration;

use api::{Limits, Listeners, Settings, serve};
use engine::clock::{Clock, SystemClock, timeout};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::gateway::Gateway;

/// Long enough for any machine; only a server that hangs takes it.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Server {
    pub gateway: Gateway,
    pub api: SocketAddr,
    pub ingest: SocketAddr,
    pub stop: CancellationToken,
    pub served: JoinHandle<usize>,
}

impl Server {
    pub async fn start(limits: Limits) -> Self {
        let gateway = Gateway::with_routes(Settings { limits, ..Settings::default() }).await;
        let listen = || async { TcpListener::bind("127.0.0.1:0").await.expect("a free port") };
        let (api, ingest) = (listen().await, listen().await);
        let addresses = [&api, &ingest].map(|listener| listener.local_addr().expect("bound"));
        let stop = CancellationToken::new();
        let listeners = Listeners { api: vec![api], ingest: vec![ingest] };
        let served = tokio::spawn(serve(gateway.app.clone(), listeners, stop.clone()));
        Self { gateway, api: addresses[0], ingest: addresses[1], stop, served }
    }

    pub async fn connect(&self) -> Wire {
        Wire::to(self.api).await
    }

    /// Sends bytes on a connection of their own, and gives all that is answered until the server closes it.
    pub async fn raw(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut wire = self.connect().await;
        wire.send(bytes).await;
        wire.finish().await;
        wire.rest().await
    }

    /// Of all events, in no order.
    pub async fn payloads(&self) -> Vec<String> {
        let mut payloads = Vec::new();
        for id in self.gateway.call(crate::gateway::Call::get("/api/v1/events?limit=100")).await.ids() {
            let payload = self.gateway.call(crate::gateway::Call::get(&format!("/api/v1/events/{id}/payload"))).await;
            payloads.push(String::from_utf8_lossy(&payload.body).into_owned());
        }
        payloads
    }

    pub async fn events(&self) -> usize {
        self.gateway.call(crate::gateway::Call::get("/api/v1/events")).await.ids().len()
    }
}

pub struct Wire(pub TcpStream);

impl Wire {
    pub async fn to(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.expect("the server accepts"))
    }

    /// The server may have closed meanwhile; what it said is for `rest` to tell.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.0.write_all(bytes.as_ref()).await.is_ok()
    }

    /// Says that nothing more comes.
    pub async fn finish(&mut self) {
        let _ = self.0.shutdown().await;
    }

    /// Everything until the server closes the connection.
    pub async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        let reading = timeout(&SystemClock::new(), PATIENCE, self.0.read_to_end(&mut bytes)).await;
        // A reset after the answer is an end as well.
        assert!(reading.is_ok(), "the server keeps the connection open: {}", String::from_utf8_lossy(&bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Everything until what came contains `text`.
    pub async fn until(&mut self, text: &str) -> String {
        let mut bytes = Vec::new();
        while !String::from_utf8_lossy(&bytes).contains(text) {
            let mut buffer = [0; 4_096];
            let read = timeout(&SystemClock::new(), PATIENCE, self.0.read(&mut buffer)).await;
            let count = read.expect("something in time").expect("bytes");
            assert!(count > 0, "closed before '{text}': {}", String::from_utf8_lossy(&bytes));
            bytes.extend_from_slice(&buffer[..count]);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Sends one piece after another with a pause between, until the server closes; gives what it answered.
    pub async fn drip(mut self, piece: &[u8], pause: Duration) -> String {
        let (mut reader, mut writer) = self.0.split();
        let clock = SystemClock::new();
        let dripping = async {
            while writer.write_all(piece).await.is_ok() {
                clock.sleep(pause).await;
            }
            std::future::pending::<()>().await;
        };
        let mut bytes = Vec::new();
        tokio::select! {
            read = timeout(&clock, PATIENCE, reader.read_to_end(&mut bytes)) => {
                assert!(read.is_ok(), "the server lets it drip");
            }
            () = dripping => {}
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// The statuses of all answers in a text.
pub fn statuses(text: &str) -> Vec<u16> {
    text.split("HTTP/1.").skip(1).filter_map(|rest| rest.get(2..5)?.parse().ok()).collect()
}

pub fn post(path: &str, headers: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: a.example\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}
