//! Schemas that the source tells itself: made of the first record that a retriever reads.

use serde_json::{Map, Value as Json, json};

use crate::manifest::expression::Condition;
use crate::manifest::node::{Node, Parameters, Read};
use crate::manifest::path::Pointer;
use crate::manifest::problem::Problem;
use crate::manifest::scope::Scope;
use crate::manifest::select::{RecordError, RecordFilter};
use crate::manifest::transform::Transformation;

/// Lists of lists in a type.
const ITEMS_DEPTH_MAX: usize = 32;

/// A schema that the source tells.
#[derive(Clone, Debug)]
pub struct DynamicSchema {
    retriever: Node,
    list: Option<Pointer>,
    key: Pointer,
    kind: Option<Pointer>,
    types: Vec<TypesMap>,
    filter: Option<RecordFilter>,
    transformations: Vec<Transformation>,
    parameters: Parameters,
}

/// Which type of the format a type of the source is.
#[derive(Clone, Debug)]
struct TypesMap {
    from: Json,
    to: Type,
    condition: Option<Condition>,
}

/// A type of the format.
#[derive(Clone, Debug)]
enum Type {
    One(String),
    /// Either of two.
    Either(String, String),
    ListOf(String, Option<Box<Self>>),
}

impl DynamicSchema {
    /// What to read; only its first record counts.
    #[must_use]
    pub fn retriever(&self) -> &Node {
        &self.retriever
    }

    /// The schema, from the first record. Without a record it has no properties.
    pub fn schema(&self, record: Option<&Json>, scope: &Scope<'_>) -> Result<Json, RecordError> {
        let scope = scope.parameters(&self.parameters).no_slice();
        let mut properties = Map::new();
        for definition in record.map_or(Ok(&[][..]), |record| self.definitions(record, &scope))? {
            properties.insert(self.key(definition, &scope)?, self.property(definition, &scope)?);
        }
        let mut properties = self.filtered(properties, &scope)?;
        for transformation in &self.transformations {
            transformation.apply(&mut properties, &scope)?;
        }
        Ok(json!({
            "$schema": "https://json-schema.org/draft-07/schema#",
            "type": "object",
            "additionalProperties": true,
            "properties": properties,
        }))
    }

    fn definitions<'a>(&self, record: &'a Json, scope: &Scope<'_>) -> Result<&'a [Json], RecordError> {
        let list = at(self.list.as_ref(), record, scope)?;
        list.and_then(Json::as_array).map(Vec::as_slice).ok_or_else(|| unreadable("there is no list at its pointer"))
    }

    fn key(&self, definition: &Json, scope: &Scope<'_>) -> Result<String, RecordError> {
        let key = at(Some(&self.key), definition, scope)?;
        key.and_then(Json::as_str).map(str::to_owned).ok_or_else(|| unreadable("the name of a field is no text"))
    }

    fn property(&self, definition: &Json, scope: &Scope<'_>) -> Result<Json, RecordError> {
        let text = Json::String("string".into());
        let told = match &self.kind {
            None => &text,
            Some(pointer) => at(Some(pointer), definition, scope)?.unwrap_or(&text),
        };
        for map in &self.types {
            if *told == map.from && map.holds(definition, scope)? {
                return map.to.schema();
            }
        }
        Type::told(told)?.schema()
    }

    /// Each property passes the filter as a record with that one field.
    fn filtered(&self, properties: Map<String, Json>, scope: &Scope<'_>) -> Result<Json, RecordError> {
        let Some(filter) = &self.filter else { return Ok(Json::Object(properties)) };
        let mut kept = Map::new();
        for (key, value) in properties {
            let record = Json::Object(Map::from_iter([(key, value)]));
            if filter.keeps(&record, scope)?
                && let Json::Object(fields) = record
            {
                kept.extend(fields);
            }
        }
        Ok(Json::Object(kept))
    }
}

fn at<'a>(pointer: Option<&Pointer>, json: &'a Json, scope: &Scope<'_>) -> Result<Option<&'a Json>, RecordError> {
    match pointer.filter(|pointer| !pointer.is_empty()) {
        None => Ok(Some(json)),
        Some(pointer) => Ok(pointer.path(scope)?.one(json)?),
    }
}

