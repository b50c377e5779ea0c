//! What a writer knows of its ledger: segments, seals, and where the end is.

use std::io;

use sha2::{Digest as _, Sha256};

use super::diagnosis::Diagnosis;
use super::layout::Layout;
use super::open::{Examined, OpenError, Segment};
use super::recovery;
use super::seals::{Seals, digest, hash_of};
use super::storage::{Storage, StorageFile as _};
use super::writing::OpenFile;
use crate::chain::verify::Tip;
use crate::governance::digest::Digest;

#[derive(Debug)]
pub(super) struct Contents<S: Storage> {
    /// The segments that are never written to again.
    pub(super) sealed: Vec<Segment>,
    seals: Seals,
    pub(super) active: Segment,
    /// The active segment, open at its end.
    pub(super) file: OpenFile<S::File>,
    /// The hash of the active segment so far; `None` where its beginning was not read.
    pub(super) hash: Option<Sha256>,
    pub(super) tip: Tip,
    /// Whether starting another segment was begun and not completed.
    pub(super) is_rolling: bool,
}

impl<S: Storage> Contents<S> {
    /// Recovers what was found if need be and gets ready to append. `sealed` are the segments
    /// before those that were examined.
    pub(super) fn adopt(
        storage: &S,
        layout: &Layout,
        mut sealed: Vec<Segment>,
        mut found: Examined,
    ) -> Result<Self, OpenError> {
        let path = &layout.dir;
        if let Diagnosis::Refused(refusal) = found.diagnosis {
            let path = path.clone();
            return Err(OpenError::Refused { path, refusal });
        }
        let Some(active) = found.segments.pop() else {
            return Err(OpenError::NotInitialized { path: path.clone() });
        };
        let mut file = storage
            .open_append(&active.path)
            .map_err(OpenError::io(path))?;
        if let Diagnosis::Torn {
            keep_bytes, tail, ..
        } = found.diagnosis
        {
            recovery::set_aside(storage, layout, &mut file, keep_bytes, &tail)
                .map_err(OpenError::io(path))?;
        }
        sealed.append(&mut found.segments);
        let mut contents = Self {
            sealed,
            seals: found.seals,
            active,
            file: OpenFile::new(file),
            hash: found.end.known.hash,
            tip: found.end.start.tip,
            is_rolling: false,
        };
        contents
            .complete_seals(storage, layout, &found.hashes)
            .map_err(OpenError::io(path))?;
        Ok(contents)
    }

    /// Completes what a crash while sealing left. A segment is read for its seal only if it has none
    /// and is not among the `known` hashes.
    fn complete_seals(
        &mut self,
        storage: &S,
        layout: &Layout,
        known: &[(u64, Digest)],
    ) -> io::Result<()> {
        let mut is_missing = false;
        for segment in &self.sealed {
            if self.seals.of(segment.first_seq).is_some() {
                continue;
            }
            let known = known.iter().find(|hash| hash.0 == segment.first_seq);
            let hash = match known {
                Some((_, hash)) => *hash,
                None => digest(&hash_of(storage, &segment.path, segment.bytes)?),
            };
            is_missing |= self.seals.add(segment.first_seq, hash);
        }
        if is_missing {
            self.seals.write(storage, layout)?;
            storage.sync_dir(&layout.ledger)?;
        }
        if self.seals.of(self.active.first_seq).is_some() {
            self.roll(storage, layout)?;
        }
        Ok(())
    }

    /// Seals the active segment and starts the next. Each step may be the last before a crash, and
    /// all of them can be done again.
    pub(super) fn roll(&mut self, storage: &S, layout: &Layout) -> io::Result<()> {
        self.is_rolling = true;
        self.file.with(|file| file.sync())?;
        let mut seals = self.seals.clone();
        let hash = match self.hash.take() {
            Some(hash) => hash,
            None => hash_of(storage, &self.active.path, self.active.bytes)?,
        };
        let is_new = seals.add(self.active.first_seq, digest(&hash));
        self.hash = Some(hash);
        if is_new {
            seals.write(storage, layout)?;
        }
        let first_seq = self.tip.head.seq.saturating_add(1);
        let path = layout.segment(first_seq);
        if storage.exists(&path)? {
            // An earlier attempt made it. Nothing was ever written to it.
            storage.remove(&path)?;
        }
        let file = storage.create_new(&path)?;
        storage.sync_dir(&layout.ledger)?;
        let next = Segment {
            first_seq,
            path,
            bytes: 0,
        };
        self.sealed.push(std::mem::replace(&mut self.active, next));
        self.seals = seals;
        self.file = OpenFile::new(file);
        self.hash = Some(Sha256::new());
        self.is_rolling = false;
        Ok(())
    }

    pub(super) fn segments(&self) -> Vec<&Segment> {
        self.sealed.iter().chain([&self.active]).collect()
    }

    /// How many bytes stand before the active segment.
    pub(super) fn offset_of_active(&self) -> u64 {
        self.sealed.iter().map(|segment| segment.bytes).sum()
    }
}
