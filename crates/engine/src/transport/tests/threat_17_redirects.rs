//! Answers that try to send the request, with its secrets, somewhere else.

use http::HeaderValue;
use tokio::io::AsyncWriteExt;

use super::peer::{OK, Peer, read_request};
use super::*;

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let sink = Peer::answering(OK).await;
        let elsewhere = sink.address;
        let peer = Peer::start(move |_, mut stream| async move {
            read_request(&mut stream).await;
            let head = format!("HTTP/1.1 {status} Moved\r\nlocation: http://{elsewhere}/\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(head.as_bytes()).await.expect("a client");
        })
        .await;
        let mut request = post(&at(peer.address));
        request.headers.insert("authorization", HeaderValue::from_static("Bearer secret"));
        let response = plain().send(request).await.expect("an answer");
        assert_eq!((response.status, response.headers.contains_key("location")), (status, true));
        assert_eq!((peer.accepted(), sink.accepted()), (1, 0));
    }
}

#[tokio::test]
async fn a_redirect_to_the_metadata_service_is_only_shown() {
    let head = b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/latest/\r\ncontent-length: 0\r\n\r\n";
    let peer = Peer::answering_once(head).await;
    let response = plain().send(post(&at(peer.address))).await.expect("an answer");
    assert_eq!((response.status, response.peer), (302, peer.address));
}