fn unreadable(detail: impl Into<String>) -> RecordError {
    RecordError::Schema { detail: detail.into() }
}

impl TypesMap {
    fn holds(&self, definition: &Json, scope: &Scope<'_>) -> Result<bool, RecordError> {
        let nothing = Map::new();
        let Some(condition) = &self.condition else { return Ok(true) };
        Ok(condition.holds(&scope.parameters(&nothing).raw_schema(definition))?)
    }
}

impl Type {
    /// As the source tells it, where no mapping applies.
    fn told(told: &Json) -> Result<Self, RecordError> {
        match told {
            Json::String(name) => Ok(Self::One(name.clone())),
            Json::Array(names) => match names.as_slice() {
                [Json::String(one), Json::String(other)] => Ok(Self::Either(one.clone(), other.clone())),
                _ => Err(unreadable(format!("{told} is no type: it takes one name or a list of two"))),
            },
            _ => Err(unreadable(format!("{told} is no type: it takes one name or a list of two"))),
        }
    }

    fn schema(&self) -> Result<Json, RecordError> {
        match self {
            Self::One(name) | Self::ListOf(name, None) => plain(name),
            Self::Either(one, other) => Ok(json!({ "oneOf": [plain(one)?, plain(other)?] })),
            Self::ListOf(name, Some(items)) => {
                let mut schema = plain(name)?;
                schema["items"] = items.schema()?;
                Ok(schema)
            }
        }
    }

    fn read(node: &Node, levels: usize) -> Result<Self, Problem> {
        if node.is_list() {
            let names = Vec::<String>::read(node)?;
            return match <[String; 2]>::try_from(names) {
                Ok([one, other]) => Ok(Self::Either(one, other)),
                Err(_) => Err(node.wrong("a list of two types")),
            };
        }
        if !node.is_map() {
            return String::read(node).map(Self::One);
        }
        let Some(levels) = levels.checked_sub(1) else { return Err(node.wrong("fewer lists inside one another")) };
        let name: String = node.need("field_type")?;
        let items = node.get("items").map(|items| Self::read(&items, levels)).transpose()?;
        if items.is_some() && name != "array" {
            return Err(node.wrong("a type without `items`, which only arrays have"));
        }
        Ok(Self::ListOf(name, items.map(Box::new)))
    }
}

/// What a schema says of a type of the format: every field may be null.
fn plain(name: &str) -> Result<Json, RecordError> {
    let text = |format: &str| json!({ "type": ["null", "string"], "format": format });
    let marked = |format: &str| json!({ "type": ["null", "string"], "format": format, "airbyte_type": name });
    Ok(match name {
        "string" | "boolean" | "integer" | "number" | "array" | "object" => json!({ "type": ["null", name] }),
        "date" => text("date"),
        "timestamp_with_timezone" => text("date-time"),
        "timestamp_without_timezone" => marked("date-time"),
        "time_with_timezone" | "time_without_timezone" => marked("time"),
        _ => return Err(unreadable(format!("{name:?} is no type of the format; map it in `types_mapping`"))),
    })
}

impl Read for DynamicSchema {
    fn read(node: &Node) -> Result<Self, Problem> {
        let Some(identifier) = node.get("schema_type_identifier") else {
            return Err(node.wrong("a component with a `schema_type_identifier`"));
        };
        let Some(retriever) = node.get("retriever") else { return Err(node.wrong("a component with a `retriever`")) };
        Ok(Self {
            retriever,
            list: identifier.maybe("schema_pointer")?,
            key: identifier.need("key_pointer")?,
            kind: identifier.maybe::<Pointer>("type_pointer")?.filter(|pointer| !pointer.is_empty()),
            types: identifier.or("types_mapping", Vec::new())?,
            filter: node.maybe("schema_filter")?,
            transformations: node.or("schema_transformations", Vec::new())?,
            parameters: identifier.parameters(),
        })
    }
}

impl Read for TypesMap {
    fn read(node: &Node) -> Result<Self, Problem> {
        let Some(target) = node.get("target_type") else { return Err(node.wrong("a mapping with a `target_type`")) };
        Ok(Self {
            from: node.need("current_type")?,
            to: Type::read(&target, ITEMS_DEPTH_MAX)?,
            condition: node.maybe("condition")?,
        })
    }
}
