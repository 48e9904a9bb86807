//! Databases of one's own on a server, for measurements: made, held open, removed, and what an event costs their bare
//! tables. It must never be pointed at a database that is to be kept: it touches only those that it made.

use std::pin::pin;

use domain::Timestamp;
use store::StoreError;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Config};
use uuid::Uuid;

use crate::connect::Address;
use crate::failure::whole;

/// The database that every server has, and that others are made from within.
const MAINTENANCE: &str = "postgres";

/// A server where databases may be made.
#[derive(Clone)]
pub struct Server {
    /// As given, with `{}` where the database goes.
    text: String,
}

/// A database that was made here.
pub struct Scratch {
    server: Server,
    name: String,
}

/// A connection that does what it is told, one thing after another.
pub struct Session {
    client: Client,
}

impl Server {
    /// Of an address that names any database or none: `postgres://user@host:port/…?…`.
    ///
    /// # Errors
    /// [`StoreError::Refused`] if it is no such address.
    pub fn at(address: &str) -> Result<Self, StoreError> {
        let refused = || StoreError::Refused("write the server as postgres://USER:PASSWORD@HOST:PORT".to_owned());
        let (scheme, rest) = address.split_once("://").ok_or_else(refused)?;
        let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
        let host = place.split('/').next().unwrap_or_default();
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        let text = format!("{scheme}://{host}/{{}}{query}");
        Address::read(&text.replace("{}", MAINTENANCE))?;
        Ok(Self { text })
    }

    fn address(&self, database: &str) -> String {
        self.text.replace("{}", database)
    }

    async fn connect(&self, database: &str) -> Result<Client, StoreError> {
        let Address { config, tls, .. } = Address::read(&self.address(database))?;
        let config: Config = config;
        let connected = config.connect(tls).await;
        let (client, connection) = connected.map_err(|error| StoreError::Unreachable(whole(&error)))?;
        // It ends with the client, and what it has to say is told by whoever asked.
        tokio::spawn(async move { connection.await.is_ok() });
        Ok(client)
    }

    /// Makes an empty database. `number` tells those of one process apart.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`] or [`StoreError::Refused`].
    pub async fn make(&self, number: u32) -> Result<Scratch, StoreError> {
        let name = format!("scratch_{}_{number}", std::process::id());
        let client = self.connect(MAINTENANCE).await?;
        client.batch_execute(&format!("CREATE DATABASE {name}")).await.map_err(|error| refused(&error))?;
        Ok(Scratch { server: self.clone(), name })
    }
}

impl Scratch {
    #[must_use]
    pub fn address(&self) -> String {
        self.server.address(&self.name)
    }

    /// Removes it, whoever is still connected.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`] or [`StoreError::Refused`].
    pub async fn remove(&self) -> Result<(), StoreError> {
        let client = self.server.connect(MAINTENANCE).await?;
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        client.batch_execute(&drop).await.map_err(|error| refused(&error))
    }

    /// # Errors
    /// [`StoreError::Unreachable`].
    pub async fn session(&self) -> Result<Session, StoreError> {
        Ok(Session { client: self.server.connect(&self.name).await? })
    }
}

impl Session {
    /// The process at the server's end.
    ///
    /// # Errors
    /// [`StoreError::Refused`].
    pub async fn process(&self) -> Result<u32, StoreError> {
        let row = self.client.query_one("SELECT pg_backend_pid()", &[]).await.map_err(|error| refused(&error))?;
        Ok(u32::try_from(row.get::<_, i32>(0)).unwrap_or_default())
    }

    /// Opens a transaction that sees the database as it is now, for as long as the session lives: nothing that is
    /// removed meanwhile can be cleaned away.
    ///
    /// # Errors
    /// [`StoreError::Refused`].
    pub async fn hold(&self) -> Result<(), StoreError> {
        let hold = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT 1";
        self.client.batch_execute(hold).await.map_err(|error| refused(&error))
    }

    /// Makes the bare tables: events with an index of their time and a unique one of a key that is in no order, and a
    /// queue.
    ///
    /// # Errors
    /// [`StoreError::Refused`].
    pub async fn make_bare(&self) -> Result<(), StoreError> {
        const TABLES: &str = "
            CREATE TABLE bare_events (id uuid NOT NULL, source integer NOT NULL, key uuid NOT NULL,
              received_at bigint NOT NULL, payload bytea NOT NULL);
            CREATE UNIQUE INDEX ON bare_events (source, key);
            CREATE INDEX ON bare_events (received_at);
            CREATE TABLE bare_queue (id uuid PRIMARY KEY, due_at bigint NOT NULL, state smallint NOT NULL)
              WITH (fillfactor = 70);
            CREATE INDEX ON bare_queue (due_at) WHERE state = 1;";
        self.client.batch_execute(TABLES).await.map_err(|error| refused(&error))
    }

    /// Writes events and their queue entries durably, in one transaction. Their keys are in no order, as digests are.
    ///
    /// # Errors
    /// [`StoreError::Refused`].
    pub async fn write_bare(&self, ids: &[Uuid], at: Timestamp, payload: &[u8]) -> Result<(), StoreError> {
        let written = async {
            self.client.batch_execute("BEGIN").await?;
            let events = self.client.copy_in("COPY bare_events FROM STDIN BINARY").await?;
            let types = [Type::UUID, Type::INT4, Type::UUID, Type::INT8, Type::BYTEA];
            let mut events = pin!(BinaryCopyInWriter::new(events, &types));
            for id in ids {
                let key = Uuid::from_u128(id.as_u128().reverse_bits());
                events.as_mut().write(&[id, &1_i32, &key, &at.as_micros(), &payload]).await?;
            }
            events.as_mut().finish().await?;
            let queue = self.client.copy_in("COPY bare_queue FROM STDIN BINARY").await?;
            let mut queue = pin!(BinaryCopyInWriter::new(queue, &[Type::UUID, Type::INT8, Type::INT2]));
            for id in ids {
                queue.as_mut().write(&[id, &at.as_micros(), &1_i16]).await?;
            }
            queue.as_mut().finish().await?;
            self.client.batch_execute("COMMIT").await
        };
        written.await.map_err(|error| refused(&error))
    }

    /// Claims the oldest queue entries and removes them, a transaction each. Gives how many that were.
    ///
    /// # Errors
    /// [`StoreError::Refused`].
    pub async fn end_bare(&self, most: i64) -> Result<u64, StoreError> {
        const CLAIM: &str = "UPDATE bare_queue SET state = 2 WHERE id IN
            (SELECT id FROM bare_queue WHERE state = 1 ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED) RETURNING id";
        let ended = async {
            let rows = self.client.query(CLAIM, &[&most]).await?;
            let ids: Vec<Uuid> = rows.iter().map(|row| row.get(0)).collect();
            self.client.execute("DELETE FROM bare_queue WHERE id = ANY ($1)", &[&ids]).await
        };
        ended.await.map_err(|error| refused(&error))
    }
}

fn refused(error: &tokio_postgres::Error) -> StoreError {
    StoreError::Refused(whole(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_is_put_where_an_address_has_it() {
        for (given, of) in [
            ("postgres://u:p@h:5432", "postgres://u:p@h:5432/x"),
            ("postgres://u@h/other?sslmode=require", "postgres://u@h/x?sslmode=require"),
            ("postgresql://u@%2Ftmp%2Fs/", "postgresql://u@%2Ftmp%2Fs/x"),
        ] {
            assert_eq!(Server::at(given).map(|server| server.address("x")), Ok(of.to_owned()), "{given}");
        }
        assert!(Server::at("host=h user=u").is_err());
    }
}
