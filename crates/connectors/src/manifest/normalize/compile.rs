//! From a schema to its casts. Only `properties`, `items` and references within the schema are followed, as the format
//! does: alternatives such as `oneOf` are left alone.

use rustc_hash::FxHashMap;
use serde_json::{Map, Value as Json};

use super::cast::Cast;
use super::{NOTHING, Place, ROOT};

/// Places of a schema that are looked at: what a schema with references that fan out could cost.
const PLACES_MAX: usize = 100_000;
/// References that lead to references.
const CHAIN_MAX: usize = 32;

pub(super) fn places(schema: &Json) -> Vec<Place> {
    let mut compiler = Compiler { schema, places: vec![Place::default()], known: FxHashMap::default() };
    compiler.places.push(Place::default());
    if let Json::Object(root) = schema {
        compiler.fill(ROOT, root, 0);
    }
    compiler.places
}

struct Compiler<'a> {
    schema: &'a Json,
    places: Vec<Place>,
    /// The places of what references lead to, so that a schema may contain itself.
    known: FxHashMap<&'a str, usize>,
}

impl<'a> Compiler<'a> {
    /// The place of a value of this schema.
    fn place(&mut self, schema: &'a Json) -> usize {
        let Json::Object(schema) = schema else { return NOTHING };
        let reference = reference(schema);
        if let Some(known) = reference.and_then(|reference| self.known.get(reference)) {
            return *known;
        }
        let at = self.places.len();
        if at == PLACES_MAX {
            return NOTHING;
        }
        self.places.push(Place::default());
        if let Some(reference) = reference.filter(|_| schema.len() == 1) {
            self.known.insert(reference, at);
        }
        self.fill(at, schema, 0);
        let place = &self.places[at];
        match place.properties.is_empty() && place.items.is_empty() {
            true => NOTHING,
            false => at,
        }
    }

    fn fill(&mut self, at: usize, schema: &'a Map<String, Json>, chain: usize) {
        if let Some(target) = reference(schema).filter(|_| chain < CHAIN_MAX).and_then(|to| self.target(to)) {
            self.fill(at, target, chain + 1);
        }
        if let Some(Json::Object(properties)) = schema.get("properties") {
            for (name, property) in properties {
                let (cast, inner) = (Cast::of(property), self.place(property));
                if !cast.is_none() || inner != NOTHING {
                    self.places[at].properties.push((name.as_str().into(), cast, inner));
                }
            }
        }
        if let Some(items @ Json::Object(_)) = schema.get("items") {
            let (cast, inner) = (Cast::of(items), self.place(items));
            if !cast.is_none() || inner != NOTHING {
                self.places[at].items.push((cast, inner));
            }
        }
    }

    fn target(&self, reference: &str) -> Option<&'a Map<String, Json>> {
        self.schema.pointer(reference.strip_prefix('#')?)?.as_object()
    }
}

fn reference(schema: &Map<String, Json>) -> Option<&str> {
    schema.get("$ref").and_then(Json::as_str)
}
