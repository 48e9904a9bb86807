//! The format's templates: compiled once, evaluated against a [`Scope`](super::scope::Scope). They follow the reference
//! implementation (7.39.1) to the letter, its odd corners included, and are bounded in work, depth and size; they never
//! read a clock, draw real chance or change what they were given.

mod arguments;
mod budget;
mod checks;
mod compare;
mod compiled;
pub mod dates;
mod escapes;
mod evaluate;
mod failure;
mod fault;
mod filters;
mod formatting;
mod json;
mod lexer;
mod literal;
mod macros;
mod mapping;
mod mappings;
mod methods;
mod names;
mod numbers;
mod operators;
mod parser;
mod pattern;
mod print;
mod quoting;
mod read;
mod result;
mod syntax;
mod template;
mod value;

use serde_json::Value as Json;

pub use failure::Failure;
pub use mapping::Mapping;
pub use template::{Condition, Kinds, Template};

/// A value as Python prints it (`str`). `None` where the text would be longer than templates may make one.
pub(crate) fn printed(json: &Json) -> Option<String> {
    print::to_str(&json.into(), &mut budget::Budget::new()).ok()
}
