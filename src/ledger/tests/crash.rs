//! Every state in which a loss of power can leave a ledger: it opens without help, nothing that was
//! acknowledged is missing, no half of a batch shows, and it goes on.
//!
//! ```sh
//! ALTHING_CRASH_IMAGES=100000 cargo test --release --lib ledger::tests::crash -- --nocapture
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;

use super::*;
use crate::governance::digest::Digest;
use crate::ledger::copying::{Piece, make_copy};
use crate::ledger::images::{Disk, Kind};
use crate::ledger::simulated::{Failure, Image, Operation, Simulated};

const DIR: &str = "/althing";

/// What a writer was told, to be held against what is left.
#[derive(Debug, Clone, Default)]
struct Told {
    acknowledged: Vec<u8>,
    /// The batch that is being written, whose fate is open.
    unsure: Vec<u8>,
}

/// A writer at work on a simulated disk.
struct Writer {
    disk: Simulated,
    options: OpenOptions,
    /// What it was told, before the first and after each [`Operation::Told`].
    told: Vec<Told>,
    /// Whether a write that fails is its last, so that another writer goes on.
    dies: bool,
}

impl Writer {
    fn tell(&mut self, told: Told) {
        self.disk.tell();
        self.told.push(told);
    }

    fn opened(&mut self, ledger: &FileLedger<Simulated>) {
        self.tell(Told {
            acknowledged: contents(ledger),
            unsure: Vec::new(),
        });
    }

    fn create(&mut self) -> FileLedger<Simulated> {
        let create = || FileLedger::create_on(self.disk.clone(), Path::new(DIR), self.options);
        // An error is injected once; who meets it tries again.
        let ledger = create().or_else(|_| create()).unwrap();
        self.opened(&ledger);
        ledger
    }

    fn open(&mut self) -> FileLedger<Simulated> {
        let open = || FileLedger::open_on(self.disk.clone(), Path::new(DIR), self.options);
        let ledger = open().or_else(|_| open()).unwrap();
        self.opened(&ledger);
        ledger
    }

    fn append(&mut self, ledger: &mut FileLedger<Simulated>, size: u64) {
        let head = *ledger.head();
        let batch = batch(&head, size);
        let before = self.told.last().unwrap().acknowledged.clone();
        let unsure = Told {
            acknowledged: before.clone(),
            unsure: batch.bytes().to_vec(),
        };
        self.tell(unsure);
        if ledger.append(&head, &batch).is_err() {
            if ledger.is_poisoned() && self.dies {
                return self.succeed(ledger, size, &before);
            }
            if ledger.is_poisoned() {
                let recover = |ledger: &mut FileLedger<_>| ledger.recover_after_failure();
                recover(ledger).or_else(|_| recover(ledger)).unwrap();
            }
            self.opened(ledger);
            assert_eq!(self.told.last().unwrap().acknowledged, before);
            return self.append(ledger, size);
        }
        self.tell(Told {
            acknowledged: [&before[..], batch.bytes()].concat(),
            unsure: Vec::new(),
        });
    }
}

impl Writer {
    /// The machine stays up and another process takes over: what it finds of the batch that failed
    /// is in the page cache, perhaps on the disk, and acknowledged from then on.
    fn succeed(&mut self, ledger: &mut FileLedger<Simulated>, size: u64, before: &[u8]) {
        // Of a founding that failed there may be nothing or a half.
        let is_founded = LedgerReader::open_on(self.disk.clone(), Path::new(DIR)).is_ok();
        *ledger = if is_founded {
            self.open()
        } else {
            self.create()
        };
        let found = &self.told.last().unwrap().acknowledged;
        if *found == before {
            self.append(ledger, size);
        } else {
            assert_whole(found, self.told.get(self.told.len() - 2).unwrap());
        }
    }
}

/// One step of a writer's work.
#[derive(Debug, Clone, Copy)]
enum Step {
    Append(u64),
    Reopen,
}

use Step::{Append, Reopen};

/// Sizes of batches, as a single command, a whole one and a group give them.
const WORK: [Step; 8] = [
    Append(3),
    Append(1),
    Append(2),
    Reopen,
    Append(6),
    Append(1),
    Append(1),
    Append(3),
];

fn work(disk: Simulated, options: OpenOptions, dies: bool) -> Writer {
    let mut writer = Writer {
        disk,
        options,
        told: vec![Told::default()],
        dies,
    };
    let mut ledger = writer.create();
    for step in &WORK {
        match step {
            Append(size) => writer.append(&mut ledger, *size),
            Reopen => {
                drop(ledger);
                ledger = writer.open();
            }
        }
    }
    writer
}

/// What is tried, and how much of it.
struct Trial {
    /// Of so many images only one is tried.
    stride: usize,
    /// How many are tried until something else has its turn.
    limit: usize,
    met: usize,
    seen: BTreeSet<Digest>,
    tried: BTreeMap<(&'static str, Kind), usize>,
}

impl Trial {
    fn new() -> Self {
        Self {
            stride: 1,
            limit: usize::MAX,
            met: 0,
            seen: BTreeSet::new(),
            tried: BTreeMap::new(),
        }
    }

