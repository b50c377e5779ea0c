//! The states in which a loss of power can leave a [`Simulated`](super::simulated::Simulated) disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::simulated::{Image, Operation, move_dir};

/// What a disk writes as one, and a loss of power may yet tear.
pub(super) const SECTOR: usize = 512;

/// What became of the bytes that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Nothing was unsynced, or all of it is there.
    Kept,
    /// None of them is there.
    Dropped,
    /// The file ends at the end of a sector.
    CutAtSector,
    /// The file ends within a sector.
    CutWithin,
    /// The length is there, the bytes are not.
    LengthOnly,
    /// Some sectors were never written.
    Sectors,
    /// A sector was written in part.
    TornSector,
    /// The file ends early, and sectors before its end were never written.
    CutAndSectors,
    /// Some operations on one file are there and others, or those on another file, are not.
    Mixed,
    /// Operations on directories are missing.
    Entries,
}

/// What is certain, and what is not, after some operations.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk {
    entries: BTreeMap<PathBuf, Option<usize>>,
    uncertain_entries: Vec<Operation>,
    files: BTreeMap<usize, Contents>,
}

#[derive(Debug, Clone, Default)]
struct Contents {
    certain: Vec<u8>,
    uncertain: Vec<Operation>,
    /// A sync of uncertain bytes failed: nothing more becomes certain.
    is_lost: bool,
}

impl Contents {
    fn settle(&mut self) {
        if !self.is_lost {
            self.certain = applied(&self.certain, &self.uncertain);
            self.uncertain.clear();
        }
    }
}

fn applied<'a>(before: &[u8], operations: impl IntoIterator<Item = &'a Operation>) -> Vec<u8> {
    let mut bytes = before.to_vec();
    for operation in operations {
        match operation {
            Operation::Append(_, more) => bytes.extend_from_slice(more),
            Operation::Truncate(_, length) => bytes.resize(*length, 0),
            _ => {}
        }
    }
    bytes
}

/// Numbers of files are those of the disk that the image was loaded into.
impl Disk {
    pub(super) fn holding(image: &Image) -> Self {
        let mut disk = Self::default();
        for (path, content) in image {
            let inode = content.as_ref().map(|bytes| {
                let inode = disk.files.len();
                let contents = Contents {
                    certain: bytes.to_vec(),
                    ..Contents::default()
                };
                disk.files.insert(inode, contents);
                inode
            });
            disk.entries.insert(path.clone(), inode);
        }
        disk
    }

    /// What comes of one more operation.
    pub(super) fn take(&mut self, operation: &Operation) {
        match operation {
            Operation::Create(_, inode) => {
                self.files.insert(*inode, Contents::default());
                self.uncertain_entries.push(operation.clone());
            }
            Operation::CreateDir(_)
            | Operation::Rename(..)
            | Operation::RenameDir(..)
            | Operation::Remove(_) => {
                self.uncertain_entries.push(operation.clone());
            }
            Operation::Append(inode, _) | Operation::Truncate(inode, _) => {
                let file = self.files.get_mut(inode).unwrap();
                file.uncertain.push(operation.clone());
            }
            Operation::Sync(inode) => self.files.get_mut(inode).unwrap().settle(),
            Operation::FailedSync(inode) => {
                let file = self.files.get_mut(inode).unwrap();
                file.is_lost |= !file.uncertain.is_empty();
            }
            Operation::SyncDir(dir) => {
                let pending = std::mem::take(&mut self.uncertain_entries);
                for operation in pending {
                    if place(&operation).parent() == Some(dir) {
                        enter(&mut self.entries, &operation);
                    } else {
                        self.uncertain_entries.push(operation);
                    }
                }
            }
            Operation::Told => {}
        }
    }

    /// Calls `see` with every image that a loss of power may leave now.
    pub(super) fn images(&self, mut see: impl FnMut(Image, Kind)) {
        for chosen in subsets(self.uncertain_entries.len()) {
            let mut entries = self.entries.clone();
            let operations = self.uncertain_entries.iter();
            for (operation, _) in operations.zip(&chosen).filter(|(_, chosen)| **chosen) {
                enter(&mut entries, operation);
            }
            let is_whole = chosen.iter().all(|chosen| *chosen);
            self.contents_of(&reachable(&entries), |image, kind| {
                see(image, if is_whole { kind } else { Kind::Entries });
            });
        }
    }

    /// Every combination of what the files may hold.
    fn contents_of(&self, entries: &Entries<'_>, mut see: impl FnMut(Image, Kind)) {
        let mut certain = Image::new();
        let mut uncertain = Vec::new();
        for (path, inode) in entries {
            let file = inode.map(|inode| &self.files[&inode]);
            let bytes = file.map(|file| Arc::new(file.certain.clone()));
            certain.insert(path.to_path_buf(), bytes);
            if let Some(file) = file.filter(|file| !file.uncertain.is_empty()) {
                uncertain.push((*path, variants(&file.certain, &file.uncertain)));
            }
        }
        let mut images = vec![(certain, Kind::Kept)];
        for (index, (path, variants)) in uncertain.iter().enumerate() {
            let mut more = Vec::new();
            for (image, before) in &images {
                for (bytes, kind) in variants {
                    let mut image = image.clone();
                    image.insert(path.to_path_buf(), Some(Arc::new(bytes.clone())));
                    let kind = if index == 0 || before == kind {
                        *kind
                    } else {
                        Kind::Mixed
                    };
                    more.push((image, kind));
                }
            }
            images = more;
        }
        for (image, kind) in images {
            see(image, kind);
        }
    }
}

