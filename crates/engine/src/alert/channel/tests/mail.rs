//! Mail against a server that speaks the protocol to the letter: STARTTLS, TLS from the first byte, both logins.

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, BufReader};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::spec::{EmailSpec, MailSecurity};
use crate::transport::tests::threat_18_tls::Authority;

/// How a server is set up.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Setup {
    security: MailSecurity,
    offers_tls: bool,
    logins: &'static str,
    refuses: &'static str,
    /// Answers the message with this.
    verdict: &'static str,
    /// What somebody in between says before TLS begins.
    injected: &'static str,
}

const USUAL: Setup = Setup {
    security: MailSecurity::StartTls,
    offers_tls: true,
    logins: "AUTH PLAIN LOGIN",
    refuses: "",
    verdict: "250 2.0.0 queued as 1",
    injected: "",
};

/// What a server was told, in order; the message as one piece.
type Heard = Arc<Mutex<Vec<String>>>;

async fn serve(setup: Setup, authority: &Authority) -> (Peer, Heard) {
    let heard = Heard::default();
    let acceptor = TlsAcceptor::from(Arc::new(authority.server_config("localhost", 2100)));
    let kept = Arc::clone(&heard);
    let peer = Peer::start(move |_, stream| {
        let (acceptor, heard) = (acceptor.clone(), Arc::clone(&kept));
        async move {
            if setup.security == MailSecurity::Tls {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                talk(stream, setup, true, &heard).await;
                return;
            }
            let Some(stream) = talk(stream, setup, false, &heard).await else { return };
            if let Ok(stream) = acceptor.accept(stream).await {
                heard.lock().expect("a list").push("(TLS)".to_owned());
                talk(stream, setup, true, &heard).await;
            }
        }
    })
    .await;
    (peer, heard)
}

/// Until the end, or until TLS is to begin: then gives the connection back.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(stream: S, setup: Setup, secure: bool, heard: &Heard) -> Option<S> {
    let mut stream = BufReader::new(stream);
    if !secure || setup.security == MailSecurity::Tls {
        say(&mut stream, "220 mail.example ESMTP").await;
    }
    let (mut known, mut wanted) = (false, 0);
    loop {
        let line = next(&mut stream).await?;
        heard.lock().expect("a list").push(line.clone());
        let verb = line.split(' ').next().unwrap_or_default().to_owned();
        let answer = match (verb.as_str(), wanted) {
            (_, 1..) => {
                wanted -= 1;
                known = wanted == 0 && line == BASE64.encode(b"pass");
                if wanted == 1 {
                    "334 UGFzc3dvcmQ6"
                } else if known {
                    "235 ok"
                } else {
                    "535 no"
                }
                .to_owned()
            }
            ("EHLO", _) => {
                let tls = if setup.offers_tls && !secure { "250-STARTTLS\r\n" } else { "" };
                let login = if secure && !setup.logins.is_empty() {
                    format!("250-{}\r\n", setup.logins)
                } else {
                    String::new()
                };
                format!("250-mail.example\r\n{tls}{login}250 8BITMIME")
            }
            ("STARTTLS", _) => {
                say(&mut stream, &format!("220 go on{}", setup.injected)).await;
                assert!(stream.buffer().is_empty(), "nothing is said before TLS");
                return Some(stream.into_inner());
            }
            ("AUTH", _) if !secure => "538 encryption required".to_owned(),
            ("AUTH", _) if line == "AUTH LOGIN" => {
                wanted = 2;
                "334 VXNlcm5hbWU6".to_owned()
            }
            ("AUTH", _) => {
                known = line == format!("AUTH PLAIN {}", BASE64.encode(b"\0user\0pass"));
                if known { "235 ok" } else { "535 no" }.to_owned()
            }
            ("MAIL", _) if !known && !setup.logins.is_empty() => "530 who are you".to_owned(),
            ("RCPT", _) if !setup.refuses.is_empty() && line.contains(setup.refuses) => "550 no such user".to_owned(),
            ("MAIL" | "RCPT", _) => "250 ok".to_owned(),
            ("DATA", _) => {
                say(&mut stream, "354 go on").await;
                let mut message = String::new();
                loop {
                    let line = next(&mut stream).await?;
                    if line == "." {
                        break;
                    }
                    message.push_str(line.strip_prefix('.').unwrap_or(&line));
                    message.push('\n');
                }
                heard.lock().expect("a list").push(message);
                setup.verdict.to_owned()
            }
            ("QUIT", _) => "221 bye".to_owned(),
            _ => "502 what".to_owned(),
        };
        say(&mut stream, &answer).await;
    }
}

async fn say<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>, text: &str) {
    let _the_client_may_be_gone = stream.write_all(format!("{text}\r\n").as_bytes()).await;
    let _likewise = stream.flush().await;
}

async fn next<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> Option<String> {
    let mut line = String::new();
    let read = stream.read_line(&mut line).await.ok()?;
    (read > 0).then(|| line.strip_suffix("\r\n").expect("a line ends with both").to_owned())
}

