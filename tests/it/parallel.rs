//! Replay on several threads says what the plain replay says, of every history, good or bad.

use std::cell::RefCell;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};

use althing::governance::ballot::Decision::Approve;
use althing::governance::key::{PublicKey, Signature, SignatureVerifier};
use althing::governance::proposal::{Action, GrantTerms};
use althing::governance::time::Seconds;
use althing::parallel::{Parallel, Reached, Watcher};
use althing::replay::{ReplayError, Replayed, replay};
use althing::testing::{Assembly, StandInVerifier, actions, strategies};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

type Answer = Result<(String, String, String), (&'static str, u64, u64, String)>;

fn answer(result: Result<Replayed, ReplayError>) -> Answer {
    let replayed = result.map_err(|error| {
        let message = error.problem.to_string();
        (error.code(), error.seq, error.offset, message)
    })?;
    Ok((
        replayed.state.hash().to_string(),
        replayed.head.to_string(),
        replayed.merkle.root().to_string(),
    ))
}

fn threads(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).expect("one thread or more")
}

fn agree(bytes: &[u8], count: usize, chunk: usize) -> Result<(), TestCaseError> {
    let plain = answer(replay(bytes, &StandInVerifier));
    let parallel = Parallel::new(&StandInVerifier)
        .with_threads(threads(count))
        .with_chunk_bytes(chunk);
    prop_assert_eq!(&answer(parallel.replay(bytes)), &plain);
    match (parallel.rebuild(bytes), plain) {
        (Ok((state, head)), Ok(expected)) => {
            prop_assert_eq!(state.hash().to_string(), expected.0);
            prop_assert_eq!(head.to_string(), expected.1);
        }
        (Err(error), Err(expected)) => {
            let found = (
                error.code(),
                error.seq,
                error.offset,
                error.problem.to_string(),
            );
            prop_assert_eq!(found, expected);
        }
        (_, plain) => prop_assert!(false, "a rebuilding differs from {:?}", plain),
    }
    Ok(())
}

const ENTRY_HASH: usize = 81;
const PREV_HASH: usize = 79;

/// A line from what stands before its hashes, and its own hash.
fn hashed(start: &[u8], previous: &str) -> (Vec<u8>, String) {
    let covered = [start, format!(",\"prev_hash\":\"{previous}\"").as_bytes()].concat();
    let hash = Sha256::digest(&covered);
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let end = format!(",\"entry_hash\":\"{hash}\"}}");
    ([covered, end.into_bytes()].concat(), hash)
}

/// The lines with hashes that fit again, from the first to the last.
fn hashed_again(lines: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut previous = "0".repeat(64);
    for line in lines {
        let Some(end) = line.len().checked_sub(ENTRY_HASH + PREV_HASH) else {
            bytes.extend_from_slice(line);
            bytes.push(b'\n');
            continue;
        };
        let (line, hash) = hashed(&line[..end], &previous);
        bytes.extend_from_slice(&line);
        bytes.push(b'\n');
        previous = hash;
    }
    bytes
}

proptest! {
    #![proptest_config(crate::config(24))]

    #[test]
    fn honest_histories_give_one_answer(
        history in strategies::histories(24),
        count in 1..5_usize,
        chunk in 1..6_000_usize,
    ) {
        agree(history.play().assembly.bytes(), count, chunk)?;
    }

    #[test]
    fn damaged_ledgers_give_one_answer(
        (_, damaged) in strategies::tampered_ledgers(12),
        count in 1..4_usize,
        chunk in 1..6_000_usize,
    ) {
        agree(&damaged, count, chunk)?;
    }

    /// The hashes fit, so what is wrong shows in the form or in the rules.
    #[test]
    fn forged_lines_give_one_answer(
        history in strategies::histories(12),
        edits in prop::collection::vec(
            (
                any::<prop::sample::Index>(),
                any::<prop::sample::Index>(),
                0..3_usize,
                prop::sample::select(PIECES),
            ),
            1..3,
        ),
        count in 1..4_usize,
        chunk in 1..6_000_usize,
    ) {
        let played = history.play();
        let lines = played.assembly.bytes().split(|byte| *byte == b'\n');
        let mut lines: Vec<_> = lines.map(<[u8]>::to_vec).collect();
        lines.pop();
        for (line, at, taken, piece) in edits {
            let line = line.get_mut(&mut lines);
            let at = at.index(line.len());
            let end = (at + taken).min(line.len());
            line.splice(at..end, piece.bytes());
        }
        agree(&hashed_again(&lines), count, chunk)?;
    }

    #[test]
    fn histories_with_one_wrong_thing_give_one_answer(
        case in strategies::adversarial(6),
        chunk in 1..6_000_usize,
    ) {
        if let Some((book, _)) = &case.forged {
            agree(&book.write(), 2, chunk)?;
        }
    }
}

