//! Althing.
#![forbid(unsafe_code)]

pub mod chain;
#[cfg(feature = "cli")]
pub mod cli;
pub mod governance;
pub mod identity;
pub mod ledger;
pub mod node;
pub mod replay;
#[cfg(test)]
mod test_support;
#[cfg(feature = "testing")]
pub mod testing;
