//! One ledger in a real PostgreSQL server, which each test starts for itself.
//!
//! Needs `initdb` and `postgres` of PostgreSQL 15 or newer, as Debian's package `postgresql` has them, and
//! a user other than root to run them as. Where they are missing, the tests say so and do nothing.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests read and write files, and look at the machine"
)]

mod access;
mod appenders;
mod commands;
mod failover;
mod hostile;
mod migration;
mod overtaken;
mod server;
mod suite;
mod tampering;
mod waiting;
