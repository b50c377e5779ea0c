//! Who vouches for a receipt.
