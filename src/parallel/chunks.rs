//! Cutting a stream into chunks of whole lines.

use std::io::{self, Read};

use memchr::memrchr;

use crate::chain::line::MAX_LINE_BYTES;

/// How much is read at first: enough for a founding.
pub(super) const FIRST_BYTES: usize = 64 << 10;

/// Whole lines, each with its line feed, in a buffer that is used again.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    buffer: Vec<u8>,
    length: usize,
}

impl Chunk {
    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.get(..self.length).unwrap_or_default()
    }

    /// The lines without their line feeds.
    pub(super) fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let lines = self.bytes().split_inclusive(|byte| *byte == b'\n');
        lines.map(|line| line.strip_suffix(b"\n").unwrap_or(line))
    }

    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }
}

/// Yields chunks as long as there are whole lines.
#[derive(Debug)]
pub(super) struct Chunks<R> {
    source: R,
    chunk_bytes: usize,
    /// What was read behind the last line feed.
    rest: Vec<u8>,
    end: End,
}

#[derive(Debug)]
enum End {
    /// There may be more.
    NotYet,
    /// The source ended, or a line is too long.
    Reached,
    Failed(io::Error),
}

impl<R: Read> Chunks<R> {
    pub(super) fn new(source: R, chunk_bytes: usize) -> Self {
        Self {
            source,
            chunk_bytes: chunk_bytes.max(1),
            rest: Vec::new(),
            end: End::NotYet,
        }
    }

    /// The next chunk of the usual length.
    pub(super) fn next_chunk(&mut self, buffer: Vec<u8>) -> Option<Chunk> {
        self.next(buffer, self.chunk_bytes)
    }

    /// The next chunk, of at least one line and otherwise about `bytes` bytes.
    pub(super) fn next(&mut self, mut buffer: Vec<u8>, bytes: usize) -> Option<Chunk> {
        let mut filled = self.rest.len();
        if buffer.len() < filled {
            buffer.resize(filled, 0);
        }
        buffer.get_mut(..filled)?.copy_from_slice(&self.rest);
        self.rest.clear();
        let mut last_line_feed = None;
        let mut wanted = filled + bytes.min(self.chunk_bytes);
        while matches!(self.end, End::NotYet) && filled < wanted {
            if buffer.len() < wanted {
                buffer.resize(wanted, 0);
            }
            let room = buffer.get_mut(filled..wanted).unwrap_or_default();
            match self.source.read(room) {
                Ok(0) => self.end = End::Reached,
                Ok(read) => {
                    let found = memrchr(b'\n', room.get(..read).unwrap_or_default());
                    last_line_feed = found.map(|at| filled + at).or(last_line_feed);
                    filled += read;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.end = End::Failed(error),
            }
            if filled == wanted && last_line_feed.is_none() {
                if filled > MAX_LINE_BYTES {
                    self.end = End::Reached;
                } else {
                    wanted += self.chunk_bytes;
                }
            }
        }
        let length = last_line_feed.map_or(0, |at| at + 1);
        let behind = buffer.get(length..filled).unwrap_or_default();
        self.rest.extend_from_slice(behind);
        (length > 0).then_some(Chunk { buffer, length })
    }

    /// Everything that is left when there is no further chunk, and how the source ends.
    pub(super) fn into_rest(self) -> impl Read {
        let failure = match self.end {
            End::Failed(error) => Some(error),
            End::NotYet | End::Reached => None,
        };
        io::Cursor::new(self.rest)
            .chain(FailingOnce(failure))
            .chain(self.source)
    }
}

struct FailingOnce(Option<io::Error>);

impl Read for FailingOnce {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}
