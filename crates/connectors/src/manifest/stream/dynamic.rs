//! Streams made from a template: one for each set of values that the config, the source or the manifest itself lists.

use serde_json::{Map, Value as Json};

use crate::manifest::expression::{Condition, Failure, Kinds, Template};
use crate::manifest::node::{Node, Parameters, Read, yaml_value};
use crate::manifest::path::{self, Path};
use crate::manifest::problem::{Fault, Problem};
use crate::manifest::scope::Scope;
use crate::manifest::setting::Setting;

use super::Retriever;

/// Combinations of values that one definition may list: each is a stream.
pub const STREAMS_MAX: usize = 10_000;

/// A template, and where the values come from.
#[derive(Clone, Debug)]
pub struct DynamicStream {
    pub name: String,
    pub resolver: ComponentsResolver,
    template: Node,
    /// The template as the format understands it: values are put into this.
    written: Json,
    mappings: Vec<Mapping>,
    outer_wins: bool,
}

/// Where the values come from.
#[derive(Clone, Debug)]
pub enum ComponentsResolver {
    /// Lists in the config, in every combination.
    Config(Vec<ConfigList>),
    /// The records that a retriever reads.
    Http(Box<Retriever>),
    /// Written in the manifest.
    Written(Vec<Json>),
}

#[derive(Clone, Debug)]
pub struct ConfigList {
    pointer: Vec<Setting>,
    defaults: Vec<Json>,
}

/// What the values of a definition's streams are.
#[derive(Clone, Debug)]
pub enum Values<'a> {
    Known(Vec<Json>),
    /// Each record read by this retriever.
    Read(&'a Retriever),
}

/// Where a value goes.
#[derive(Clone, Debug)]
struct Mapping {
    field_path: Vec<Setting>,
    value: Template,
    kinds: Kinds,
    creates: bool,
    condition: Option<Condition>,
    parameters: Parameters,
}

