//! From lines that somebody else wrote to batches that can be appended as they are.

use super::line::{EncodedBatch, EncodedEntry, Line};
use super::verify::{ChainVerifier, Tip, VerifyError};

/// Follows a chain line by line and gives each batch once it is whole.
#[derive(Debug, Clone)]
pub struct BatchAssembler {
    verifier: ChainVerifier,
    open: Option<EncodedBatch>,
}

impl BatchAssembler {
    /// Expects the line after `tip`, which must end a batch.
    #[must_use]
    pub const fn behind(tip: Tip) -> Self {
        Self {
            verifier: ChainVerifier::resume(tip),
            open: None,
        }
    }

    /// The last line taken.
    #[must_use]
    pub const fn tip(&self) -> Tip {
        self.verifier.tip()
    }

    /// The last line of the last whole batch.
    #[must_use]
    pub const fn committed(&self) -> Tip {
        self.verifier.committed()
    }

    /// Whether the last line taken ended its batch; true before the first line.
    #[must_use]
    pub const fn batch_complete(&self) -> bool {
        self.verifier.batch_complete()
    }

    /// Takes the next line, given without its line feed. Whatever `also` says of it is required, too.
    /// `Some` where it ends its batch.
    ///
    /// # Errors
    /// [`VerifyError`], or what `also` refuses; the line is not taken then.
    pub fn push<E: From<VerifyError>>(
        &mut self,
        raw: &[u8],
        also: impl FnOnce(&Line<'_>) -> Result<(), E>,
    ) -> Result<Option<EncodedBatch>, E> {
        let mut verifier = self.verifier.clone();
        let previous = verifier.head();
        let line = verifier.read(raw)?;
        also(&line)?;
        self.verifier = verifier;
        let batch = self
            .open
            .get_or_insert_with(|| EncodedBatch::begun(previous, line.timestamp));
        batch.add(&line);
        if !self.verifier.batch_complete() {
            return Ok(None);
        }
        Ok(self.open.take())
    }
}

impl EncodedBatch {
    /// Adds a line of which it is known that it comes next.
    fn add(&mut self, line: &Line<'_>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(line.raw());
        let range = start..self.bytes.len();
        self.bytes.push(b'\n');
        self.entries.push(EncodedEntry {
            seq: line.seq,
            hash: line.entry_hash,
            range,
        });
        self.head.seq = line.seq;
        self.head.hash = line.entry_hash;
        self.last_timestamp = line.timestamp;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ledgers::batches;

    fn push(
        assembler: &mut BatchAssembler,
        raw: &[u8],
    ) -> Result<Option<EncodedBatch>, VerifyError> {
        assembler.push(raw, |_| Ok(()))
    }

    #[test]
    fn batches_come_out_as_they_were_written() {
        let sizes = [1, 3, 2];
        let written = batches(&sizes);
        let mut assembler = BatchAssembler::behind(Tip::default());
        let mut found = Vec::new();
        for line in written.concat().split_inclusive(|byte| *byte == b'\n') {
            found.extend(push(&mut assembler, &line[..line.len() - 1]).unwrap());
            let is_whole = found
                .iter()
                .map(|it| it.entries().len() as u64)
                .sum::<u64>()
                == assembler.tip().head.seq;
            assert_eq!(assembler.batch_complete(), is_whole);
        }
        let mut head = crate::chain::line::Head::GENESIS;
        for (batch, size) in found.iter().zip(sizes) {
            assert_eq!(*batch, crate::testing::ledgers::batch(&head, size));
            head = *batch.head();
        }
        assert_eq!(found.len(), sizes.len());
        assert_eq!(assembler.committed().head, head);
    }

    #[test]
    fn a_line_that_is_refused_is_not_taken() {
        let written = batches(&[2]).concat();
        let lines: Vec<&[u8]> = written.split(|byte| *byte == b'\n').collect();
        let mut assembler = BatchAssembler::behind(Tip::default());
        let mut changed = lines[0].to_vec();
        changed[100] ^= 1;
        for wrong in [lines[1], &changed, b""] {
            push(&mut assembler, wrong).unwrap_err();
            assert_eq!(assembler.tip(), Tip::default());
        }
        assert_eq!(push(&mut assembler, lines[0]).unwrap(), None);
        let refused = |_: &Line<'_>| Err(Refused);
        assert!(assembler.push(lines[1], refused).is_err());
        assert!(push(&mut assembler, lines[1]).unwrap().is_some());
    }

    #[derive(Debug)]
    struct Refused;

    impl From<VerifyError> for Refused {
        fn from(_: VerifyError) -> Self {
            Self
        }
    }
}
