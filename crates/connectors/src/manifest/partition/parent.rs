//! Partitions from the records of a parent stream.

use serde_json::{Map, Value as Json};

use crate::manifest::node::{Node, Read};
use crate::manifest::path::Path;
use crate::manifest::problem::{Fault, Problem};

use crate::manifest::request::RequestOption;
use crate::manifest::scope::Scope;
use crate::manifest::setting::Setting;
use crate::manifest::slice::Slice;

use super::error::PartitionError;

/// The field of a partition that holds the partition of its parent's record.
const PARENT_SLICE: &str = "parent_slice";

/// A parent stream, and how its records become partitions.
#[derive(Clone, Debug)]
pub struct Parent {
    /// The stream's definition, read where it is needed: streams share their parents.
    pub stream: Node,
    pub stream_name: String,
    key: Setting,
    pub(crate) partition_field: Setting,
    extra_fields: Vec<Vec<Setting>>,
    lazy_read_pointer: Vec<Setting>,
    /// The parent resumes from its own state, which this stream's state keeps.
    pub incremental_dependency: bool,
    pub(crate) option: Option<RequestOption>,
}

/// A parent with its templates evaluated.
#[derive(Debug)]
pub(super) struct Reading {
    name: String,
    field: String,
    key_text: String,
    key: Path,
    extra_fields: Vec<(String, Path)>,
    lazy_read_pointer: Option<Path>,
}

impl Parent {
    #[must_use]
    pub fn is_lazy(&self) -> bool {
        !self.lazy_read_pointer.is_empty()
    }

    pub(super) fn reading(&self, scope: &Scope<'_>) -> Result<Reading, PartitionError> {
        let names = |option, settings: &[Setting]| {
            let names = settings.iter().map(|setting| setting.text(scope)).collect::<Result<Vec<_>, _>>();
            names.map_err(|failure| PartitionError::Template { option, failure })
        };
        let extra_fields = self.extra_fields.iter().map(|path| {
            let names = names("extra_fields", path)?;
            Ok((names.join("."), Path::of(&names)))
        });
        let key_text = names("parent_key", std::slice::from_ref(&self.key))?.concat();
        let lazy = names("lazy_read_pointer", &self.lazy_read_pointer)?;
        Ok(Reading {
            name: self.stream_name.clone(),
            field: names("partition_field", std::slice::from_ref(&self.partition_field))?.concat(),
            key: path_of(&key_text),
            key_text,
            extra_fields: extra_fields.collect::<Result<_, PartitionError>>()?,
            lazy_read_pointer: (!lazy.is_empty()).then(|| Path::of(&lazy)),
        })
    }
}

/// A path written as one text, its names divided by `/`.
fn path_of(text: &str) -> Path {
    match text.trim_start_matches('/') {
        "" => Path::default(),
        text => Path::of(&text.split('/').collect::<Vec<_>>()),
    }
}

impl Reading {
    /// The partition of a record, `None` if the record has no key. `parent` is the slice that the record was read from.
    pub fn partition(&self, record: &Json, parent: &Slice) -> Result<Option<Slice>, PartitionError> {
        let Some(value) = self.find(&self.key, record, &self.key_text)?.filter(|value| !value.is_null()) else {
            return Ok(None);
        };
        let mut partition = Map::new();
        partition.insert(self.field.clone(), value.clone());
        partition.insert(PARENT_SLICE.to_owned(), Json::Object(parent.partition().clone()));
        let mut slice = Slice::of(partition);
        if !self.extra_fields.is_empty() {
            let found = |(name, path): &(String, Path)| {
                let value = self.find(path, record, name)?.cloned().unwrap_or(Json::Null);
                Ok((name.clone(), value))
            };
            let fields = self.extra_fields.iter().map(found).collect::<Result<_, PartitionError>>()?;
            slice = slice.with_extra_fields(fields);
        }
        if let Some(path) = &self.lazy_read_pointer {
            let response = self.find(path, record, "lazy_read_pointer")?.cloned();
            slice = slice.with_child_response(response.unwrap_or_else(|| Json::Array(Vec::new())));
        }
        Ok(Some(slice))
    }

    fn find<'a>(&self, path: &Path, record: &'a Json, text: &str) -> Result<Option<&'a Json>, PartitionError> {
        path.one(record).map_err(|_| PartitionError::Ambiguous { parent: self.name.clone(), path: text.to_owned() })
    }
}

impl Read for Parent {
    fn read(node: &Node) -> Result<Self, Problem> {
        let kind = node.kind("ParentStreamConfig")?;
        if &*kind != "ParentStreamConfig" {
            return Err(node.unsupported());
        }
        let stream: Node = node.need("stream")?;
        let lazy_read_pointer: Vec<Setting> = node.or("lazy_read_pointer", Vec::new())?;
        if lazy_read_pointer.iter().any(|name| name.source().contains('*')) {
            let message = "'lazy_read_pointer' must be a direct path, without '*'";
            return Err(node.problem(Fault::Wrong, message.to_owned()));
        }
        Ok(Self {
            stream_name: stream.or("name", String::new())?,
            stream,
            key: node.need("parent_key")?,
            partition_field: node.need("partition_field")?,
            extra_fields: node.or("extra_fields", Vec::new())?,
            lazy_read_pointer,
            incremental_dependency: node.or("incremental_dependency", false)?,
            option: node.maybe("request_option")?,
        })
    }
}
