//! Althing.
#![forbid(unsafe_code)]

pub mod governance;
#[cfg(test)]
mod test_support;
