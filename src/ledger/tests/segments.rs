//! Segments: when one ends, how it is sealed, and what is found of it later.

use std::process::Command;

use super::*;
use crate::governance::digest::Digest;
use crate::ledger::simulated::{Image, Simulated};
use crate::ledger::{AppendError, Diagnosis};

/// A code, and the damage that it stands for.
type Damage<'a> = (&'a str, &'a dyn Fn(&Path));

fn seals(dir: &Path) -> PathBuf {
    dir.join("ledger/SHA256SUMS")
}

fn open_small(dir: &Path) -> Result<FileLedger<Faulty>, OpenError> {
    FileLedger::open_on(Faulty::default(), dir, SMALL)
}

/// What a writer and a reader say of a damaged ledger, which must be the same.
fn refused(dir: &Path) -> String {
    let reader = read(dir).unwrap();
    let refusal = reader.refusal().expect("a reader finds it").clone();
    match open_small(dir).expect_err("a writer finds it") {
        OpenError::Refused { refusal: other, .. } => assert_eq!(other, refusal),
        error => panic!("{error}"),
    }
    refusal.code.to_owned()
}

#[test]
fn a_segment_ends_before_a_batch_that_would_make_it_too_long() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = FileLedger::create_on(Faulty::default(), dir.path(), SMALL).unwrap();
    let sizes = [1, 1, 2, 1, 5, 1, 1, 1];
    fill(&mut ledger, &sizes);
    assert_eq!(contents(&ledger), batches(&sizes).concat());
    assert_eq!(ledger.bytes(), batches(&sizes).concat().len() as u64);
    drop(ledger);
    let names: Vec<_> = segments(dir.path())
        .iter()
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    // A batch is never divided, so one of five lines has a segment of its own.
    let starts = [1, 3, 5, 6, 11, 13].map(|seq| format!("{seq:020}"));
    assert_eq!(names, starts);
    assert_eq!(
        contents(&open_small(dir.path()).unwrap()),
        batches(&sizes).concat()
    );
    let mut bytes = Vec::new();
    let reader = read(dir.path()).unwrap();
    reader.reader().read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, batches(&sizes).concat());
}

#[test]
fn bytes_can_be_read_from_anywhere() {
    let dir = three_segments();
    let ledger = open_small(dir.path()).unwrap();
    let whole = contents(&ledger);
    for from in 0..=whole.len() {
        let mut rest = Vec::new();
        let mut reader = ledger.reader_behind(from as u64);
        reader.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, whole[from..], "from byte {from}");
    }
}

#[test]
fn seals_are_what_sha256sum_checks() {
    let dir = three_segments();
    let expected: String = segments(dir.path())[..2]
        .iter()
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            format!("{}  {name}\n", Digest::of(&fs::read(path).unwrap()))
        })
        .collect();
    assert_eq!(fs::read_to_string(seals(dir.path())).unwrap(), expected);
    let check = Command::new("sha256sum")
        .args(["--check", "--strict", "--quiet", "SHA256SUMS"])
        .current_dir(dir.path().join("ledger"))
        .status();
    assert!(check.unwrap().success());
}

#[test]
fn a_batch_that_is_hashed_beside_its_write_is_sealed_alike() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = FileLedger::create_on(Faulty::default(), dir.path(), SMALL).unwrap();
    // The one in the middle is longer than what its own thread hashes.
    fill(&mut ledger, &[1, 1_200, 1]);
    drop(ledger);
    let sealed = segments(dir.path());
    let large = &sealed[sealed.len() - 2];
    assert!(fs::metadata(large).unwrap().len() > 256 << 10);
    let seals = fs::read_to_string(seals(dir.path())).unwrap();
    let digest = Digest::of(&fs::read(large).unwrap()).to_string();
    assert_eq!(
        seals.lines().last().unwrap().split(' ').next(),
        Some(&*digest)
    );
}

#[test]
fn missing_seals_are_put_back() {
    let dir = three_segments();
    let whole = fs::read(seals(dir.path())).unwrap();
    let first = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for left in [
        None,
        Some(&whole[..0]),
        Some(&whole[..first]),
        Some(&whole[first..]),
    ] {
        fs::remove_file(seals(dir.path())).unwrap();
        if let Some(left) = left {
            fs::write(seals(dir.path()), left).unwrap();
        }
        assert_eq!(read(dir.path()).unwrap().refusal(), None);
        open_small(dir.path()).unwrap();
        assert_eq!(fs::read(seals(dir.path())).unwrap(), whole);
    }
}

