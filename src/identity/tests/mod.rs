//! Tests that span the module's parts, or check them against other implementations.

mod consensus;
mod differential;
mod journal;
mod keystore;
mod wycheproof;
