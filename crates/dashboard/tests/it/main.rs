//! The dashboard as a browser meets it, through its router and over a real engine and store.

mod acts;
mod alerts;
mod audit;
mod desk;
mod endpoints;
mod hostile;
mod large;
mod live;
mod matrix;
mod nodes;
mod pages;
mod schemas;
mod session;
mod world;
