//! Fuzz targets for every parser of outside bytes. On stable each runs as a test with bounded iterations; with
//! `cargo bolero test` each is a target of a coverage-guided fuzzer. A failure prints `BOLERO_RANDOM_SEED`.
//!
//! A target must not only survive: it counts how often it got through, so that it cannot pass by refusing all.

#[cfg(test)]
mod decode;
#[cfg(test)]
mod definition;
#[cfg(test)]
mod expression;
#[cfg(test)]
mod link;
#[cfg(test)]
mod manifest;
#[cfg(test)]
mod mutation;
#[cfg(test)]
mod parts;
#[cfg(test)]
mod recipe;
#[cfg(test)]
mod response;
#[cfg(test)]
mod template;
#[cfg(test)]
mod text;
