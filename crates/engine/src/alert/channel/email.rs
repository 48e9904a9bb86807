//! Mail: one message of plain text to all recipients, through the server that its owner names.

use std::sync::Arc;
use std::time::Duration;

use super::{Post, Spoken, Trouble};
use crate::alert::mail::smtp::{Submission, submit};
use crate::alert::mail::{Letter, Mailbox};
use crate::alert::message::Message;
use crate::clock::{Elapsed, timeout};
use crate::spec::{EmailSpec, MailSecurity};
use crate::transport::{Target, WireRequest};

const CONNECT: Duration = Duration::from_secs(10);
/// For the whole conversation: servers look recipients up, and some make strangers wait.
const CONVERSATION: Duration = Duration::from_secs(60);

pub(super) async fn send(post: &Post, spec: &EmailSpec, message: &Message) -> Result<Spoken, Trouble> {
    let not_an_address = || Trouble::lasting("address_unusable", "its addresses cannot be read");
    let from = Mailbox::parse(&spec.from).ok_or_else(not_an_address)?;
    let to: Vec<Mailbox> = spec.to.iter().filter_map(|text| Mailbox::parse(text)).collect();
    let text = format!("{}\n\n{}\n", message.title, message.text());
    let letter = Letter {
        from: &from,
        to: &to,
        subject: &message.title,
        text: &text,
        id: &message.id,
        thread: &message.thread,
        at: message.at,
    };
    let bytes = letter.bytes();
    let submission = Submission {
        hello: from.address().rsplit_once('@').map_or("localhost", |(_, domain)| domain),
        security: spec.security,
        login: spec.login.as_ref(),
        from: from.address(),
        to: to.iter().map(Mailbox::address).collect(),
        message: &bytes,
    };
    let target = Target::server(&spec.host, spec.port, &post.egress).map_err(|refused| Trouble::of_target(&refused))?;
    let tls = spec.security == MailSecurity::Tls;
    let request = WireRequest { target: Arc::new(target), tls, connect: CONNECT };
    let wire = post.transport.wire(request).await.map_err(|error| Trouble::of_send(&error))?;
    match timeout(&*post.clock, CONVERSATION, submit(wire, &submission)).await {
        Ok(told) => told,
        Err(Elapsed) => {
            Err(Trouble::passing("total_timeout", format!("the mail server took longer than {CONVERSATION:?}")))
        }
    }
}
