//! The connection specification: what a config must look like, which of its values are secrets, how configs of old
//! become ones of today, and which further rules hold.
//!
//! What is told about a config never quotes its values.

mod secrets;
mod shape;
#[cfg(test)]
mod tests;
mod transform;
mod validation;

use jiff::Timestamp;
use serde_json::{Map, Value as Json};

use super::node::{Node, Read};
use super::problem::Problem;
use super::scope::Scope;

use transform::ConfigTransformation;
use validation::Validation;

pub use secrets::{HIDDEN, Secrets, without};
pub use shape::{ConfigProblem, Weight, check};
pub use transform::ConfigError;

/// The manifest's `spec`.
#[derive(Clone, Debug)]
pub struct Spec {
    /// JSON Schema of the config.
    pub schema: Json,
    pub documentation_url: Option<String>,
    pub advanced_auth: Option<Json>,
    migrations: Vec<ConfigTransformation>,
    transformations: Vec<ConfigTransformation>,
    validations: Vec<Validation>,
    /// Custom and unknown parts, which are passed over.
    pub left_out: Vec<Problem>,
}

impl Spec {
    /// The specification as the line protocol tells it.
    #[must_use]
    pub fn json(&self) -> Json {
        let mut told = Map::new();
        told.insert("connectionSpecification".to_owned(), self.schema.clone());
        if let Some(url) = &self.documentation_url {
            told.insert("documentationUrl".to_owned(), Json::String(url.clone()));
        }
        if let Some(auth) = &self.advanced_auth {
            told.insert("advanced_auth".to_owned(), auth.clone());
        }
        Json::Object(told)
    }

    /// What is wrong with a config, field by field.
    #[must_use]
    pub fn check(&self, config: &Json) -> Vec<ConfigProblem> {
        check(&self.schema, config)
    }

    /// Which of a config's values are secrets.
    #[must_use]
    pub fn secrets(&self) -> Secrets<'_> {
        Secrets::of(&self.schema)
    }

    /// Turns a config of old into one of today, to be kept instead of it. Answers whether anything changed.
    pub fn migrate(&self, config: &mut Json, now: Timestamp) -> Result<bool, ConfigError> {
        let before = config.clone();
        for migration in &self.migrations {
            migration.apply(config, now)?;
        }
        Ok(*config != before)
    }

    /// Gives the config what the streams' templates expect of it; the result is kept nowhere.
    pub fn transform(&self, config: &mut Json, now: Timestamp) -> Result<(), ConfigError> {
        self.transformations.iter().try_for_each(|transformation| transformation.apply(config, now))
    }

    /// Holds a migrated and transformed config against the rules that go beyond its schema.
    #[must_use]
    pub fn validate(&self, config: &Json, now: Timestamp) -> Vec<ConfigProblem> {
        let scope = Scope::new(config, now);
        self.validations.iter().flat_map(|validation| validation.check(config, &scope)).collect()
    }
}

impl Read for Spec {
    fn read(node: &Node) -> Result<Self, Problem> {
        let schema: Node = node.need("connection_specification")?;
        if !schema.is_map() {
            return Err(schema.wrong("a JSON schema, which is a mapping"));
        }
        let rules = node.get("config_normalization_rules");
        let listed = |field: &str| -> Result<Vec<Node>, Problem> {
            rules.as_ref().map_or_else(|| Ok(Vec::new()), |rules| rules.or(field, Vec::new()))
        };
        let mut left_out = Vec::new();
        let mut migrations = Vec::new();
        for migration in listed("config_migrations")? {
            migrations.extend(known(migration.or("transformations", Vec::new())?, &mut left_out)?);
        }
        let transformations = known(listed("transformations")?, &mut left_out)?;
        let validations = known(listed("validations")?, &mut left_out)?;
        Ok(Self {
            schema: schema.json()?,
            documentation_url: node.maybe("documentation_url")?,
            advanced_auth: node.maybe("advanced_auth")?,
            migrations,
            transformations,
            validations,
            left_out,
        })
    }
}

/// Those that are known; the others are left out and told.
fn known<T: Read>(nodes: Vec<Node>, left_out: &mut Vec<Problem>) -> Result<Vec<T>, Problem> {
    let mut known = Vec::new();
    for node in nodes {
        match T::read(&node) {
            Ok(read) => known.push(read),
            Err(problem) if problem.is_about_component() => left_out.push(problem),
            Err(problem) => return Err(problem),
        }
    }
    Ok(known)
}
