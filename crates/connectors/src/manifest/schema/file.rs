//! Schemas in files of the connector's package: `schemas/<stream>.json`, with what they share in `schemas/shared/`.

use serde_json::{Map, Value as Json};

use crate::manifest::expression::Template;
use crate::manifest::node::{Node, Parameters, Read};
use crate::manifest::problem::Problem;
use crate::manifest::scope::Scope;
use crate::manifest::select::RecordError;

/// References that are followed in one schema: what files that refer to each other could cost.
pub const SCHEMA_REFERENCES_MAX: usize = 10_000;
/// References inside of what references lead to; a schema that contains itself cannot be written out.
const REFERENCE_DEPTH_MAX: usize = 32;
/// The folder of the schemas in a package.
const FOLDER: &str = "schemas";
/// The folder of what schemas refer to.
const SHARED: &str = "schemas/shared";

/// Reads a file by its path in the package; `None` where there is none.
type Files<'a> = &'a dyn Fn(&str) -> Option<Vec<u8>>;

/// A schema in a file.
#[derive(Clone, Debug)]
pub struct FileSchema {
    place: Place,
    parameters: Parameters,
}

#[derive(Clone, Debug)]
enum Place {
    Written(Template),
    /// By the name of the stream. The file need not exist if the stream declares no loader at all.
    Named {
        stream: String,
        must_exist: bool,
    },
}

impl FileSchema {
    /// For a stream that declares no loader.
    pub(super) fn by_default(stream: &Node) -> Result<Self, Problem> {
        let parameters = stream.parameters();
        let stream = named(&parameters).map_or_else(|| stream.or("name", String::new()), Ok)?;
        Ok(Self { place: Place::Named { stream, must_exist: false }, parameters })
    }

    /// Where the file is in the package. The package's own folder, which paths in manifests begin with, is left off.
    pub fn path(&self, scope: &Scope<'_>) -> Result<String, RecordError> {
        let written = match &self.place {
            Place::Written(template) => template.text(&scope.parameters(&self.parameters))?,
            Place::Named { stream, .. } => return inside(format!("{FOLDER}/{stream}.json")),
        };
        let path = written.strip_prefix("./").or_else(|| written.strip_prefix('/')).unwrap_or(&written);
        inside(path.split_once('/').map_or(path, |(_, rest)| rest).to_owned())
    }

    pub(super) fn schema(&self, files: Files<'_>, scope: &Scope<'_>) -> Result<Json, RecordError> {
        let path = self.path(scope)?;
        let is_optional = matches!(self.place, Place::Named { must_exist: false, .. });
        match files(&path) {
            None if is_optional => Ok(Json::Object(Map::new())),
            None => Err(unreadable(format!("the package has no file {path}"))),
            Some(contents) => {
                let root = parse(&path, &contents)?;
                let mut resolver = Resolver { files, left: SCHEMA_REFERENCES_MAX };
                resolver.resolve(&root, &root, 0)
            }
        }
    }
}

impl Read for FileSchema {
    fn read(node: &Node) -> Result<Self, Problem> {
        let parameters = node.parameters();
        let written = node.maybe::<Template>("file_path")?.filter(|path| !path.source().is_empty());
        let place = match written {
            Some(template) => Place::Written(template),
            None => match named(&parameters) {
                Some(stream) => Place::Named { stream, must_exist: true },
                None => return Err(node.wrong("a component with a `file_path`, or with the parameter `name`")),
            },
        };
        Ok(Self { place, parameters })
    }
}

fn named(parameters: &Parameters) -> Option<String> {
    parameters.get("name").and_then(Json::as_str).map(str::to_owned)
}

/// A path that stays inside of the package.
fn inside(path: String) -> Result<String, RecordError> {
    let is_inside = !path.is_empty()
        && !path.contains(['\\', '\0', ':'])
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    match is_inside {
        true => Ok(path),
        false => Err(unreadable(format!("{path:?} is no path of a file in the connector's package"))),
    }
}

fn unreadable(detail: String) -> RecordError {
    RecordError::Schema { detail }
}

fn parse(path: &str, contents: &[u8]) -> Result<Json, RecordError> {
    serde_json::from_slice(contents).map_err(|error| unreadable(format!("the file {path} is no JSON: {error}")))
}

/// Writes out what references lead to.
struct Resolver<'a> {
    files: Files<'a>,
    left: usize,
}

impl Resolver<'_> {
    fn resolve(&mut self, json: &Json, root: &Json, depth: usize) -> Result<Json, RecordError> {
        Ok(match json {
            Json::Object(fields) => match fields.get("$ref").and_then(Json::as_str) {
                Some(reference) => self.follow(reference, root, depth)?,
                None => {
                    let entries =
                        fields.iter().map(|(key, value)| Ok((key.clone(), self.resolve(value, root, depth)?)));
                    Json::Object(entries.collect::<Result<_, RecordError>>()?)
                }
            },
            Json::Array(items) => {
                Json::Array(items.iter().map(|item| self.resolve(item, root, depth)).collect::<Result<_, _>>()?)
            }
            plain => plain.clone(),
        })
    }

    fn follow(&mut self, reference: &str, root: &Json, depth: usize) -> Result<Json, RecordError> {
        self.left = self.left.checked_sub(1).filter(|_| depth < REFERENCE_DEPTH_MAX).ok_or_else(|| {
            unreadable(format!("the reference {reference} is one too many; a schema must not contain itself"))
        })?;
        let (file, pointer) = reference.split_once('#').unwrap_or((reference, ""));
        let mut resolved = match file {
            "" => self.resolve(target(root, pointer, reference)?, root, depth + 1)?,
            file => {
                let path = inside(format!("{SHARED}/{file}"))?;
                let contents =
                    (self.files)(&path).ok_or_else(|| unreadable(format!("the package has no file {path}")))?;
                let root = parse(&path, &contents)?;
                self.resolve(target(&root, pointer, reference)?, &root, depth + 1)?
            }
        };
        match &mut resolved {
            Json::Object(fields) => drop(fields.shift_remove("definitions")),
            _ => return Err(unreadable(format!("the reference {reference} does not lead to a schema"))),
        }
        Ok(resolved)
    }
}

fn target<'a>(root: &'a Json, pointer: &str, reference: &str) -> Result<&'a Json, RecordError> {
    root.pointer(pointer).ok_or_else(|| unreadable(format!("the reference {reference} leads nowhere")))
}
