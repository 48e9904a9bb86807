//! The store from outside, on a real server: the promises every store makes, and those that only several nodes, a
//! broken connection or time can break.

mod arrange;
mod births;
mod conformance;
mod copying;
mod crowd;
mod doubt;
mod growth;
mod nodes;
mod novelty;
mod prune;
mod spans;
mod trouble;
mod unheard;
mod work;