/// The process ended between the seal and the next segment.
#[test]
fn a_sealed_segment_is_never_written_to_again() {
    let dir = three_segments();
    let last = segments(dir.path()).pop().unwrap();
    let bytes = fs::read(&last).unwrap();
    let mut text = fs::read_to_string(seals(dir.path())).unwrap();
    let name = last.file_name().unwrap().to_str().unwrap();
    text.push_str(&format!("{}  {name}\n", Digest::of(&bytes)));
    fs::write(seals(dir.path()), &text).unwrap();
    assert_eq!(read(dir.path()).unwrap().refusal(), None);

    let mut ledger = open(dir.path()).unwrap();
    fill(&mut ledger, &[1]);
    drop(ledger);
    assert_eq!(fs::read(&last).unwrap(), bytes);
    assert_eq!(segments(dir.path()).len(), 4);
    assert_eq!(fs::read_to_string(seals(dir.path())).unwrap(), text);
    assert_eq!(open(dir.path()).unwrap().head().seq, 6);
}

/// A ledger of three segments in memory, and the paths of its files.
fn image() -> (Image, Vec<PathBuf>) {
    let disk = Simulated::default();
    let dir = Path::new("/ledger");
    let options = OpenOptions {
        segment_bytes: 1,
        ..AT_ONCE
    };
    let mut ledger = FileLedger::create_on(disk.clone(), dir, options).unwrap();
    fill(&mut ledger, &[1, 2, 1]);
    let image = disk.image();
    let files = image.iter().filter(|(_, content)| content.is_some());
    let paths: Vec<_> = files.map(|(path, _)| path.clone()).collect();
    assert_eq!(paths.len(), 4);
    (image, paths)
}

/// What a reader says of a ledger one of whose files holds `bytes`.
fn diagnosis_with(image: &Image, path: &Path, bytes: Vec<u8>) -> Diagnosis {
    let mut image = image.clone();
    image.insert(path.to_owned(), Some(bytes.into()));
    let reader = LedgerReader::open_on(Simulated::holding(&image), Path::new("/ledger"));
    reader.unwrap().diagnosis().clone()
}

#[test]
fn every_flipped_bit_of_segments_and_seals_is_refused() {
    let (image, paths) = image();
    for path in &paths {
        let is_seals = path.ends_with("SHA256SUMS");
        let whole = image[path].clone().unwrap();
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut flipped = whole.to_vec();
                flipped[at] ^= 1 << bit;
                match diagnosis_with(&image, path, flipped) {
                    Diagnosis::Refused(refusal) => {
                        assert_eq!(refusal.code == "segment.seal", is_seals, "{refusal}");
                    }
                    other => panic!("{}, byte {at}, bit {bit}: {other:?}", path.display()),
                }
            }
        }
    }
}

#[test]
fn every_cut_of_every_segment_is_found() {
    let (image, paths) = image();
    let segments = &paths[..3];
    for (number, path) in segments.iter().enumerate() {
        let is_last = number + 1 == segments.len();
        let whole = image[path].clone().unwrap();
        for at in 0..whole.len() {
            match diagnosis_with(&image, path, whole[..at].to_vec()) {
                Diagnosis::Refused(refusal) => assert!(!is_last, "{at} bytes: {refusal}"),
                // The last batch alone may be missing for a crash.
                Diagnosis::Torn { .. } => assert!(is_last && at > 0),
                Diagnosis::Clean { .. } => assert!(is_last && at == 0),
            }
        }
    }
}

