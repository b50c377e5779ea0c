//! Tests that span the module's parts, or check them against other implementations.

mod differential;
mod journal;
mod keystore;
mod wycheproof;
