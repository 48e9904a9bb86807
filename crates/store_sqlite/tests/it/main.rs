//! The store from outside: the promises every store makes, and those that only a file can break.

mod conformance;