fn spec(peer: &Peer, setup: Setup) -> EmailSpec {
    let login = !setup.logins.is_empty();
    EmailSpec {
        host: "localhost".to_owned(),
        port: peer.address.port(),
        security: setup.security,
        login: login.then(|| ("user".to_owned(), Secret::new("pass".to_owned()))),
        from: "Trireme <alerts@example.com>".to_owned(),
        to: vec!["ops@example.com".to_owned(), "On call <oncall@example.com>".to_owned()],
    }
}

async fn sent(setup: Setup) -> (Result<Spoken, Trouble>, Vec<String>) {
    let authority = Authority::new("ours");
    let (peer, heard) = serve(setup, &authority).await;
    let answer =
        post_through(authority.trusted()).send(&channel(Way::Email(spec(&peer, setup))), &message(Stage::Opened)).await;
    let heard = heard.lock().expect("a list").clone();
    (answer, heard)
}

#[tokio::test]
async fn a_message_goes_to_all_recipients_over_tls_with_either_login() {
    for setup in [
        USUAL,
        Setup { logins: "AUTH LOGIN", ..USUAL },
        Setup { security: MailSecurity::Tls, ..USUAL },
        Setup { logins: "", ..USUAL },
        Setup { security: MailSecurity::None, offers_tls: false, logins: "", ..USUAL },
    ] {
        let (answer, heard) = sent(setup).await;
        assert_eq!(answer, Ok(Spoken { said: "250 2.0.0 queued as 1".to_owned(), complaint: None }));
        let place = |what: &str| heard.iter().position(|line| line.starts_with(what));
        if setup.security == MailSecurity::StartTls {
            assert!(place("STARTTLS") < place("(TLS)") && place("(TLS)") < place("MAIL"), "{heard:?}");
        }
        assert!(setup.logins.is_empty() == place("AUTH").is_none(), "{heard:?}");
        let to: Vec<_> = heard.iter().filter(|line| line.starts_with("RCPT")).collect();
        assert_eq!(to, ["RCPT TO:<ops@example.com>", "RCPT TO:<oncall@example.com>"]);
        let mail = &heard[place("DATA").expect("a message") + 1];
        let (head, body) = mail.split_once("\n\n").expect("a head and a body");
        assert!(head.contains("From: Trireme <alerts@example.com>") && head.contains("Message-ID: <ntc_"), "{head}");
        let body = BASE64.decode(body.replace('\n', "").as_bytes()).expect("base64");
        let body = String::from_utf8(body).expect("text");
        assert!(
            body.contains("Next: Look at it.") && body.contains("Dashboard: https://hooks.example/alerts"),
            "{body}"
        );
    }
}

#[tokio::test]
async fn what_a_mail_server_does_wrong_or_refuses_is_told_and_no_password_is_given_away() {
    for (setup, code, lasting, says) in [
        (Setup { offers_tls: false, ..USUAL }, "no_starttls", true, "STARTTLS"),
        (Setup { logins: "AUTH CRAM-MD5", ..USUAL }, "smtp_refused", true, "PLAIN and LOGIN"),
        (Setup { injected: "\r\n250 hello", ..USUAL }, "smtp_refused", true, "before TLS"),
        (Setup { verdict: "451 try later", ..USUAL }, "smtp_refused", false, "451 try later"),
        (Setup { verdict: "554 spam", ..USUAL }, "smtp_refused", true, "554 spam"),
        (Setup { refuses: "@example.com", ..USUAL }, "smtp_refused", true, "550 no such user"),
    ] {
        let (answer, heard) = sent(setup).await;
        let trouble = answer.expect_err(says);
        assert_eq!((trouble.code, trouble.lasting), (code, lasting), "{trouble:?}");
        assert!(trouble.problem.contains(says), "{}", trouble.problem);
        if setup.verdict == USUAL.verdict {
            assert!(!heard.iter().any(|line| line.starts_with("DATA")), "{heard:?}");
        }
    }
    for security in [MailSecurity::StartTls, MailSecurity::None] {
        let (answer, heard) = sent(Setup { security, offers_tls: false, ..USUAL }).await;
        assert!(answer.is_err() && !heard.iter().any(|line| line.starts_with("AUTH")), "{heard:?}");
    }
}

#[tokio::test]
async fn one_recipient_who_is_refused_keeps_the_others_from_nothing() {
    let (answer, heard) = sent(Setup { refuses: "oncall@", ..USUAL }).await;
    let spoken = answer.expect("the other gets it");
    assert!(spoken.complaint.is_some_and(|complaint| complaint.contains("oncall@example.com: 550 no such user")));
    assert!(heard.iter().any(|line| line.starts_with("DATA")));
}

#[tokio::test]
async fn a_server_that_cannot_prove_its_name_gets_nothing() {
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    for security in [MailSecurity::StartTls, MailSecurity::Tls] {
        let setup = Setup { security, ..USUAL };
        let (peer, heard) = serve(setup, &other).await;
        let channel = channel(Way::Email(spec(&peer, setup)));
        let trouble =
            post_through(ours.trusted()).send(&channel, &message(Stage::Opened)).await.expect_err("it is not trusted");
        assert_eq!((trouble.code, trouble.lasting), ("tls_failed", true));
        let heard = heard.lock().expect("a list").clone();
        assert!(!heard.iter().any(|line| line.starts_with("AUTH") || line.starts_with("MAIL")), "{heard:?}");
    }
}