impl DynamicStream {
    /// The values, one for each stream, as far as they are known without asking the source.
    pub fn values(&self, scope: &Scope<'_>, config: &Json) -> Result<Values<'_>, Failure> {
        match &self.resolver {
            ComponentsResolver::Written(values) => Ok(Values::Known(values.clone())),
            ComponentsResolver::Http(retriever) => Ok(Values::Read(retriever)),
            ComponentsResolver::Config(lists) => {
                let lists = lists.iter().map(|list| list.values(scope, config)).collect::<Result<Vec<_>, _>>()?;
                Ok(Values::Known(combinations(&lists)))
            }
        }
    }

    /// The definition of the stream for one set of values. `scope` knows the config and, for values that were read, the
    /// slice that they were read in.
    pub fn stream(&self, values: &Json, scope: &Scope<'_>) -> Result<Node, Problem> {
        let scope = scope.components_values(values).stream_template_config(&self.written);
        let mut written = self.written.clone();
        for mapping in &self.mappings {
            let put = mapping.put(&mut written, &scope, !matches!(self.resolver, ComponentsResolver::Http(_)));
            put.map_err(|reason| self.template.problem(Fault::Wrong, reason))?;
        }
        let stream = self.template.remade(&written, self.outer_wins);
        match stream.get("name").as_ref().and_then(Node::text) {
            Some(_) => Ok(stream),
            None => {
                Err(stream.problem(Fault::Wrong, "needs a 'name' that is a text once values are put in".to_owned()))
            }
        }
    }
}

impl ConfigList {
    fn values(&self, scope: &Scope<'_>, config: &Json) -> Result<Vec<Json>, Failure> {
        let names = self.pointer.iter().map(|name| name.text(scope)).collect::<Result<Vec<_>, _>>()?;
        let found = Path::of(&names).one(config).ok().flatten();
        let mut values = match found {
            Some(Json::Array(items)) => items.clone(),
            Some(one) => vec![one.clone()],
            None => Vec::new(),
        };
        values.extend(self.defaults.iter().cloned());
        Ok(values)
    }
}

/// Every combination of one value of each list, the last list fastest: mappings become one, later ones over earlier
/// ones, and other values are kept with their index under the number of their list.
fn combinations(lists: &[Vec<Json>]) -> Vec<Json> {
    let mut combined = vec![Map::new()];
    for (number, list) in lists.iter().enumerate() {
        let mut next = Vec::new();
        for known in &combined {
            for (at, value) in list.iter().enumerate().take(STREAMS_MAX.saturating_sub(next.len())) {
                let mut known = known.clone();
                match value {
                    Json::Object(fields) => known.extend(fields.clone()),
                    other => {
                        let key = format!("source_config_{number}");
                        known.entry(key).or_insert_with(|| Json::Array(vec![at.into(), other.clone()]));
                    }
                }
                next.push(known);
            }
        }
        combined = next;
    }
    combined.into_iter().map(Json::Object).collect()
}

impl Mapping {
    fn put(&self, written: &mut Json, scope: &Scope<'_>, reads_yaml: bool) -> Result<(), String> {
        let told = |failure: Failure| failure.to_string();
        let scope = scope.parameters(&self.parameters);
        if let Some(condition) = &self.condition
            && !condition.holds(&scope).map_err(told)?
        {
            return Ok(());
        }
        let mut value = self.value.value_of(&scope, self.kinds).map_err(told)?;
        if let (true, Json::String(text)) = (reads_yaml && self.kinds != Kinds::TEXT, &value) {
            value = yaml_value(text).unwrap_or(value);
        }
        let names =
            self.field_path.iter().map(|name| name.text(&scope)).collect::<Result<Vec<_>, _>>().map_err(told)?;
        let replaced = Path::of(&names).replace(written, &value);
        let (0, true, Some(written)) = (replaced, self.creates && is_given(&value), written.as_object_mut()) else {
            return Ok(());
        };
        let blocked = |_| format!("nothing can be put at {}: what stands on the way is no mapping", names.join("."));
        path::set(written, &names, value).map_err(blocked)
    }
}

/// Whether Python takes it for true.
fn is_given(value: &Json) -> bool {
    match value {
        Json::Null => false,
        Json::Bool(flag) => *flag,
        Json::Number(number) => number.as_f64() != Some(0.0),
        Json::String(text) => !text.is_empty(),
        Json::Array(items) => !items.is_empty(),
        Json::Object(fields) => !fields.is_empty(),
    }
}

impl Read for DynamicStream {
    fn read(node: &Node) -> Result<Self, Problem> {
        if &*node.kind("DynamicDeclarativeStream")? != "DynamicDeclarativeStream" {
            return Err(node.unsupported());
        }
        let template: Node = node.need("stream_template")?;
        let resolver: Node = node.need("components_resolver")?;
        Ok(Self {
            name: node.or("name", String::new())?,
            resolver: ComponentsResolver::read(&resolver)?,
            mappings: resolver.need("components_mapping")?,
            written: template.loaded()?,
            template,
            outer_wins: node.or("use_parent_parameters", true)?,
        })
    }
}

impl Read for ComponentsResolver {
    fn read(node: &Node) -> Result<Self, Problem> {
        match &*node.kind("")? {
            "ConfigComponentsResolver" => {
                let lists: Node = node.need("stream_config")?;
                let lists = if lists.is_list() { Vec::read(&lists)? } else { vec![ConfigList::read(&lists)?] };
                Ok(Self::Config(lists))
            }
            "HttpComponentsResolver" => Retriever::read(&node.need("retriever")?).map(Box::new).map(Self::Http),
            "ParametrizedComponentsResolver" => {
                let parameters: Node = node.need("stream_parameters")?;
                parameters.need("list_of_parameters_for_stream").map(Self::Written)
            }
            _ => Err(node.unsupported()),
        }
    }
}

impl Read for ConfigList {
    fn read(node: &Node) -> Result<Self, Problem> {
        Ok(Self { pointer: node.need("configs_pointer")?, defaults: node.or("default_values", Vec::new())? })
    }
}

impl Read for Mapping {
    fn read(node: &Node) -> Result<Self, Problem> {
        let kinds = match node.maybe::<String>("value_type")?.as_deref() {
            None => Kinds::ANY,
            Some("string") => Kinds::TEXT,
            Some("number") => Kinds::FLOAT,
            Some("integer") => Kinds::INTEGER,
            Some("boolean") => Kinds::BOOLEAN,
            Some(_) => return Err(node.wrong("a mapping whose value_type is string, number, integer or boolean")),
        };
        Ok(Self {
            field_path: node.need("field_path")?,
            value: node.need("value")?,
            kinds,
            creates: node.or("create_or_update", false)?,
            condition: node.maybe::<Condition>("condition")?.filter(|condition| !condition.source().is_empty()),
            parameters: node.parameters(),
        })
    }
}
