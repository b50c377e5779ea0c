//! How facts bind: the bytes of a line, the chain of hashes, the Merkle tree over it, and the
//! checkpoints that nodes sign over that.
//!
//! Pure: no clock, no files, no randomness. What is hashed is always the raw bytes as they stand;
//! nothing is ever serialized again in order to be verified.

pub mod batches;
pub mod checkpoint;
pub(crate) mod digests;
pub mod line;
pub mod lines;
pub mod merkle;
pub mod note;
pub mod place;
pub mod receipt;
pub mod signing_request;
pub mod verify;