/// Whoever cuts a ledger removes the segments behind the cut as well, and may mend the seals.
#[test]
fn every_truncation_is_refused_for_a_checkpoints_sake() {
    let (image, paths) = image();
    let dir = Path::new("/ledger");
    let is_segment = |path: &&PathBuf| path.extension().is_some();
    let segments: Vec<&PathBuf> = paths.iter().filter(is_segment).collect();
    let seals = paths.iter().find(|path| !is_segment(path)).unwrap();
    let sums = image[seals].clone().unwrap();
    let options = OpenOptions {
        checkpoint: Some(4),
        ..AT_ONCE
    };
    let whole = FileLedger::open_on(Simulated::holding(&image), dir, options);
    assert_eq!(whole.unwrap().head().seq, 4);
    for (number, path) in segments.iter().enumerate() {
        let bytes = image[*path].clone().unwrap();
        for at in 0..bytes.len() {
            for mended in [false, true] {
                let mut cut = image.clone();
                cut.retain(|path, _| !segments[number + 1..].contains(&path));
                cut.insert((*path).clone(), Some(bytes[..at].to_vec().into()));
                if mended {
                    let kept = sums.split_inclusive(|byte| *byte == b'\n').take(number);
                    let kept: Vec<u8> = kept.flatten().copied().collect();
                    cut.insert(seals.clone(), Some(kept.into()));
                }
                let opened = FileLedger::open_on(Simulated::holding(&cut), dir, options);
                assert!(
                    matches!(opened, Err(OpenError::Refused { .. })),
                    "segment {number}, byte {at}: {opened:?}"
                );
            }
        }
    }
}

#[test]
fn the_seals_cut_anywhere_are_rebuilt_or_refused() {
    let dir = three_segments();
    let whole = fs::read(seals(dir.path())).unwrap();
    for length in 0..whole.len() {
        let left = &whole[..length];
        fs::write(seals(dir.path()), left).unwrap();
        let reader = read(dir.path()).unwrap();
        let code = reader.refusal().map(|refusal| refusal.code);
        let expected = (!left.is_empty() && !left.ends_with(b"\n")).then_some("segment.seal");
        assert_eq!(code, expected, "{length} bytes");
    }
}

#[test]
fn segments_and_seals_must_fit_together() {
    let cut_to_a_batch = |dir: &Path| {
        let path = &segments(dir)[0];
        let line = fs::read(path).unwrap().len() / 2;
        fs::write(path, &fs::read(path).unwrap()[..line]).unwrap();
    };
    let without_the_middle = |dir: &Path| fs::remove_file(&segments(dir)[1]).unwrap();
    let without_the_last_two = |dir: &Path| {
        for path in &segments(dir)[1..] {
            fs::remove_file(path).unwrap();
        }
    };
    let empty_and_sealed = |dir: &Path| {
        let last = segments(dir).pop().unwrap();
        fs::write(&last, b"").unwrap();
        let name = last.file_name().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(seals(dir)).unwrap();
        let text = format!("{text}{}  {name}\n", Digest::of(b""));
        fs::write(seals(dir), text).unwrap();
    };
    let cases: [Damage<'_>; 4] = [
        ("segment.seal", &cut_to_a_batch),
        ("segment.gap", &without_the_middle),
        ("segment.seal", &without_the_last_two),
        ("segment.seal", &empty_and_sealed),
    ];
    for (code, damage) in cases {
        let dir = three_segments();
        damage(dir.path());
        assert_eq!(refused(dir.path()), code);
    }
}

#[test]
fn a_checkpoint_tells_that_whole_batches_are_missing() {
    let dir = three_segments();
    fs::write(segments(dir.path()).pop().unwrap(), b"").unwrap();
    for (checkpoint, code) in [(4, None), (5, Some("tail.checkpoint"))] {
        let options = OpenOptions {
            checkpoint: Some(checkpoint),
            ..SMALL
        };
        let opened = FileLedger::open_on(Faulty::default(), dir.path(), options);
        assert_eq!(opened.err().map(|error| error.code()), code);
    }
}

