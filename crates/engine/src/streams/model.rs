//! What is known of a stream: the object that its records are, what names one, which of two states is the later, and
//! how it is told that one is gone.

use std::sync::Arc;
use std::time::Duration;

use connectors::manifest::cursor::{IncrementalSync, Point};
use connectors::manifest::extension::{Deletes, RecordId, VersionField};
use connectors::manifest::node::Read as _;
use connectors::manifest::scope::Scope;
use connectors::manifest::stream::Stream;
use domain::identity::Digest;
use domain::subject::SubjectState;
use domain::{Subject, Timestamp, Version};
use ring::digest::{Context, SHA256};
use serde_json::Value as Json;

use crate::connector::Connector;
use crate::reading::ReadFailure;

/// Longest id that is kept as it is; longer ones are kept as their digest, so that no two become one by being cut. So
/// are ids of several parts that could be parted otherwise.
const ID_BYTES_MAX: usize = 128;
/// The precision of a time of which nothing is said.
const EXACT: Duration = Duration::from_micros(1);
/// Two changes within it have one version, where a time is written in whole seconds.
const WHOLE_SECOND: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub stream: Arc<str>,
    pub object: Arc<str>,
    /// Paths of what names a record; empty where nothing does.
    key: Vec<Vec<String>>,
    version: Option<VersionField>,
    pub deletes: Deletes,
    /// One record can be asked for by its id.
    pub has_get: bool,
    /// A page's token means the same tomorrow.
    pub pages_are_durable: bool,
    /// Each reading of the stream gives all of its records.
    pub is_whole: bool,
    /// No reading gives what changed last before this time, which may move along with now.
    listed_from: Option<Timestamp>,
    /// Nor what changed at this time or later, if that is not now.
    listed_until: Option<Timestamp>,
    /// What changes now leaves its list for a while, whatever the record's version is.
    ends_early: bool,
    /// It lists what is gone of another stream's records: that stream, if one of them can be asked for by its id.
    lists_gone: bool,
    asked_of: Option<Arc<str>>,
}

/// A record as it was read.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    /// `None`: nothing names it, and its bytes are all that tells it apart.
    pub subject: Option<Subject>,
    pub state: SubjectState,
    pub digest: Digest,
    /// Until then another state may have the same version.
    pub settled_at: Option<Timestamp>,
}

impl Model {
    /// What a connector says of one of its streams.
    pub fn of(connector: &Connector, stream: &str, config: &Json, now: Timestamp) -> Result<Self, ReadFailure> {
        let declared = connector.source.declared().iter().find(|declared| declared.name == stream);
        let typed = declared.map(|declared| Stream::read(&declared.node.afresh())).transpose()?;
        let extension = connector.extension.streams.get(stream);
        let ways = typed.iter().flat_map(Stream::ways);
        let (mut key, mut cursor, mut listed_from) = (Vec::new(), None, None);
        let (mut listed_until, mut ends_early) = (None, false);
        for way in ways {
            key.clone_from(&way.primary_key.0);
            if let Some(sync) = &way.sync {
                let scope = Scope::new(config, crate::reading::timestamp(now));
                // A cursor of dates is as exact as it is written, one of counts counts.
                let (precision, formats, rules) = match sync {
                    // A start that cannot be read fails the reading, which says more.
                    IncrementalSync::Dates(dates) => {
                        (EXACT, Some(Arc::new(dates.formats())), dates.rules(&scope, &[]).ok())
                    }
                    IncrementalSync::Counts(_) => (Duration::ZERO, None, None),
                };
                let at = |point: Point| {
                    let micros = point.micros_since(Point::at(scope.now()));
                    Timestamp::from_micros(now.as_micros().saturating_add(micros))
                };
                ends_early = rules.as_ref().is_some_and(|rules| rules.ends_before(scope.now()));
                listed_until = rules.as_ref().filter(|_| ends_early).map(|rules| at(rules.end(scope.now())));
                listed_from = rules.map(|rules| at(rules.start));
                cursor = Some(VersionField { field: vec![sync.field(&scope, &[])?.to_string()], precision, formats });
            }
        }
        let is_whole = cursor.is_none();
        let own = extension.and_then(|extension| extension.version.clone());
        // A version that is not the cursor does not say what a reading gives.
        let by_version = own.as_ref().is_none_or(|own| cursor.as_ref().is_some_and(|cursor| cursor.field == own.field));
        let version = own.or(cursor);
        Ok(Self {
            stream: stream.into(),
            object: extension.and_then(|extension| extension.object.as_deref()).unwrap_or(stream).into(),
            pages_are_durable: extension.is_some_and(|extension| extension.pages_are_durable),
            has_get: extension.is_some_and(|extension| extension.get.is_some()) && key.len() == 1,
            key,
            version,
            // Where nothing is said, what a complete list does not have any more is gone.
            deletes: match extension.and_then(|extension| extension.deletes.clone()) {
                Some(deletes) => deletes,
                None if is_whole => Deletes::Scan,
                None => Deletes::None,
            },
            is_whole,
            listed_from: listed_from.filter(|_| by_version),
            listed_until: listed_until.filter(|_| by_version),
            ends_early,
            lists_gone: false,
            asked_of: None,
        })
    }

