//! What the crate promises, tried through its public face.

mod catalogue;
