//! The digests of many messages at once.
//!
//! SHA-256 of one message is a chain in which each step waits for the one before; most of the time
//! the processor's SHA unit waits with it. Lines carry `prev_hash` in their own bytes, so a replay
//! may hash several of them side by side, and the unit works on one while another waits.
//!
//! The only thing here that differs between processors is the time: where the instructions are
//! missing, each message is hashed alone, and the answers are the same.

#[cfg(target_arch = "x86_64")]
mod sha_ni;

use crate::governance::digest::Digest;

/// Writes the digest of each of `messages` into the same place of `digests`.
///
/// What has no counterpart there is left alone.
pub(crate) fn digest_each<'a>(messages: impl Iterator<Item = &'a [u8]>, digests: &mut [Digest]) {
    #[cfg(target_arch = "x86_64")]
    if let Some(unit) = sha_ni::ShaUnit::find() {
        return unit.digest_each(messages, digests);
    }
    digest_each_alone(messages, digests);
}

/// As [`digest_each`], on any processor.
fn digest_each_alone<'a>(messages: impl Iterator<Item = &'a [u8]>, digests: &mut [Digest]) {
    for (message, digest) in messages.zip(digests) {
        *digest = Digest::of(message);
    }
}

#[cfg(test)]
mod tests;
