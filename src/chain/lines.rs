//! Cutting a stream of bytes into lines with little memory.

use std::io::{self, Read};

use memchr::{memchr, memchr2};

use super::line::MAX_LINE_BYTES;

/// How much is read at a time.
pub const CHUNK_BYTES: usize = 1 << 20;

/// What ended a piece of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// A line feed: the line is whole.
    LineFeed,
    /// A NUL byte; only where the reader was told to stop at these.
    Nul,
    /// The end of the stream: a tail without its line feed.
    EndOfStream,
}

/// The bytes of a line without what ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawLine<'a> {
    /// Where the line starts in the stream.
    pub offset: u64,
    /// The line, without its line feed.
    pub bytes: &'a [u8],
    /// What ended it.
    pub ending: Ending,
}

impl RawLine<'_> {
    /// Where the next line starts.
    #[must_use]
    pub const fn end(&self) -> u64 {
        let ended = match self.ending {
            Ending::LineFeed | Ending::Nul => 1,
            Ending::EndOfStream => 0,
        };
        self.offset + self.bytes.len() as u64 + ended
    }
}

/// Why no line could be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadLineError {
    /// The stream failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The line is longer than [`MAX_LINE_BYTES`]; the reader can't go on.
    #[error("the line at byte {offset} is longer than 1048576 bytes")]
    TooLong {
        /// Where the line starts.
        offset: u64,
    },
}

impl ReadLineError {
    /// A stable identifier of the kind of error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Io(_) => "line.io",
            Self::TooLong { .. } => "line.too-long",
        }
    }
}

/// Yields the lines of a stream from one reused buffer.
///
/// Holds one chunk and at most one line; a longer line is refused without being held.
#[derive(Debug)]
pub struct LineReader<R> {
    source: R,
    chunk: usize,
    buffer: Vec<u8>,
    /// Where the next line starts in the buffer.
    start: usize,
    /// Up to where that line is known not to end.
    scanned: usize,
    /// Where the next line starts in the stream.
    offset: u64,
    stop_at_nul: bool,
}

impl<R: Read> LineReader<R> {
    /// A reader of lines whose offsets count from 0.
    #[must_use]
    pub fn new(source: R) -> Self {
        Self {
            source,
            chunk: CHUNK_BYTES,
            buffer: Vec::new(),
            start: 0,
            scanned: 0,
            offset: 0,
            stop_at_nul: false,
        }
    }

    /// Reads `bytes` at a time (at least one) instead of [`CHUNK_BYTES`].
    #[must_use]
    pub fn with_chunk_bytes(mut self, bytes: usize) -> Self {
        self.chunk = bytes.max(1);
        self
    }

    /// Lets offsets count from `offset`, for a source that does not begin at its start.
    #[must_use]
    pub fn starting_at(mut self, offset: u64) -> Self {
        self.offset = offset;
        self
    }

    /// Lets a NUL byte end a piece as a line feed does, to look around damage.
    #[must_use]
    pub fn stopping_at_nul(mut self) -> Self {
        self.stop_at_nul = true;
        self
    }