const PIECES: &[&str] = &[
    "", " ", "\"", "{", "}", ",", ":", "0", "1", "9", "-", "a", "_", "é", "null", "\"a\":1,",
];

/// A ledger of so many predictions, some of them under a grant, with a decision now and then.
fn predictions(count: usize) -> Assembly {
    let mut assembly = Assembly::of(&[1, 1, 1]);
    for number in 0..count {
        if number % 37 == 5 {
            assembly.pass([0, 1], actions::authorize_model("triage"));
        }
        assembly.predict(if number % 3 == 0 { "triage" } else { "other" });
    }
    assembly
}

#[test]
fn many_predictions_are_counted_alike() {
    let assembly = predictions(120);
    for chunk in [1, 700, 1 << 20] {
        for count in [1, 3] {
            agree(assembly.bytes(), count, chunk).expect("one answer");
        }
    }
}

#[test]
fn damage_anywhere_in_a_long_ledger_is_named_alike() {
    let bytes = predictions(60).bytes().to_vec();
    for at in (0..bytes.len()).step_by(2_999) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        agree(&damaged, 3, 2_000).expect("one answer");
        agree(&bytes[..at], 3, 2_000).expect("one answer");
    }
}

/// The hashes fit and the form is right: only the rules can tell, of each prediction by itself.
#[test]
fn a_verdict_that_the_rules_do_not_give_is_refused_alike() {
    const UNAUTHORIZED: &str = "\"verdict\":\"unauthorized\"";
    let assembly = predictions(24);
    let lines: Vec<String> = std::str::from_utf8(assembly.bytes())
        .expect("a ledger is text")
        .lines()
        .map(str::to_owned)
        .collect();
    let verdict = |line: &String| {
        let start = line.find("\"verdict\":\"")?;
        let end = start + line[start..].find('}')?;
        Some(line[start..end].to_owned())
    };
    let granted = lines.iter().filter_map(verdict);
    let granted: Vec<String> = granted.filter(|it| it != UNAUTHORIZED).collect();
    let mut forged = 0;
    for (index, line) in lines.iter().enumerate() {
        let Some(verdict) = verdict(line) else {
            continue;
        };
        let other = match verdict.as_str() {
            UNAUTHORIZED => &granted[0],
            _ => UNAUTHORIZED,
        };
        let mut lines: Vec<_> = lines.iter().map(|it| it.clone().into_bytes()).collect();
        lines[index] = line.replace(&verdict, other).into_bytes();
        let bytes = hashed_again(&lines);
        let error = replay(&bytes[..], &StandInVerifier).expect_err("another verdict");
        assert_eq!(error.seq, index as u64 + 1);
        // The first chunk is always read line by line, so it must not be all there is.
        agree(&bytes, 2, 5_000).expect("one answer");
        forged += 1;
    }
    assert!(granted.len() > 3 && forged == 24, "{forged}");
}

/// Fails after some bytes.
struct Failing<'a>(&'a [u8]);

impl Read for Failing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            return Err(io::Error::other("no more"));
        }
        self.0.read(buffer)
    }
}

#[test]
fn a_source_that_fails_and_an_endless_line_are_reported() {
    let assembly = predictions(20);
    let parallel = Parallel::new(&StandInVerifier).with_chunk_bytes(1_000);
    let error = parallel
        .replay(Failing(assembly.bytes()))
        .expect_err("it fails");
    let (entries, length) = (assembly.state().entries(), assembly.bytes().len() as u64);
    assert_eq!(
        (error.code(), error.seq, error.offset),
        ("line.io", entries + 1, length)
    );

    let endless = assembly.bytes().chain(io::repeat(b'x'));
    let error = parallel.replay(endless).expect_err("it never ends");
    assert_eq!(
        (error.code(), error.seq, error.offset),
        ("line.too-long", entries + 1, length)
    );
}

