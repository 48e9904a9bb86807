//! What a source offers to be read: its streams with their schemas, keys and cursors.

use connectors::manifest::cursor::IncrementalSync;
use domain::Purpose;
use serde_json::{Value as Json, json};

use super::failure::ReadFailure;
use super::reader::{Reader, prepared};
use super::stream::ReadStream;
use super::told::Listener;

/// A stream that can be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    pub name: String,
    pub schema: Json,
    /// What tells records apart, a path for each part.
    pub primary_key: Vec<Vec<String>>,
    pub cursor_field: Option<String>,
    /// Whether the catalog may name another cursor field.
    pub follows_catalog: bool,
    pub has_files: bool,
}

impl Reader {
    /// All streams that there are for the configuration.
    pub async fn discover(&self, listener: &dyn Listener) -> Result<Vec<Offer>, ReadFailure> {
        let run = self.run(Purpose::Read, listener);
        let mut offers = Vec::new();
        for named in self.streams(&run, None).await? {
            let stream = named.stream?;
            let (stream, _) = prepared(&run, &stream, &Json::Null, self.circumstances(&named.name)).await?;
            let config = self.config();
            offers.push(Offer::of(&stream, stream.cursor_field(&config, run.client.now())?));
        }
        Ok(offers)
    }
}

impl Offer {
    fn of(stream: &ReadStream, cursor_field: Option<String>) -> Self {
        Self {
            name: stream.name.to_string(),
            schema: match stream.schema.json() {
                Json::Null => json!({}),
                schema => schema.clone(),
            },
            primary_key: stream.declared.primary_key.0.clone(),
            cursor_field,
            follows_catalog: stream.sync().is_some_and(IncrementalSync::follows_catalog),
            has_files: stream.declared.has_files,
        }
    }

    /// As the line protocol tells it.
    #[must_use]
    pub fn json(&self) -> Json {
        let mut modes = vec!["full_refresh"];
        modes.extend(self.cursor_field.as_ref().map(|_| "incremental"));
        let mut told = json!({ "name": self.name, "json_schema": self.schema, "supported_sync_modes": modes });
        if let Some(field) = &self.cursor_field {
            told["source_defined_cursor"] = (!self.follows_catalog).into();
            told["default_cursor_field"] = json!([field]);
        }
        if !self.primary_key.is_empty() {
            told["source_defined_primary_key"] = json!(self.primary_key);
        }
        told["is_resumable"] = self.cursor_field.is_some().into();
        told["is_file_based"] = self.has_files.into();
        told
    }
}