    /// The same stream as one that lists what is gone of another's records.
    pub fn gone_of(self, other: &Self) -> Self {
        Self {
            object: Arc::clone(&other.object),
            deletes: Deletes::None,
            lists_gone: true,
            asked_of: other.has_get.then(|| Arc::clone(&other.stream)),
            ..self
        }
    }

    /// Whether a complete reading has to give a record, if it is still there.
    pub fn is_listed(&self, version: Option<Version>) -> bool {
        let Some(Version::Time(at)) = version else { return true };
        self.listed_from.is_none_or(|from| at >= from) && self.listed_until.is_none_or(|until| at < until)
    }

    /// Whether a record that complete readings lack may be gone. One that changed after the end of the list is lacked by
    /// them too, and only asking for it tells the two apart.
    pub fn tells_absence(&self) -> bool {
        self.has_get || !self.ends_early
    }

    /// Whether what it lists is gone.
    pub fn lists_gone(&self) -> bool {
        self.lists_gone
    }

    /// The stream that can be asked whether one of what it lists is really gone.
    pub fn asked_of(&self) -> Option<&str> {
        self.asked_of.as_deref()
    }

    /// What a record says of its subject.
    pub fn reading(&self, record: &Json) -> Reading {
        let subject = self.subject(record);
        let version = self.version.as_ref().and_then(|field| field.of(record));
        let settled_at = match (version, &self.version) {
            (Some(Version::Time(time)), Some(field)) => {
                let value = at(record, &field.field);
                let is_exact = value.and_then(Json::as_str).is_some_and(|text| text.contains('.'));
                // Who writes the day alone has one version for all of it.
                let written =
                    field.formats.as_ref().filter(|formats| value.is_some_and(|value| formats.read(value).is_ok()));
                let tick = written.map_or(WHOLE_SECOND, |formats| formats.tick());
                Some(time + if is_exact { field.precision } else { field.precision.max(tick) })
            }
            _ => None,
        };
        let deleted = match &self.deletes {
            Deletes::Tombstone(sign) => sign.holds(record),
            Deletes::None | Deletes::Feed(_) | Deletes::Scan => self.lists_gone,
        };
        let digest = digest_of(record);
        let state = SubjectState { version, deleted, reading: Some(digest) };
        Reading { subject, state, digest, settled_at }
    }

    /// What a record is called, if something names it.
    pub fn subject(&self, record: &Json) -> Option<Subject> {
        if self.key.is_empty() {
            return None;
        }
        let parts: Option<Vec<&Json>> = self.key.iter().map(|path| at(record, path)).collect();
        subject_of(&self.object, &parts?)
    }

    /// Whether a record has anything of what names one, be it nothing; so has every record of a stream that names none.
    pub fn may_name(&self, record: &Json) -> bool {
        self.key.is_empty() || self.key.iter().any(|path| at(record, path).is_some())
    }

    /// What names a record, for people.
    pub fn key_shown(&self) -> String {
        let paths: Vec<String> = self.key.iter().map(|path| format!("'{}'", path.join("."))).collect();
        paths.join(" and ")
    }

    /// The id in a subject's name, if it was kept as it is.
    pub fn id_of<'s>(&self, subject: &'s Subject) -> Option<&'s str> {
        let id = subject.as_str().strip_prefix(&*self.object)?.strip_prefix('/')?;
        (!id.starts_with(DIGESTED)).then_some(id)
    }

    /// The id by which a record can be asked for, if it can be. One that cannot stand in an address cannot, and must not
    /// end the run of all others.
    pub fn askable<'s>(&self, subject: &'s Subject) -> Option<&'s str> {
        self.id_of(subject).filter(|id| self.has_get && RecordId::new(id).is_ok())
    }

    /// Whether a second complete reading without a record says that it is gone: it cannot be asked for.
    pub fn scans_confirm(&self, subject: &Subject) -> bool {
        !self.ends_early && self.askable(subject).is_none()
    }

    /// What is told of a record of which only the name is known.
    pub fn stub(&self, subject: &Subject) -> Json {
        let id = self.id_of(subject).unwrap_or_else(|| subject.as_str());
        let field = match &self.key[..] {
            [path] => path.last().map_or("id", String::as_str),
            _ => "id",
        };
        Json::Object([(field.to_owned(), Json::from(id))].into_iter().collect())
    }
}