/// Yields a few bytes at a time, is interrupted now and then, and fails once if it is told to.
struct Trickle<'a> {
    bytes: &'a [u8],
    reads: usize,
    fails: bool,
}

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reads += 1;
        if self.reads % 5 == 1 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if self.bytes.is_empty() && std::mem::take(&mut self.fails) {
            return Err(io::Error::other("once"));
        }
        let few = buffer.len().min(1 + self.reads % 90);
        self.bytes.read(&mut buffer[..few])
    }
}

#[test]
fn a_source_may_come_in_pieces_but_not_without_its_failure() {
    let assembly = predictions(20);
    let trickle = |fails| Trickle {
        bytes: assembly.bytes(),
        reads: 0,
        fails,
    };
    let parallel = Parallel::new(&StandInVerifier).with_chunk_bytes(1_000);
    let plain = answer(replay(assembly.bytes(), &StandInVerifier));
    assert_eq!(answer(parallel.replay(trickle(false))), plain);
    let error = parallel.replay(trickle(true)).expect_err("it fails once");
    assert_eq!(error.code(), "line.io");
}

#[test]
fn a_line_that_names_another_past_is_refused_though_its_own_hash_fits() {
    let assembly = predictions(40);
    let lines: Vec<&[u8]> = assembly
        .bytes()
        .split_inclusive(|it| *it == b'\n')
        .collect();
    for at in [3, lines.len() / 2, lines.len() - 1] {
        let end = lines[at].len() - 1 - ENTRY_HASH - PREV_HASH;
        let (line, _) = hashed(&lines[at][..end], &"f".repeat(64));
        let bytes = [
            &lines[..at].concat()[..],
            &line,
            b"\n",
            &lines[at + 1..].concat(),
        ]
        .concat();
        let error = replay(&bytes[..], &StandInVerifier).expect_err("it continues nothing");
        assert_eq!((error.code(), error.seq), ("chain.link", at as u64 + 1));
        for chunk in [1, 2_000, 1 << 20] {
            agree(&bytes, 2, chunk).expect("one answer");
        }
    }
}

/// What stands before a verdict in a line.
const VERDICT: &str = "\"verdict\":\"";

#[test]
fn a_wrong_verdict_among_many_right_ones_is_refused() {
    let assembly = predictions(60);
    let lines = assembly.bytes().split(|byte| *byte == b'\n');
    let mut lines: Vec<_> = lines.map(<[u8]>::to_vec).collect();
    lines.pop();
    let verdicts: Vec<Option<String>> = (lines.iter())
        .map(|line| {
            let line = String::from_utf8(line.clone()).expect("JSON");
            let (verdict, _) = line.split_once(VERDICT)?.1.split_once('"')?;
            Some(verdict.to_owned())
        })
        .collect();
    let refused = Some("unauthorized");
    let last = |is_refused: bool| {
        let of_it = |verdict: &Option<String>| {
            verdict.is_some() && (verdict.as_deref() == refused) == is_refused
        };
        verdicts.iter().rposition(of_it).expect("there is one")
    };
    let (refused, granted) = (last(true), last(false));
    for (at, other) in [(refused, granted), (granted, refused)] {
        let [old, new] = [at, other].map(|at| {
            let verdict = verdicts[at].as_deref().expect("a verdict");
            format!("{VERDICT}{verdict}\"")
        });
        let line = String::from_utf8(lines[at].clone()).expect("JSON");
        let mut forged = lines.clone();
        forged[at] = line.replace(&old, &new).into_bytes();
        let bytes = hashed_again(&forged);
        let error = replay(&bytes[..], &StandInVerifier).expect_err("it is wrong");
        assert_eq!(error.seq, at as u64 + 1);
        for chunk in [1, 2_000, 1 << 20] {
            agree(&bytes, 2, chunk).expect("one answer");
        }
    }
}

