//! Two messages side by side on the SHA instructions of x86 processors.
//!
//! Each pair of rounds waits some cycles for the one before it, and the unit could begin another pair
//! meanwhile. With two messages it does, which takes little more than half the time. More than two need
//! more registers than there are, and sixteen in the wide registers of AVX-512 were slower.
//!
//! This module is the only one with `unsafe` in it, for one call: of a function that is compiled for
//! these instructions, after asking the processor whether it has them.

#![allow(
    unsafe_code,
    reason = "one call, behind the question that makes it sound"
)]

use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_extract_epi32, _mm_set_epi32, _mm_set_epi64x,
    _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi8,
    _mm_shuffle_epi32,
};

use crate::governance::digest::Digest;

/// That the processor has the instructions.
#[derive(Clone, Copy)]
pub(super) struct ShaUnit(());

impl ShaUnit {
    /// Asks the processor; the standard library remembers its answer.
    pub(super) fn find() -> Option<Self> {
        let is_there = is_x86_feature_detected!("sha")
            && is_x86_feature_detected!("sse4.1")
            && is_x86_feature_detected!("ssse3");
        is_there.then_some(Self(()))
    }

    /// As [`digest_each`](super::digest_each).
    pub(super) fn digest_each<'a>(
        self,
        messages: impl Iterator<Item = &'a [u8]>,
        digests: &mut [Digest],
    ) {
        // SAFETY: `find` alone makes a `ShaUnit`, and only where the processor has all features for
        // which the function is compiled.
        unsafe { digest_in_lanes(messages, digests) }
    }
}

/// How many messages go side by side.
const LANES: usize = 2;

const BLOCK: usize = 64;

type Block = [u8; BLOCK];

/// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
#[rustfmt::skip]
static ROUNDS: [u32; 64] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
];

/// The eight words of a hash as the instructions want them: from the highest place to the lowest,
/// a b e f and c d g h.
#[derive(Clone, Copy)]
struct Words {
    abef: __m128i,
    cdgh: __m128i,
}

/// What a lane is at.
struct Message<'a> {
    /// Where its digest belongs.
    digest: &'a mut Digest,
    /// The whole blocks that are left, as they stand in the message.
    whole: &'a [Block],
    /// The rest of the message and the padding, in its last one or two blocks.
    padded: [Block; 2],
    /// How many of those have been taken, and how many there are.
    taken: usize,
    count: usize,
}

impl<'a> Message<'a> {
    fn new(bytes: &'a [u8], digest: &'a mut Digest) -> Self {
        let (whole, rest) = bytes.as_chunks();
        let mut padded = [[0; BLOCK]; 2];
        let (with_rest, _) = padded.as_flattened_mut().split_at_mut(rest.len());
        with_rest.copy_from_slice(rest);
        // One bit behind the message, and the length in bits at the end of the last block.
        padded[0][rest.len()] = 0x80;
        let count = if rest.len() < BLOCK - 8 { 1 } else { 2 };
        let bits = (bytes.len() as u64).wrapping_mul(8);
        if let Some(length) = padded[count - 1].last_chunk_mut() {
            *length = bits.to_be_bytes();
        }
        Self {
            digest,
            whole,
            padded,
            taken: 0,
            count,
        }
    }

    fn block(&self) -> &Block {
        (self.whole.first()).unwrap_or(&self.padded[self.taken.min(1)])
    }

    /// Steps to the next block; false where there is none.
    fn step(&mut self) -> bool {
        match self.whole.split_first() {
            Some((_, rest)) => self.whole = rest,
            None => self.taken += 1,
        }
        self.taken < self.count
    }
}