/// A subject's name: its object, and the parts of what names it; `None` if one of them is nothing.
pub(crate) fn subject_of(object: &str, parts: &[&Json]) -> Option<Subject> {
    Some(Subject::of(object, &id_text(parts)?))
}

/// What an id begins with that was too long to be kept.
const DIGESTED: &str = "sha256:";

/// The parts of a key as one text; `None` if one of them is nothing.
fn id_text(parts: &[&Json]) -> Option<String> {
    let mut texts = Vec::with_capacity(parts.len());
    for part in parts {
        texts.push(match part {
            Json::Null => return None,
            Json::String(text) if text.is_empty() => return None,
            Json::String(text) => text.clone(),
            other => other.to_string(),
        });
    }
    let text = texts.join(",");
    let is_plain = texts.len() == 1 || texts.iter().all(|text| !text.contains(','));
    if text.len() <= ID_BYTES_MAX && is_plain {
        return Some(text);
    }
    // The parts, and not their joined text: "a,b" and "c" are other parts than "a" and "b,c".
    let whole = Json::Array(parts.iter().map(|part| (*part).clone()).collect());
    Some(format!("{DIGESTED}{}", data_encoding::HEXLOWER.encode(&digest_of(&whole).0)))
}

fn at<'r>(record: &'r Json, path: &[String]) -> Option<&'r Json> {
    path.iter().try_fold(record, |at, name| match at {
        Json::Object(fields) => fields.get(name),
        Json::Array(items) => items.get(name.parse::<usize>().ok()?),
        _ => None,
    })
}

/// The digest of a record, whatever the order of its fields: some sources write them in another one each time.
pub(crate) fn digest_of(record: &Json) -> Digest {
    let mut context = Context::new(&SHA256);
    feed(&mut context, record);
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    Digest(digest)
}

fn feed(context: &mut Context, value: &Json) {
    match value {
        Json::Object(fields) => {
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort_unstable();
            context.update(b"{");
            context.update(&(fields.len() as u64).to_be_bytes());
            for name in names {
                text(context, name);
                feed(context, &fields[name]);
            }
        }
        Json::Array(items) => {
            context.update(b"[");
            context.update(&(items.len() as u64).to_be_bytes());
            items.iter().for_each(|item| feed(context, item));
        }
        Json::String(own) => text(context, own),
        Json::Number(number) => {
            context.update(b"#");
            text(context, &number.to_string());
        }
        Json::Bool(true) => context.update(b"t"),
        Json::Bool(false) => context.update(b"f"),
        Json::Null => context.update(b"n"),
    }
}

fn text(context: &mut Context, text: &str) {
    context.update(b"\"");
    context.update(&(text.len() as u64).to_be_bytes());
    context.update(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_order_of_fields_changes_nothing_and_everything_else_does() {
        let one: Json = serde_json::from_str(r#"{"a": 1, "b": [1, 2]}"#).expect("JSON");
        let other: Json = serde_json::from_str(r#"{"b": [1, 2], "a": 1}"#).expect("JSON");
        assert_eq!(digest_of(&one), digest_of(&other));
        for different in
            [json!({"a": 1, "b": [2, 1]}), json!({"a": "1", "b": [1, 2]}), json!({"a": 1}), json!(["a", 1])]
        {
            assert_ne!(digest_of(&one), digest_of(&different), "{different}");
        }
    }

    #[test]
    fn ids_are_told_apart_however_long_they_are() {
        let (long, longer) = ("x".repeat(300), "x".repeat(301));
        let text = |parts: &[Json]| id_text(&parts.iter().collect::<Vec<_>>());
        assert_eq!(text(&[json!(7), json!("a")]), Some("7,a".to_owned()));
        assert_ne!(text(&[json!(long)]), text(&[json!(longer)]));
        assert_ne!(text(&[json!(long.clone()), json!("b,c")]), text(&[json!(format!("{long},b")), json!("c")]));
        assert_ne!(text(&[json!("a,b"), json!("c")]), text(&[json!("a"), json!("b,c")]));
        assert_eq!((text(&[json!(null)]), text(&[json!("")])), (None, None));
    }
}