    /// Tries one image of `stride`, and `more` at most.
    fn next(&mut self, stride: usize, more: usize) -> &mut Self {
        self.stride = stride;
        self.limit = self.seen.len().saturating_add(more);
        self
    }

    fn is_over(&self) -> bool {
        self.seen.len() >= self.limit
    }

    /// Tries the images that a crash during `writer`'s work may leave of the disk that held
    /// `before`; returns those that took more to recover than reading.
    fn crashes(
        &mut self,
        what: &'static str,
        before: &Image,
        writer: &Writer,
    ) -> Vec<(Image, Told)> {
        let mut disk = Disk::holding(before);
        let mut told = 0;
        let mut recovered = Vec::new();
        for operation in writer.disk.log() {
            disk.take(&operation);
            told += usize::from(matches!(operation, Operation::Told));
            let told = &writer.told[told];
            disk.images(|image, kind| {
                self.met += 1;
                if self.is_over()
                    || !self.met.is_multiple_of(self.stride)
                    || !self.is_new(&image, told)
                {
                    return;
                }
                *self.tried.entry((what, kind)).or_default() += 1;
                if !check(&image, told, writer.options).is_empty() {
                    recovered.push((image, told.clone()));
                }
            });
        }
        recovered
    }

    /// The process that recovers ends, too.
    fn interrupted_recovery(&mut self, image: &Image, told: Told, options: OpenOptions) {
        let mut writer = Writer {
            disk: Simulated::holding(image),
            options,
            told: vec![told],
            dies: false,
        };
        // What was never acknowledged may be half a founding.
        let is_founded = LedgerReader::open_on(writer.disk.clone(), Path::new(DIR)).is_ok();
        let mut ledger = if is_founded {
            writer.open()
        } else {
            writer.create()
        };
        writer.append(&mut ledger, 2);
        self.crashes("recovery", image, &writer);
    }

