//! One ledger for many machines of one operator, in PostgreSQL.
//!
//! The table is the ledger: each row is one line, byte for byte, and its constraints let nobody append
//! but behind the head. What stands on the machine of each client is a copy that it has verified, in the
//! form of any other ledger: see [`ledger::upstream`](crate::ledger::upstream). So everything that reads
//! works as it does without a server, and the server is believed nothing: the rules are replayed on what
//! it gives, and what it gave once it must hold for ever.
//!
//! Survives the loss of a server, not a lie of one: nodes that do not trust each other want a
//! [cluster](https://docs.rs/althing) instead. See `docs/postgresql.md`.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a server is a shell around sockets and clocks"
)]

mod address;
mod connection;
mod schema;
mod table;
mod watch;

pub use address::{Address, AddressError};
pub use table::Table;