/// A lane takes the next message as soon as its own ends, so it does not matter how long they are.
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn digest_in_lanes<'a>(messages: impl Iterator<Item = &'a [u8]>, digests: &mut [Digest]) {
    const IDLE: &Block = &[0; BLOCK];
    let mut waiting = (messages.zip(digests)).map(|(it, digest)| Message::new(it, digest));
    let mut lanes: [Option<Message<'_>>; LANES] = std::array::from_fn(|_| waiting.next());
    let mut words = [start(); LANES];
    while lanes.iter().any(Option::is_some) {
        let blocks = (lanes.each_ref()).map(|it| it.as_ref().map_or(IDLE, Message::block));
        compress(&mut words, blocks);
        for (lane, words) in lanes.iter_mut().zip(&mut words) {
            if let Some(message) = lane
                && !message.step()
            {
                *message.digest = finish(*words);
                *words = start();
                *lane = waiting.next();
            }
        }
    }
}

/// The first 32 bits of the fractional parts of the square roots of the first 8 primes.
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn start() -> Words {
    Words {
        abef: words_of([0x9b05_688c, 0x510e_527f, 0xbb67_ae85, 0x6a09_e667]),
        cdgh: words_of([0x5be0_cd19, 0x1f83_d9ab, 0xa54f_f53a, 0x3c6e_f372]),
    }
}

/// Four words, the lowest place first.
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn words_of(words: [u32; 4]) -> __m128i {
    let [w0, w1, w2, w3] = words.map(u32::cast_signed);
    _mm_set_epi32(w3, w2, w1, w0)
}

#[target_feature(enable = "sha,sse4.1,ssse3")]
fn finish(Words { abef, cdgh }: Words) -> Digest {
    let words = [
        _mm_extract_epi32::<3>(abef),
        _mm_extract_epi32::<2>(abef),
        _mm_extract_epi32::<3>(cdgh),
        _mm_extract_epi32::<2>(cdgh),
        _mm_extract_epi32::<1>(abef),
        _mm_extract_epi32::<0>(abef),
        _mm_extract_epi32::<1>(cdgh),
        _mm_extract_epi32::<0>(cdgh),
    ];
    let mut bytes = [0; 32];
    for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
        *bytes = word.to_be_bytes();
    }
    Digest::from_bytes(bytes)
}

/// Sixteen bytes of a block as four words, the first one in the lowest place.
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn load(block: &Block, quarter: usize) -> __m128i {
    // Each word's bytes in reverse.
    let reversed = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    let halves = block.as_chunks().0;
    let half = |at: usize| i64::from_le_bytes(halves[2 * quarter + at]);
    _mm_shuffle_epi8(_mm_set_epi64x(half(1), half(0)), reversed)
}

/// One word of each lane, or four that stand together.
type Lanes = [__m128i; LANES];

/// One block in each lane: 64 rounds, four at a time.
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn compress(words: &mut [Words; LANES], blocks: [&Block; LANES]) {
    let before = *words;
    // The last sixteen words of each lane's schedule.
    let mut schedule: [Lanes; 4] =
        std::array::from_fn(|quarter| std::array::from_fn(|n| load(blocks[n], quarter)));
    let (sixteens, _) = ROUNDS.as_chunks();
    for (index, sixteen) in sixteens.iter().enumerate() {
        let goes_on = index < 3;
        four_rounds::<0>(words, &mut schedule, sixteen, goes_on);
        four_rounds::<1>(words, &mut schedule, sixteen, goes_on);
        four_rounds::<2>(words, &mut schedule, sixteen, goes_on);
        four_rounds::<3>(words, &mut schedule, sixteen, goes_on);
    }
    for (words, before) in words.iter_mut().zip(before) {
        words.abef = _mm_add_epi32(words.abef, before.abef);
        words.cdgh = _mm_add_epi32(words.cdgh, before.cdgh);
    }
}

/// The rounds of a quarter of sixteen. Where the schedule goes on, the words that they take make
/// room for those of sixteen rounds on.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn four_rounds<const QUARTER: usize>(
    words: &mut [Words; LANES],
    schedule: &mut [Lanes; 4],
    constants: &[u32; 16],
    goes_on: bool,
) {
    let constants = words_of(constants.as_chunks().0[QUARTER]);
    let keys = schedule[QUARTER].map(|words| _mm_add_epi32(words, constants));
    // Each step for all lanes before the next one: that is what keeps the unit busy.
    for (words, keys) in words.iter_mut().zip(keys) {
        words.cdgh = _mm_sha256rnds2_epu32(words.cdgh, words.abef, keys);
    }
    for (words, keys) in words.iter_mut().zip(keys) {
        let keys = _mm_shuffle_epi32::<0b1110>(keys);
        words.abef = _mm_sha256rnds2_epu32(words.abef, words.cdgh, keys);
    }
    if goes_on {
        let [now, next, third, last] = std::array::from_fn(|on| schedule[(QUARTER + on) % 4]);
        schedule[QUARTER] = std::array::from_fn(|lane| {
            let sum = _mm_add_epi32(
                _mm_sha256msg1_epu32(now[lane], next[lane]),
                _mm_alignr_epi8::<4>(last[lane], third[lane]),
            );
            _mm_sha256msg2_epu32(sum, last[lane])
        });
    }
}