    /// The same disk after the same promises is tried once.
    fn is_new(&mut self, image: &Image, told: &Told) -> bool {
        let mut bytes = Vec::new();
        for (path, content) in image {
            bytes.extend_from_slice(path.as_os_str().as_encoded_bytes());
            bytes.push(0);
            if let Some(content) = content {
                bytes.extend_from_slice(&content.len().to_le_bytes());
                bytes.extend_from_slice(content);
            }
        }
        bytes.extend_from_slice(&told.acknowledged);
        bytes.extend_from_slice(&told.unsure);
        self.seen.insert(Digest::of(&bytes))
    }
}

/// Opens what is left, holds it against what the writer was told, and goes on. Answers what
/// recovering it changed on the disk.
fn check(image: &Image, told: &Told, options: OpenOptions) -> Vec<Operation> {
    let disk = Simulated::holding(image);
    let dir = Path::new(DIR);
    let is_founded = match LedgerReader::open_on(disk.clone(), dir) {
        Ok(reader) => {
            assert_eq!(reader.refusal(), None, "{:?}", image.keys());
            let mut shown = Vec::new();
            reader.reader().read_to_end(&mut shown).unwrap();
            assert_whole(&shown, told);
            true
        }
        Err(OpenError::NotFound { .. } | OpenError::NotInitialized { .. }) => false,
        Err(error) => panic!("{error}"),
    };
    assert!(disk.log().is_empty(), "readers write nothing");
    assert!(
        is_founded || told.acknowledged.is_empty(),
        "an acknowledged founding is gone from {:?}",
        image.keys()
    );

    let opened = if is_founded {
        FileLedger::open_on(disk.clone(), dir, options)
    } else {
        FileLedger::create_on(disk.clone(), dir, options)
    };
    let mut ledger = opened.unwrap();
    let recovery = changes(&disk);
    let found = contents(&ledger);
    assert_whole(&found, told);
    fill(&mut ledger, &[2]);
    let after = contents(&ledger);
    assert!(after.starts_with(&found));
    drop(ledger);
    let reader = LedgerReader::open_on(disk.clone(), dir).unwrap();
    assert_eq!(
        (reader.refusal(), reader.tail()),
        (None, None),
        "what was recovered verifies"
    );
    assert_eq!(
        contents(&FileLedger::open_on(disk, dir, options).unwrap()),
        after
    );
    recovery
}

fn assert_whole(found: &[u8], told: &Told) {
    let more = found
        .strip_prefix(told.acknowledged.as_slice())
        .expect("everything acknowledged is there");
    assert!(more.is_empty() || more == told.unsure, "half a batch shows");
}

fn changes(disk: &Simulated) -> Vec<Operation> {
    let is_sync =
        |operation: &Operation| matches!(operation, Operation::Sync(_) | Operation::SyncDir(_));
    disk.log().into_iter().filter(|it| !is_sync(it)).collect()
}

fn small(segment_bytes: u64) -> OpenOptions {
    OpenOptions {
        segment_bytes,
        ..AT_ONCE
    }
}

/// All ways in which an operation fails once.
const FAILURES: [(ErrorKind, usize); 3] = [
    (ErrorKind::StorageFull, 1),
    (ErrorKind::Other, 0),
    (ErrorKind::Other, 2),
];

fn try_all(wanted: usize, stride: usize) -> Trial {
    let nothing = Image::new();
    let mut trial = Trial::new();
    let segments = [700, 1000, 1900, 1 << 20];
    for (round, segment_bytes) in segments.into_iter().enumerate() {
        let options = small(segment_bytes);
        let writer = work(Simulated::default(), options, false);
        let recovered = trial
            .next(stride.min(13), usize::MAX)
            .crashes("work", &nothing, &writer);
        // Half of the images are those of recoveries that were interrupted.
        let share = wanted / 8 / recovered.len().max(1) + 1;
        for (image, told) in recovered {
            trial.next(stride, share);
            trial.interrupted_recovery(&image, told, options);
        }
        // Every operation fails once, in each of its ways, and the writer goes on.
        let rest = (wanted * (round + 1) / segments.len()).saturating_sub(trial.seen.len());
        // Shortened, every eleventh operation fails.
        let step = stride.min(11);
        let share = rest * step / 100 + 1;
        for (kind, halves) in FAILURES {
            for at in (0..).step_by(step) {
                let disk = Simulated::failing(&nothing, Failure { at, kind, halves });
                let writer = work(disk, options, false);
                if !writer.disk.has_failed() {
                    break;
                }
                trial
                    .next(stride, share)
                    .crashes("errors", &nothing, &writer);
            }
        }
        deaths(&mut trial, options, stride);
    }
    trial
}

/// Every operation fails once, and who met that ends; the next writer relies on nothing that only
/// the page cache shows.
fn deaths(trial: &mut Trial, options: OpenOptions, stride: usize) {
    let nothing = Image::new();
    let step = stride.min(7);
    for (kind, halves) in FAILURES {
        for at in (0..).step_by(step) {
            let disk = Simulated::failing(&nothing, Failure { at, kind, halves });
            let writer = work(disk, options, true);
            if !writer.disk.has_failed() {
                break;
            }
            trial
                .next(stride, 40 * step)
                .crashes("deaths", &nothing, &writer);
        }
    }
}

/// A repair that is interrupted leaves the damaged ledger as it was, and nothing or all of the new
/// one.
#[test]
fn a_repair_is_there_as_a_whole_or_not_at_all() {
    let out = Path::new("/repaired");
    let writer = work(Simulated::default(), small(700), false);
    let damaged = LedgerReader::open_on(writer.disk.clone(), Path::new(DIR)).unwrap();
    let kept = batches(&[3, 1, 2]);
    let pieces = [(1, &kept[..2]), (5, &kept[2..])].map(|(first_seq, batches)| Piece {
        first_seq,
        bytes: batches.concat().len() as u64,
    });
    let disk = Simulated::default();
    make_copy(&disk, out, damaged.reader(), &pieces).unwrap();

    let mut state = Disk::holding(&Image::new());
    let (mut whole, mut tried) = (0, 0);
    let log = disk.log();
    for (number, operation) in log.iter().enumerate() {
        state.take(operation);
        state.images(|image, _| {
            tried += 1;
            let left = Simulated::holding(&image);
            if !image.contains_key(out) {
                assert!(
                    number + 1 < log.len(),
                    "a repair that was reported is there"
                );
                return;
            }
            whole += 1;
            let ledger = FileLedger::open_on(left.clone(), out, AT_ONCE).unwrap();
            assert_eq!(contents(&ledger), kept.concat());
            assert!(changes(&left).is_empty(), "seals included");
        });
    }
    assert!(whole >= 2 && tried > 300, "{whole} of {tried}");
}

#[test]
fn every_image_that_a_crash_may_leave_opens_and_holds_what_was_acknowledged() {
    const SHORT: usize = 1_200;
    let wanted = std::env::var("ALTHING_CRASH_IMAGES").ok();
    let wanted = wanted.map(|number| number.parse().expect("a number of images"));
    let (wanted, stride) = wanted.map_or((SHORT, 53), |wanted| (wanted, 1));
    // Some are the same as others and are not counted.
    let trial = try_all(wanted * 5 / 4, stride);
    let by_kind: Vec<String> = (trial.tried.iter())
        .map(|((what, kind), count)| format!("{what:>10} {kind:?}: {count}"))
        .collect();
    let tried = trial.seen.len();
    println!("{tried} distinct images\n{}", by_kind.join("\n"));
    assert!(tried >= wanted, "only {tried} images were tried");
}
