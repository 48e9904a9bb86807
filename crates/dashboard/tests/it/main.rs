//! The dashboard as a browser meets it, through its router and over a real engine and store.

mod desk;
mod pages;
mod session;
