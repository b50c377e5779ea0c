//! Ways to damage the bytes of a ledger.

/// One change to the bytes of a ledger. Places wrap around, so that every value means something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tampering {
    /// Turns one bit over.
    FlipBit {
        /// In which byte.
        byte: usize,
        /// Which bit of it.
        bit: u8,
    },
    /// Takes a line out.
    DeleteLine(usize),
    /// Writes a line twice.
    DuplicateLine(usize),
    /// Exchanges two lines.
    SwapLines(usize, usize),
    /// Puts a copy of a line somewhere else.
    InsertLine {
        /// Which line.
        line: usize,
        /// Before which line.
        before: usize,
    },
    /// Cuts everything off from a byte on.
    Truncate(usize),
}

impl Tampering {
    /// The damaged bytes. They can be the same as before: swapping a line with itself, say.
    ///
    /// # Panics
    /// Where the ledger is empty.
    #[must_use]
    pub fn apply(self, ledger: &[u8]) -> Vec<u8> {
        let mut lines: Vec<&[u8]> = ledger.split_inclusive(|byte| *byte == b'\n').collect();
        let count = lines.len();
        match self {
            Self::FlipBit { byte, bit } => {
                let mut bytes = ledger.to_vec();
                bytes[byte % ledger.len()] ^= 1 << (bit % 8);
                return bytes;
            }
            Self::Truncate(at) => return ledger[..at % ledger.len()].to_vec(),
            Self::DeleteLine(line) => {
                lines.remove(line % count);
            }
            Self::DuplicateLine(line) => lines.insert(line % count, lines[line % count]),
            Self::SwapLines(one, other) => lines.swap(one % count, other % count),
            Self::InsertLine { line, before } => {
                lines.insert(before % (count + 1), lines[line % count]);
            }
        }
        lines.concat()
    }

    /// Where the damaged ledger first differs from the whole one: the number of the line, from 1.
    /// `None` where both are the same.
    #[must_use]
    pub fn first_difference(ledger: &[u8], damaged: &[u8]) -> Option<u64> {
        let same = ledger
            .iter()
            .zip(damaged)
            .take_while(|(one, other)| one == other)
            .count();
        if same == ledger.len() && same == damaged.len() {
            return None;
        }
        let lines = ledger[..same].iter().filter(|byte| **byte == b'\n').count();
        Some(lines as u64 + 1)
    }
}
