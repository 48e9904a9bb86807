//! What says whether a connection works: streams from which a record can be read.

use serde_json::{Map, Value as Json};

use crate::manifest::node::{Node, Read};
use crate::manifest::problem::Problem;

/// Streams that a template's definition is checked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckDynamic {
    pub name: String,
    /// How many of its streams; all of them where the manifest does not say.
    pub count: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckStreams {
    pub names: Vec<String>,
    pub dynamic: Vec<CheckDynamic>,
}

/// `check`, with what is laid over the config meanwhile: values as written, one level deep.
#[derive(Clone, Debug, PartialEq)]
pub enum Check {
    Streams {
        streams: CheckStreams,
        config: Map<String, Json>,
    },
    /// The first so many streams, whatever they are; `probes` is whether they are asked for a record.
    Dynamic {
        count: u64,
        probes: bool,
        config: Map<String, Json>,
    },
}

impl Check {
    /// The config to check with.
    #[must_use]
    pub fn config(&self, config: &Json) -> Json {
        let (Self::Streams { config: over, .. } | Self::Dynamic { config: over, .. }) = self;
        let mut config = config.clone();
        if let Json::Object(fields) = &mut config {
            fields.extend(over.clone());
        }
        config
    }
}

impl Read for Check {
    fn read(node: &Node) -> Result<Self, Problem> {
        let over: Option<Node> = node.maybe("config_overrides")?;
        let config = match over.map(|over| over.json().map(|json| (over, json))).transpose()? {
            None => Map::new(),
            Some((_, Json::Object(fields))) => fields,
            Some((over, _)) => return Err(over.wrong("a mapping of config fields to values")),
        };
        match &*node.kind("CheckStream")? {
            "CheckStream" => {
                let names = node.or("stream_names", Vec::new())?;
                let dynamic = node.or("dynamic_streams_check_configs", Vec::new())?;
                Ok(Self::Streams { streams: CheckStreams { names, dynamic }, config })
            }
            "CheckDynamicStream" => Ok(Self::Dynamic {
                count: node.need("stream_count")?,
                probes: node.or("use_check_availability", true)?,
                config,
            }),
            _ => Err(node.unsupported()),
        }
    }
}

impl Read for CheckDynamic {
    fn read(node: &Node) -> Result<Self, Problem> {
        Ok(Self { name: node.need("dynamic_stream_name")?, count: node.maybe("stream_count")? })
    }
}
