//! The store from outside, on a real server: the promises every store makes, and those that only several nodes can
//! break.

mod conformance;
