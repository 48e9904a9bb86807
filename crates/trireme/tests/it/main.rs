//! The binary as its users meet it: started as a process, spoken to over HTTP and by signals, read by its output.

mod audit;
mod client;
mod copying;
mod demo;
mod descriptors;
mod endpoints;
mod examples;
mod explain;
mod file;
mod guide;
mod handshakes;
mod keys;
mod listen;
mod nodes;
mod postgres;
mod refusals;
mod rotation;
mod senders;
mod serve;
mod signals;
mod streams;
mod support;
mod takeover;
