//! Which parts a stream is read in: values of a list, records of parent streams, and what is combined of them.

mod key;

pub(crate) use key::Key;
