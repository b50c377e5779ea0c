//! Althing.
#![forbid(unsafe_code)]

pub mod governance;
pub mod identity;
#[cfg(test)]
mod test_support;
