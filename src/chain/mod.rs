//! How facts bind: the bytes of a line, the chain of hashes, the Merkle tree over it.
//!
//! Pure: no clock, no files, no randomness. What is hashed is always the raw bytes as they stand;
//! nothing is ever serialized again in order to be verified.

pub mod line;
pub mod lines;
pub mod merkle;
pub mod place;
pub mod verify;
