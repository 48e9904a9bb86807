//! `trireme connector` against scripted sources: what it makes of every case, compared with what the reference made of
//! it, and sources that misbehave. The folder `goldens` is data; tools/record_goldens writes the golden of each case.

mod binary;
mod boundaries;
mod goldens;
mod known;
