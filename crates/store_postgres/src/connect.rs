//! Connections: where to, how they are secured, and what each is told before it is used.

use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use store::StoreError;
use tokio_postgres::Config;

use crate::options::{CONNECT_TIME, IDLE_TIME, OpenOptions};
use crate::tls::Tls;

/// After this much silence a connection is asked whether it still stands.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
/// What was sent and not acknowledged for this long breaks the connection.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(15);

/// Lets the next use of each statement find its plan anew.
pub(crate) const DISCARD_PLANS: &str = "DISCARD PLANS";
/// A plan takes the server 0.1 to 1.3 ms to make (pg_stat_statements, planning tracked, on a busy machine): with some thirty
/// statements, little beside so many uses.
const USES_OF_A_PLAN: usize = 1_024;

/// Where the database is, and whom to trust there.
#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) config: Config,
    pub(crate) tls: Tls,
    /// Whether it may be listened there: not through a pooler that passes connections on.
    pub(crate) listen: bool,
}

impl Address {
    /// Reads it. It is never repeated in an error: it may hold a password.
    pub(crate) fn read(text: &str) -> Result<Self, StoreError> {
        let (text, root_file) = take_word(text, "sslrootcert");
        let (text, listen) = take_word(&text, "listen");
        let listen = match listen.as_deref() {
            None | Some("on") => true,
            Some("off") => false,
            Some(_) => return Err(StoreError::Refused("in the address of the database, listen is on or off".into())),
        };
        // The driver's one word for TLS, which verifies here: what the longer words ask for.
        let text =
            text.replace("sslmode=verify-full", "sslmode=require").replace("sslmode=verify-ca", "sslmode=require");
        let mut config: Config = text.parse().map_err(|error: tokio_postgres::Error| {
            StoreError::Refused(format!(
                "the address of the database cannot be read ({}): write postgres://USER:PASSWORD@HOST:PORT/DATABASE",
                crate::failure::whole(&error)
            ))
        })?;
        if config.get_application_name().is_none() {
            config.application_name("trireme");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIME);
        }
        config.keepalives_idle(KEEPALIVE_IDLE).tcp_user_timeout(ACKNOWLEDGED_WITHIN);
        Ok(Self { config, tls: Tls::new(root_file.as_deref())?, listen })
    }

    /// Where it goes, for messages: hosts and database, no password.
    pub(crate) fn place(&self) -> String {
        let (hosts, ports) = (self.config.get_hosts(), self.config.get_ports());
        let named = hosts.iter().enumerate().map(|(at, host)| {
            let port = ports.get(at).or(ports.first()).copied().unwrap_or(5432);
            match host {
                tokio_postgres::config::Host::Tcp(name) => format!("{name}:{port}"),
                tokio_postgres::config::Host::Unix(path) => format!("{}:{port}", path.display()),
            }
        });
        format!("{}/{}", named.collect::<Vec<_>>().join(","), self.config.get_dbname().unwrap_or_default())
    }
}

/// Takes `word=value` out of the query of a URL or out of the words of a connection string.
fn take_word(text: &str, word: &str) -> (String, Option<String>) {
    let mark = format!("{word}=");
    let Some(at) = text.find(&mark) else { return (text.to_owned(), None) };
    let rest = &text[at + mark.len()..];
    let value = &rest[..rest.find(['&', ' ']).unwrap_or(rest.len())];
    let before = text[..at].trim_end_matches(['&', ' ', '?']);
    let after = rest[value.len()..].trim_start_matches(['&', ' ']);
    let joint = match (text[..at].ends_with('?'), after.is_empty()) {
        (_, true) => "",
        (true, false) => "?",
        (false, false) => &text[at - 1..at],
    };
    (format!("{before}{joint}{after}"), Some(value.to_owned()))
}

