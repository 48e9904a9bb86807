//! What the crate promises, tried through its public face.

mod algorithms;
mod catalogue;
mod forgery;
mod language;
mod request;
mod rules;
mod samples;