    /// The next line; `None` at the end of the stream.
    ///
    /// # Errors
    /// [`ReadLineError`] where the source fails or the line is too long. A line that is too long
    /// stays the next one: the error repeats.
    pub fn next_line(&mut self) -> Result<Option<RawLine<'_>>, ReadLineError> {
        let (end, ending) = loop {
            if let Some((end, ending)) = self.find_ending() {
                break (end, ending);
            }
            if self.buffer.len() - self.start > MAX_LINE_BYTES {
                return Err(self.too_long());
            }
            if self.fill()? == 0 {
                if self.start == self.buffer.len() {
                    return Ok(None);
                }
                break (self.buffer.len(), Ending::EndOfStream);
            }
        };
        if end - self.start > MAX_LINE_BYTES {
            return Err(self.too_long());
        }
        Ok(Some(self.advance(end, ending)))
    }

    const fn too_long(&self) -> ReadLineError {
        ReadLineError::TooLong {
            offset: self.offset,
        }
    }

    fn find_ending(&mut self) -> Option<(usize, Ending)> {
        let unseen = self.buffer.get(self.scanned..)?;
        let found = if self.stop_at_nul {
            memchr2(b'\n', 0, unseen)
        } else {
            memchr(b'\n', unseen)
        };
        let Some(length) = found else {
            self.scanned = self.buffer.len();
            return None;
        };
        let ending = match unseen.get(length) {
            Some(0) => Ending::Nul,
            _ => Ending::LineFeed,
        };
        self.scanned += length;
        Some((self.scanned, ending))
    }

    /// Reads one more chunk behind what is left of the buffer.
    fn fill(&mut self) -> io::Result<u64> {
        self.buffer.drain(..self.start);
        self.scanned -= self.start;
        self.start = 0;
        let chunk = u64::try_from(self.chunk).unwrap_or(u64::MAX);
        let read = (&mut self.source)
            .take(chunk)
            .read_to_end(&mut self.buffer)?;
        Ok(read as u64)
    }

    fn advance(&mut self, end: usize, ending: Ending) -> RawLine<'_> {
        let line = RawLine {
            offset: self.offset,
            bytes: self.buffer.get(self.start..end).unwrap_or_default(),
            ending,
        };
        self.offset = line.end();
        self.start = match ending {
            Ending::LineFeed | Ending::Nul => end + 1,
            Ending::EndOfStream => end,
        };
        self.scanned = self.start;
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Piece = (u64, Vec<u8>, Ending);

    fn pieces(mut reader: LineReader<&[u8]>) -> Vec<Piece> {
        let mut found = Vec::new();
        while let Some(line) = reader.next_line().unwrap() {
            found.push((line.offset, line.bytes.to_vec(), line.ending));
        }
        found
    }

    #[test]
    fn lines_come_with_their_place_and_ending() {
        use Ending::{EndOfStream, LineFeed};
        for (stream, expected) in [
            (&b""[..], vec![]),
            (b"\n", vec![(0, &b""[..], LineFeed)]),
            (b"a\nbc\n", vec![(0, b"a", LineFeed), (2, b"bc", LineFeed)]),
            (b"a\nbc", vec![(0, b"a", LineFeed), (2, b"bc", EndOfStream)]),
            (b"a\0\n", vec![(0, b"a\0", LineFeed)]),
        ] {
            let expected: Vec<_> = (expected.into_iter())
                .map(|(offset, bytes, ending)| (offset, bytes.to_vec(), ending))
                .collect();
            assert_eq!(pieces(LineReader::new(stream)), expected);
        }
    }

    #[test]
    fn a_long_line_is_refused_without_being_held() {
        let longest = [&b"ab\n"[..], &vec![b'x'; MAX_LINE_BYTES], b"\n"].concat();
        assert_eq!(pieces(LineReader::new(&longest)).len(), 2);

        let endless = io::repeat(b'x');
        let mut reader = LineReader::new(b"ab\n".chain(endless)).with_chunk_bytes(4096);
        assert!(reader.next_line().unwrap().is_some());
        for _ in 0..2 {
            let error = reader.next_line().unwrap_err();
            assert!(matches!(error, ReadLineError::TooLong { offset: 3 }));
            assert!(reader.buffer.len() <= MAX_LINE_BYTES + 4096);
        }
    }

    #[test]
    fn a_line_one_byte_too_long_is_refused_in_every_position() {
        for tail in [&b""[..], b"\n", b"\nabc\n"] {
            let stream = [&vec![b'x'; MAX_LINE_BYTES + 1], tail].concat();
            let error = LineReader::new(&stream[..]).next_line().unwrap_err();
            assert_eq!(error.code(), "line.too-long");
        }
    }

    #[test]
    fn a_failing_source_is_reported() {
        struct Failing;
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("no"))
            }
        }
        let mut reader = LineReader::new(b"a\nb".chain(Failing));
        let error = reader.next_line().unwrap_err();
        assert_eq!(error.code(), "line.io");
    }

    proptest! {
        #![proptest_config(crate::test_support::config(256))]

        #[test]
        fn chunks_make_no_difference(
            stream in prop::collection::vec(prop::sample::select(&b"ab\n\0"[..]), 0..200),
            chunk in 0_usize..40,
            offset in 0_u64..1000,
            stop_at_nul in any::<bool>(),
        ) {
            let reader = |chunk| {
                let reader = LineReader::new(&stream[..])
                    .with_chunk_bytes(chunk)
                    .starting_at(offset);
                pieces(if stop_at_nul { reader.stopping_at_nul() } else { reader })
            };
            let found = reader(chunk);
            prop_assert_eq!(&found, &reader(CHUNK_BYTES));
            let mut rebuilt = Vec::new();
            for (start, bytes, ending) in found {
                prop_assert_eq!(start, offset + rebuilt.len() as u64);
                rebuilt.extend(bytes);
                match ending {
                    Ending::LineFeed => rebuilt.push(b'\n'),
                    Ending::Nul => rebuilt.push(0),
                    Ending::EndOfStream => {}
                }
            }
            prop_assert_eq!(rebuilt, stream);
        }
    }
}