pub(crate) fn pool(options: &OpenOptions, address: &Address) -> Result<Pool, StoreError> {
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(address.config.clone(), address.tls.clone(), recycling);
    let setup = setup(options);
    Pool::builder(manager)
        .max_size(options.pool_size())
        .runtime(Runtime::Tokio1)
        .create_timeout(Some(CONNECT_TIME))
        .wait_timeout(Some(options.lock_time))
        .post_create(Hook::async_fn(move |client, _| {
            let setup = setup.clone();
            Box::pin(async move { client.batch_execute(&setup).await.map_err(HookError::Backend) })
        }))
        .pre_recycle(Hook::async_fn(move |client, metrics| {
            let due = makes_plans_anew(metrics.recycle_count + 1);
            Box::pin(async move {
                match due {
                    true => client.batch_execute(DISCARD_PLANS).await.map_err(HookError::Backend),
                    false => Ok(()),
                }
            })
        }))
        .build()
        .map_err(|error| StoreError::Refused(error.to_string()))
}

/// Whether a connection forgets its plans before this use of it. A plan is made by how much there is at the time, and a
/// table that was empty then is read from one end to the other for each row when it is not: so plans are made anew as
/// often as the use of a connection doubles, and seldom after that. What is slow has them made anew besides, in
/// [`crate::session`], and statistics do, which a server gathers once in a minute.
const fn makes_plans_anew(uses: usize) -> bool {
    uses.is_power_of_two() || uses.is_multiple_of(USES_OF_A_PLAN)
}

/// Said on every new connection rather than in its start-up packet, which poolers do not pass on. Plans are made without
/// values: every statement here is one whose best plan does not depend on them. That it shall not depend on how much
/// there is either is why tables are read by their indexes.
fn setup(options: &OpenOptions) -> String {
    format!(
        "SET statement_timeout = {}; SET lock_timeout = {}; SET idle_in_transaction_session_timeout = {}; \
         SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET jit = off; \
         SET default_transaction_isolation = 'read committed'; SET client_min_messages = warning",
        options.statement_time.as_millis(),
        options.lock_time.as_millis(),
        IDLE_TIME.as_millis(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_taken_out_wherever_it_stands() {
        for (text, left, value) in [
            ("postgres://h/d", "postgres://h/d", None),
            ("postgres://h/d?sslrootcert=/a.pem", "postgres://h/d", Some("/a.pem")),
            ("postgres://h/d?sslrootcert=/a.pem&x=1", "postgres://h/d?x=1", Some("/a.pem")),
            ("postgres://h/d?x=1&sslrootcert=/a.pem&y=2", "postgres://h/d?x=1&y=2", Some("/a.pem")),
            ("host=h sslrootcert=/a.pem user=u", "host=h user=u", Some("/a.pem")),
        ] {
            assert_eq!(take_word(text, "sslrootcert"), (left.to_owned(), value.map(str::to_owned)), "{text}");
        }
    }

    /// A pooler that passes connections on loses what is said on them.
    #[test]
    fn the_guide_gives_to_the_user_whatever_a_connection_is_told() {
        let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide/scale.md"));
        let guide = guide.expect("the guide");
        let said = setup(&OpenOptions::at("", domain::Timestamp::EPOCH));
        let said: Vec<&str> = said.split(';').map(str::trim).collect();
        for setting in &said {
            assert!(guide.contains(&format!("ALTER ROLE trireme {setting};")), "the guide lacks {setting}");
        }
        assert_eq!(guide.matches("ALTER ROLE trireme").count(), said.len(), "and has no more");
    }

    #[test]
    fn it_is_listened_unless_the_address_says_otherwise() {
        let listens = |text| Address::read(text).map(|address| address.listen);
        assert_eq!(listens("postgres://h/d"), Ok(true));
        assert_eq!(listens("postgres://h/d?listen=on"), Ok(true));
        assert_eq!(listens("postgres://h/d?sslmode=disable&listen=off"), Ok(false));
        assert!(listens("postgres://h/d?listen=sometimes").is_err());
    }

    #[test]
    fn a_wrong_address_is_told_without_its_password() {
        for text in ["postgres://u:geheim@h:port/d", "nonsense geheim", "postgres://u:geheim@h/d?sslmode=maybe"] {
            let Err(error) = Address::read(text) else { panic!("{text} was read") };
            assert!(!error.to_string().contains("geheim"), "{error}");
        }
        let address = Address::read("postgres://u:geheim@h,i:6/d?sslmode=verify-full").map(|address| address.place());
        assert_eq!(address, Ok("h:5432,i:6/d".to_owned()));
    }
}
