//! Damage to a seed, the same for the same number.

/// A small generator of numbers (SplitMix64).
pub struct Dice(u64);

impl Dice {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `end`; 0 where there is none.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).expect("a length fits");
        usize::try_from(self.next().checked_rem(end).unwrap_or(0)).expect("below a length")
    }

    /// A piece of some bytes.
    fn piece<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let start = self.below(bytes.len());
        let end = start + self.below(bytes.len() - start + 1);
        &bytes[start..end]
    }
}

/// A damaged copy of a seed: flipped bits, a cut, a piece of another seed, or two tokens swapped.
pub fn damaged(seed: &[u8], other: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=dice.below(3) {
        match dice.below(6) {
            0 => flip(&mut bytes, dice),
            1 => bytes.truncate(dice.below(bytes.len() + 1)),
            2 => splice(&mut bytes, other, dice),
            3 | 4 => swap_tokens(&mut bytes, dice),
            _ => interesting(&mut bytes, dice),
        }
    }
    bytes
}

fn flip(bytes: &mut [u8], dice: &mut Dice) {
    let at = dice.below(bytes.len());
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << dice.below(8);
    }
}

fn splice(bytes: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    let start = dice.below(bytes.len() + 1);
    let end = start + dice.below((bytes.len() - start).min(64) + 1);
    let piece = dice.piece(other).to_vec();
    bytes.splice(start..end, piece);
}

/// Exchanges two pieces between the punctuation of JSON.
fn swap_tokens(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let is_mark = |byte: &u8| b"{}[],:\"\n".contains(byte);
    let mut tokens: Vec<Vec<u8>> = Vec::new();
    for byte in bytes.iter() {
        match tokens.last_mut() {
            Some(token) if !is_mark(byte) && !token.last().is_some_and(is_mark) => {
                token.push(*byte);
            }
            _ => tokens.push(vec![*byte]),
        }
    }
    let is_word = |index: &usize| !tokens[*index].first().is_some_and(is_mark);
    let words: Vec<usize> = (0..tokens.len()).filter(is_word).collect();
    if !words.is_empty() {
        tokens.swap(
            words[dice.below(words.len())],
            words[dice.below(words.len())],
        );
    }
    *bytes = tokens.concat();
}

/// Puts something in that readers stumble over.
fn interesting(bytes: &mut Vec<u8>, dice: &mut Dice) {
    const PIECES: &[&[u8]] = &[
        b"\0",
        b"\n",
        b"\r\n",
        b"null",
        b"-0",
        b"1e9",
        b"9007199254740992",
        b"\\u0000",
        b"\"",
        b"{}",
        b"[[[[",
        b"\xef\xbb\xbf",
        b"\xff",
        b" ",
        b"0",
        b",",
        "\u{202e}".as_bytes(),
    ];
    let at = dice.below(bytes.len() + 1);
    let piece = PIECES[dice.below(PIECES.len())];
    bytes.splice(at..at, piece.iter().copied());
}
