//! Whether a configuration works: from each stream that the manifest names, one record is asked for.

use std::collections::BTreeSet;

use connectors::manifest::source::{Check, CheckDynamic};
use domain::Purpose;
use serde_json::Value as Json;

use super::failure::ReadFailure;
use super::partitions::Partitions;
use super::reader::{Named, Reader, prepared};
use super::run::Run;
use super::stream::ReadStream;
use super::told::Listener;

/// Where a caller names the streams to check, in place of the manifest's.
const NAMES_FIELD: &str = "__airbyte_check_stream_names";

impl Reader {
    /// `Ok(Err(why))` if the configuration does not work. A failure is that it could not even be tried.
    pub async fn check(&self, listener: &dyn Listener) -> Result<Result<(), String>, ReadFailure> {
        let run = self.run(Purpose::Check, listener);
        let check = self.source().check.clone().ok_or_else(|| {
            ReadFailure::system("check_missing", "the manifest has no 'check', which says how a connection is tried")
        })?;
        let (names, templates) = match &check {
            Check::Streams { streams, .. } => (self.named(&streams.names)?, &*streams.dynamic),
            Check::Dynamic { .. } => (Vec::new(), &[][..]),
        };
        let wanted: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        let needs_made = matches!(check, Check::Dynamic { .. }) || !templates.is_empty();
        let known = self.streams(&run, (!needs_made).then_some(&wanted)).await?;
        if known.is_empty() {
            return Ok(Err("the manifest has no stream to check".to_owned()));
        }
        let probed: Vec<&Named> = match &check {
            Check::Streams { .. } => chosen(&known, &names, templates)?,
            Check::Dynamic { probes: false, .. } => Vec::new(),
            Check::Dynamic { count, .. } => known.iter().take(size(*count)).collect(),
        };
        for named in probed {
            if let Err(why) = self.available(&run, named).await? {
                return Ok(Err(why));
            }
        }
        Ok(Ok(()))
    }

    fn named(&self, names: &[String]) -> Result<Vec<String>, ReadFailure> {
        let config = self.config();
        match config.get(NAMES_FIELD) {
            None => Ok(names.to_vec()),
            Some(Json::Array(given)) if given.is_empty() => Ok(names.to_vec()),
            Some(Json::Array(given)) if given.iter().all(Json::is_string) => {
                Ok(given.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect())
            }
            Some(_) => Err(ReadFailure::system("check_names", format!("{NAMES_FIELD} must be a list of texts"))),
        }
    }

    /// Whether a record can be asked for; there need not be one.
    async fn available(&self, run: &Run<'_>, named: &Named) -> Result<Result<(), String>, ReadFailure> {
        let asked = match &named.stream {
            Ok(stream) => match prepared(run, stream, &Json::Null, self.circumstances(&named.name)).await {
                Ok((stream, _)) => first_record(run, &stream).await,
                Err(failure) => Err(failure),
            },
            Err(failure) => Err(failure.clone()),
        };
        match asked {
            Ok(true) => Ok(Ok(())),
            Ok(false) => Ok(Err(format!("stream {} is not available: it has nothing to be read", named.name))),
            Err(failure) if failure.is_closed() => Err(failure),
            Err(failure) => Ok(Err(format!("stream {} is not available: {failure}", named.name))),
        }
    }
}

/// Of the streams that there are, those that the manifest names, and so many of those that its templates made.
fn chosen<'k>(known: &'k [Named], names: &[String], templates: &[CheckDynamic]) -> Result<Vec<&'k Named>, ReadFailure> {
    let mut chosen = Vec::new();
    for name in names {
        let named = known.iter().find(|named| named.name == *name).ok_or_else(|| {
            let message = format!("'{name}' is to be checked, but there is no such stream");
            ReadFailure::system("check_stream_unknown", message)
        })?;
        chosen.push(named);
    }
    for template in templates {
        let made = known.iter().filter(|named| named.template.as_ref() == Some(&template.name));
        chosen.extend(made.take(template.count.map_or(usize::MAX, size)));
    }
    Ok(chosen)
}

fn size(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// Asks the first slice for a record. Whether there was a slice.
async fn first_record(run: &Run<'_>, stream: &ReadStream) -> Result<bool, ReadFailure> {
    let (mut cursor, state) = stream.cursor(run, Json::Null)?;
    let mut partitions = Partitions::new(run, stream, &state)?;
    loop {
        if let Some(mut open) = cursor.open()? {
            stream.probe(run, &mut open).await?;
            return Ok(true);
        }
        let Some(found) = partitions.next().await? else { return Ok(false) };
        let _ = cursor.enter(found.partition, found.parents.as_ref(), run.client.now());
    }
}
