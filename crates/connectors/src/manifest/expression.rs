//! The format's templates: compiled once, evaluated against a [`Scope`](super::scope::Scope). They follow the reference
//! implementation (7.39.1) to the letter, its odd corners included, and are bounded in work, depth and size; they never
//! read a clock, draw real chance or change what they were given.

pub mod dates;
mod failure;
mod mapping;
mod read;
mod template;

pub use failure::Failure;
pub use mapping::Mapping;
pub use template::{Condition, Kinds, Template};