#[test]
fn a_verdict_counts_at_its_own_time_alone() {
    let mut assembly = Assembly::of(&[1, 1, 1]);
    let expires_at = assembly
        .now()
        .saturating_add(Seconds::new(100).expect("a length of time"));
    assembly.pass(
        [0, 1],
        Action::AuthorizeModel(GrantTerms {
            expires_at: Some(expires_at),
            ..GrantTerms::unrestricted(actions::model("triage"))
        }),
    );
    assembly.predict("triage");
    assembly.wait_until(expires_at);
    assembly.predict("triage");
    let lines = assembly.bytes().split(|byte| *byte == b'\n');
    let mut lines: Vec<_> = lines.map(<[u8]>::to_vec).collect();
    lines.pop();
    let text = |line: &[u8]| String::from_utf8(line.to_vec()).expect("JSON");
    let verdict = |line: &str| {
        let (verdict, _) = line.split_once(VERDICT)?.1.split_once('"')?;
        Some(format!("{VERDICT}{verdict}\""))
    };
    let [granted, refused] = [2, 1].map(|back| text(&lines[lines.len() - back]));
    let [old, new] = [&refused, &granted].map(|line| verdict(line).expect("a verdict"));
    assert_ne!(old, new);
    let at = lines.len() - 1;
    lines[at] = refused.replace(&old, &new).into_bytes();
    let bytes = hashed_again(&lines);
    let error = replay(&bytes[..], &StandInVerifier).expect_err("the grant has ended");
    assert_eq!(error.seq, at as u64 + 1);
    // Both predictions are in one chunk at one of these lengths.
    for chunk in (1_000..6_000).step_by(500) {
        agree(&bytes, 2, chunk).expect("one answer");
    }
}

#[test]
fn a_prediction_in_the_place_of_a_consequence_is_refused() {
    let mut assembly = Assembly::of(&[1, 1, 1]);
    assembly.pass([0, 1], actions::authorize_model("triage"));
    assembly.predict("other");
    let text = String::from_utf8(assembly.bytes().to_vec()).expect("JSON");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let decided = lines
        .iter()
        .position(|line| line.contains("\"consensus_reached\""));
    let decided = decided.expect("a decision");
    // Behind the deciding ballot stands the prediction, and nothing that follows from the ballot.
    lines.drain(decided..decided + 2);
    let seq = |of: usize| format!("\"seq\":{of},\"batch\":");
    let places = [
        (decided - 1, seq(decided) + "[1,3]", seq(decided) + "[1,2]"),
        (
            decided,
            seq(decided + 3) + "[1,1]",
            seq(decided + 1) + "[2,2]",
        ),
    ];
    for (line, before, after) in places {
        assert!(lines[line].contains(&before), "{}", lines[line]);
        lines[line] = lines[line].replace(&before, &after);
    }
    let lines: Vec<Vec<u8>> = lines.into_iter().map(String::into_bytes).collect();
    let bytes = hashed_again(&lines);
    let error = replay(&bytes[..], &StandInVerifier).expect_err("the decision is missing");
    assert_eq!(error.seq, decided as u64 + 1);
    // The ballot and the prediction are in one chunk at one of these lengths.
    for chunk in (1_000..12_000).step_by(500) {
        agree(&bytes, 2, chunk).expect("one answer");
    }
}

struct Seen(RefCell<Vec<Reached>>);

impl Watcher for Seen {
    fn reached(&self, reached: Reached) {
        self.0.borrow_mut().push(reached);
    }
}

#[test]
fn a_watcher_hears_of_every_step() {
    let assembly = predictions(100);
    let seen = Seen(RefCell::default());
    let parallel = Parallel::new(&StandInVerifier)
        .with_chunk_bytes(5_000)
        .watched_by(&seen);
    parallel
        .replay(assembly.bytes())
        .expect("an honest history");
    let seen = seen.0.into_inner();
    assert!(seen.len() > 5, "{seen:?}");
    assert!(seen.is_sorted_by(|one, next| one.entries < next.entries && one.bytes < next.bytes));
    let last = seen.last().expect("a step");
    assert_eq!(last.entries, assembly.state().entries());
    assert_eq!(last.bytes, assembly.bytes().len() as u64);
}

/// Counts how many signatures are checked.
#[derive(Default)]
struct Counting(AtomicUsize);

impl SignatureVerifier for Counting {
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed);
        StandInVerifier.verify(key, message, signature)
    }
}

/// Each signature is checked once: what was checked ahead is believed.
#[test]
fn signatures_are_checked_ahead_and_once() {
    let mut assembly = Assembly::of(&[1, 1, 1]);
    for _ in 0..40 {
        let proposal = assembly.propose(0, actions::authorize_model("triage"));
        assembly.vote_all([0, 1], proposal, Approve);
    }
    let count = |replay: &dyn Fn(&Counting)| {
        let counting = Counting::default();
        replay(&counting);
        counting.0.into_inner()
    };
    let bytes = assembly.bytes();
    let plain = count(&|counting| drop(replay(bytes, counting).expect("an honest history")));
    let ahead = count(&|counting| {
        let parallel = Parallel::new(counting).with_chunk_bytes(3_000);
        drop(parallel.replay(bytes).expect("an honest history"));
    });
    assert_eq!(ahead, plain);
}
