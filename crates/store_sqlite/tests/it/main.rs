//! The store from outside: the promises every store makes, and those that only a file can break.

mod arrange;
mod conformance;
mod damage;
mod disk_full;
mod growth;
mod open;
mod power_cut;
mod work;