#[test]
fn writers_take_turns_without_reading_everything_again() {
    let dir = three_segments();
    let mut ledgers = [(); 3].map(|()| {
        let mut ledger = open_small(dir.path()).unwrap();
        ledger.release();
        ledger
    });
    for round in 0..4_u64 {
        for ledger in &mut ledgers {
            let head = *ledger.head();
            let refused = ledger.append(&head, &batch(&head, 1)).unwrap_err();
            assert!(matches!(refused, AppendError::Released));
            assert_eq!(refused.code(), "ledger.released");
            let before = ledger.bytes();
            ledger.resume(Wait::No).unwrap();
            let mut others = Vec::new();
            let mut reader = ledger.reader_behind(before);
            reader.read_to_end(&mut others).unwrap();
            let expected = if round == 0 {
                ledger.head().seq - 5
            } else {
                2 * 2
            };
            let lines = others.iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(lines as u64, expected);
            fill(ledger, &[2]);
            ledger.release();
        }
    }
    let sizes = [&[1, 1, 2, 1][..], &[2; 12]].concat();
    assert_eq!(
        contents(&open_small(dir.path()).unwrap()),
        batches(&sizes).concat()
    );
}

#[test]
fn a_ledger_that_is_taken_up_again_must_hold_what_it_held() {
    let last = |dir: &Path| segments(dir).pop().unwrap();
    let damages: [Damage<'_>; 4] = [
        ("ledger.io", &|dir| fs::write(last(dir), b"").unwrap()),
        ("segment.other", &|dir| {
            // As long as before, with another hash at its end.
            let mut bytes = fs::read(last(dir)).unwrap();
            let at = bytes.len() - 5;
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            fs::write(last(dir), bytes).unwrap();
        }),
        ("segment.gap", &|dir| fs::remove_file(last(dir)).unwrap()),
        ("line.malformed", &|dir| {
            let mut bytes = fs::read(last(dir)).unwrap();
            bytes.extend(b"{}\n");
            fs::write(last(dir), bytes).unwrap();
        }),
    ];
    for (code, damage) in damages {
        let dir = three_segments();
        let mut ledger = open_small(dir.path()).unwrap();
        ledger.release();
        damage(dir.path());
        let error = ledger.resume(Wait::No).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        let head = *ledger.head();
        let refused = ledger.append(&head, &batch(&head, 1)).unwrap_err();
        assert_eq!(refused.code(), "ledger.released");
    }
}

/// Somebody repaired the ledger meanwhile: the same bytes, in another file.
#[test]
fn a_file_of_the_same_length_in_the_segments_place_is_written_to() {
    let dir = three_segments();
    let mut ledger = open_small(dir.path()).unwrap();
    ledger.release();
    let last = segments(dir.path()).pop().unwrap();
    let copy = dir.path().join("copy");
    fs::copy(&last, &copy).unwrap();
    fs::rename(&copy, &last).unwrap();
    ledger.resume(Wait::No).unwrap();
    fill(&mut ledger, &[1]);
    drop(ledger);
    assert_eq!(open_small(dir.path()).unwrap().head().seq, 6);
}

/// A writer that took the beginning of a segment for good has never hashed it, and seals it all the
/// same. Once another segment follows, nobody reads that beginning to compare the seal; in the last
/// segment the seal is all that shows that no batch is missing.
#[test]
fn a_segment_whose_beginning_was_not_read_is_sealed() {
    let three_lines = OpenOptions {
        segment_bytes: 1_000,
        ..AT_ONCE
    };
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = FileLedger::create_on(Faulty::default(), dir.path(), three_lines).unwrap();
    fill(&mut ledger, &[1, 1]);
    let prefix = crate::chain::place::Prefix {
        tip: *ledger.tip(),
        place: ledger.place().unwrap().unwrap(),
    };
    drop(ledger);
    let behind = OpenOptions {
        prefix: Some(prefix),
        ..three_lines
    };
    let mut ledger = FileLedger::open_on(Faulty::default(), dir.path(), behind).unwrap();
    assert_eq!(ledger.prefix(), Some(&prefix));
    fill(&mut ledger, &[1, 1]);
    drop(ledger);
    assert_eq!(segments(dir.path()).len(), 2);
    assert!(read(dir.path()).unwrap().refusal().is_none());

    let path = segments(dir.path()).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    bytes[90] ^= 1;
    fs::write(&path, bytes).unwrap();
    let open = |options| FileLedger::open_on(Faulty::default(), dir.path(), options);
    assert_eq!(open(behind).unwrap().head().seq, 4);
    assert!(matches!(open(three_lines), Err(OpenError::Refused { .. })));
    fs::remove_file(segments(dir.path()).remove(1)).unwrap();
    assert_eq!(open(behind).unwrap_err().code(), "segment.seal");
}
