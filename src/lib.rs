//! Althing.
#![forbid(unsafe_code)]

pub mod chain;
pub mod governance;
pub mod identity;
pub mod ledger;
#[cfg(test)]
mod test_support;