type Entries<'a> = Vec<(&'a Path, Option<usize>)>;

/// The entries whose directories exist.
fn reachable(entries: &BTreeMap<PathBuf, Option<usize>>) -> Entries<'_> {
    let exists = |path: &Path| path == Path::new("/") || entries.contains_key(path);
    entries
        .iter()
        .filter(|(path, _)| path.ancestors().skip(1).all(exists))
        .map(|(path, inode)| (path.as_path(), *inode))
        .collect()
}

fn place(operation: &Operation) -> &Path {
    match operation {
        Operation::CreateDir(path) | Operation::Create(path, _) | Operation::Remove(path) => path,
        Operation::Rename(_, to, _) | Operation::RenameDir(_, to) => to,
        _ => Path::new("/"),
    }
}

fn enter(entries: &mut BTreeMap<PathBuf, Option<usize>>, operation: &Operation) {
    match operation {
        Operation::CreateDir(path) => drop(entries.insert(path.clone(), None)),
        Operation::Create(path, inode) => drop(entries.insert(path.clone(), Some(*inode))),
        Operation::Remove(path) => drop(entries.remove(path)),
        Operation::Rename(from, to, inode) => {
            // Where the making of the file is missing, another may have had its name.
            if entries.get(from) == Some(&Some(*inode)) {
                entries.remove(from);
            }
            entries.insert(to.clone(), Some(*inode));
        }
        Operation::RenameDir(from, to) => move_dir(entries, from, to),
        _ => {}
    }
}

/// All ways to take some of `count` operations; of many, those that leave out one or all behind one.
fn subsets(count: usize) -> Vec<Vec<bool>> {
    if count <= 6 {
        let all = 0..1_u32 << count;
        return all
            .map(|bits| (0..count).map(|index| bits & (1 << index) != 0).collect())
            .collect();
    }
    let prefixes = (0..=count).map(|end| (0..count).map(|index| index < end).collect());
    let without_one = (0..count).map(|gap| (0..count).map(|index| index != gap).collect());
    prefixes.chain(without_one).collect()
}

/// What a file may hold whose last operations were not synced.
fn variants(before: &[u8], uncertain: &[Operation]) -> Vec<(Vec<u8>, Kind)> {
    let full = applied(before, uncertain);
    let mut found = vec![(before.to_vec(), Kind::Dropped), (full.clone(), Kind::Kept)];
    for end in 1..uncertain.len() {
        found.push((applied(before, &uncertain[..end]), Kind::Mixed));
    }
    if full.len() > before.len() && full.starts_with(before) {
        growths(&full, before.len(), &mut found);
    }
    found
}

/// What may be left of bytes written behind `start`.
fn growths(full: &[u8], start: usize, found: &mut Vec<(Vec<u8>, Kind)>) {
    let sectors = sectors(start, full.len());
    let without = |ranges: &[(usize, usize)]| {
        let mut bytes = full.to_vec();
        ranges
            .iter()
            .for_each(|(from, to)| bytes[*from..*to].fill(0));
        bytes
    };
    found.push((without(&[(start, full.len())]), Kind::LengthOnly));
    // Every place near an edge, and some in between.
    for cut in start + 1..full.len() {
        let to_edge = (cut % SECTOR).min(SECTOR - cut % SECTOR);
        if to_edge == 0 {
            found.push((full[..cut].to_vec(), Kind::CutAtSector));
        } else if to_edge <= 2 || cut % 13 == 0 || full.len() - cut <= 2 {
            found.push((full[..cut].to_vec(), Kind::CutWithin));
        }
    }
    for written in subsets(sectors.len()) {
        let missing: Vec<_> = (sectors.iter().zip(&written))
            .filter(|(_, there)| !**there)
            .map(|(sector, _)| *sector)
            .collect();
        let bytes = without(&missing);
        for (_, end) in &sectors[..sectors.len() - 1] {
            found.push((bytes[..*end].to_vec(), Kind::CutAndSectors));
        }
        found.push((bytes, Kind::Sectors));
    }
    for (from, to) in sectors {
        for middle in (from + 1..to).step_by(97) {
            found.push((without(&[(from, middle)]), Kind::TornSector));
            found.push((without(&[(middle, to)]), Kind::TornSector));
        }
    }
}

/// The parts of `start..end` by sector.
fn sectors(start: usize, end: usize) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut from = start;
    while from < end {
        let to = ((from / SECTOR + 1) * SECTOR).min(end);
        found.push((from, to));
        from = to;
    }
    found
}
