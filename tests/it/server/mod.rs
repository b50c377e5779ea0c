//! The HTTP service, as its clients see it: a process, over real sockets.
//!
//! Every answer is held to the description that the service itself gives.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests of processes need files, threads and time limits"
)]

mod access;
mod described;
mod documents;
mod harness;
mod history;
mod hostile;
mod lifecycle;
mod load;
mod pages;
mod predictions;
mod schema;
mod signing;
mod state;
mod statements;
