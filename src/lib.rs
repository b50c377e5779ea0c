//! Althing.
#![forbid(unsafe_code)]

pub mod chain;
pub mod governance;
#[cfg(test)]
mod test_support;
