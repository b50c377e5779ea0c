//! What governance means: the rules, pure and total.

pub mod canonical;
pub mod digest;
pub mod display_text;
pub mod id;
pub mod key;
pub mod possession;
pub mod statement;
pub(crate) mod text;
pub mod time;
pub mod weight;

/// The largest integer anywhere in a ledger: 2^53 − 1, which JavaScript and `jq` read exactly.
pub const MAX_INTEGER: u64 = (1 << 53) - 1;

/// A number above [`MAX_INTEGER`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an integer of at most 9007199254740991")]
pub struct IntegerTooLarge;
