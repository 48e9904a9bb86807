//! What the crate promises, tried through its public face.

mod algorithms;
mod allocations;
mod catalogue;
mod connectors;
mod forgery;
mod keys;
mod language;
mod manifest_expressions;
mod manifest_templates;
mod oracles;
mod parts;
mod request;
mod rules;
mod samples;
mod shown_secrets;
mod tokens;
