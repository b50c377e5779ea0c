//! `althing verify`: check every hash, link, signature and decision.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::contradiction::with_hint;
use super::explain;
use crate::chain::checkpoint::Checkpoint;
use crate::chain::line::{Head, Line};
use crate::chain::lines::{Ending, LineReader, ReadLineError};
use crate::chain::merkle::MerkleAccumulator;
use crate::chain::verify::ChainVerifier;
use crate::cli::error::{Failure, replay_exit};
use crate::cli::exit::{Exit, help};
use crate::cli::output::{Output, Report};
use crate::cli::problem::Problem;
use crate::cli::session::Session;
use crate::cli::style::{bad, bold, dim, escaped, fields, good};
use crate::cli::tree;
use crate::governance::digest::Digest;
use crate::governance::invariant;
use crate::governance::time::Timestamp;
use crate::governance::tree_head::{Origin, TreeHead};
use crate::identity::MlDsaVerifier;
use crate::ledger::{LedgerReader, UnreadLedger};
use crate::node::MAX_CLOCK_LEAD;
use crate::replay::{Replay, ReplayError, Replayed};

/// Arguments of `verify`.
#[derive(Debug, Args)]
#[command(after_long_help = help!(
    "  althing verify
  althing verify --json | jq .problems
  althing verify --invariants
  althing verify --explain 12
  althing verify --checkpoint checkpoint.txt

Checked are the form and the hash of every line, the links between them, every signature, and that
each decision, grant and removal is exactly what the rules give. A tail that a crash cut short is
reported and is no fault.

What was seen is remembered, by ledger and by path: a ledger that has become shorter, has another history
or has taken another's place is found out (exit 12)."
))]
pub struct Verify {
    /// Check the whole history whatever was checked before. This version always does.
    #[arg(long)]
    full: bool,
    /// Check after every entry besides that the state keeps what holds of every state: weights add
    /// up, nobody is counted twice, and so on. Slow on a long history.
    #[arg(long)]
    invariants: bool,
    /// Show how one entry is hashed, linked and led to the Merkle root, with the commands that redo
    /// it: the one that is named, otherwise the first that is damaged, or the last.
    #[arg(long, value_name = "SEQ", num_args = 0..=1, conflicts_with_all = ["full", "invariants"])]
    explain: Option<Option<u64>>,
    /// Hold the ledger to this checkpoint's size and root, too. Its signatures are not looked at: see
    /// `althing checkpoint verify`.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Forget what was seen of this ledger and at this path before, after a change on purpose.
    #[arg(long)]
    forget: bool,
}

#[derive(Serialize)]
struct VerifyReport {
    ok: bool,
    entries: u64,
    head: Digest,
    merkle_root: Digest,
    problems: Vec<Problem>,
}

impl Report for VerifyReport {
    const SCHEMA: &'static str = "althing.verify/1";

    fn text(&self) -> String {
        let verdict = if self.ok {
            good("the ledger is intact and every decision in it is legal")
        } else {
            bad("the ledger does not verify")
        };
        let mut text = format!("{}\n", bold(&verdict));
        text.push_str(&fields(&[
            (
                if self.ok { "entries" } else { "good entries" },
                self.entries.to_string(),
            ),
            ("head", self.head.to_string()),
            ("Merkle root", self.merkle_root.to_string()),
        ]));
        for problem in &self.problems {
            text.push_str(&format!(
                "{} {problem}\n",
                if self.ok {
                    dim("note:")
                } else {
                    bad("problem:")
                },
            ));
            if let Some(hint) = &problem.hint {
                text.push_str(&format!("hint: {hint}\n"));
            }
        }
        text
    }
}

impl VerifyReport {
    /// Adds what is wrong with a ledger in which everything fits together.
    fn fault(&mut self, failure: &Failure) {
        self.ok = false;
        let fault = Problem {
            hint: failure.hint.clone(),
            ..Problem::new(
                failure.code.clone(),
                self.entries,
                0,
                failure.message.clone(),
            )
        };
        self.problems.insert(0, fault);
    }
}

/// The most problems that one report lists.
const MAX_PROBLEMS: usize = 100;

/// Runs `althing verify`.
pub fn run(verify: &Verify, session: &Session, output: &Output) -> Result<Exit, Failure> {
    // There is no shorter check yet that this option could turn off.
    let Verify {
        full: _,
        invariants,
        explain,
        checkpoint,
        forget,
    } = verify;
    if let Some(seq) = explain {
        return explain::run(*seq, session, output);
    }
    let pinned = checkpoint
        .as_deref()
        .map(super::checkpoint::read)
        .transpose()?;
    if *forget && let Some(kept) = session.set_copy_aside()? {
        output.note(&format!("the old copy is kept as {}", escaped(&kept)));
    }
    session.catch_up()?;
    let sound = (!invariants)
        .then(|| session.verify_sound(&MlDsaVerifier))
        .flatten();
    let (mut report, mut exit, head) = match &sound {
        Some(replayed) => sound_report(replayed, session.now()),
        None => examine(&session.open_reader()?, session.now(), *invariants)?,
    };
    if *forget {
        let id = head.map(|head| head.origin.ledger);
        session.memory().forget(session.ledger_dir(), id)?;
    }
    if report.ok {
        match session.compare_with_upstream() {
            Ok(None) => {}
            Ok(Some(name)) => {
                output.note(&format!("{} holds the same, row by row", escaped(&name)))
            }
            Err(failure) if failure.exit == Exit::ChainBroken => {
                report.fault(&failure);
                exit = failure.exit;
            }
            Err(failure) => return Err(failure),
        }
    }
    if let Some(head) = head.filter(|_| report.ok) {
        let pinned = checkpoint.as_deref().zip(pinned.as_ref());
        match hold(&head, pinned, session) {
            Ok(()) => session.remember(&head),
            Err(failure) if failure.exit == Exit::Mismatch => {
                report.fault(&failure);
                exit = failure.exit;
            }
            Err(failure) => return Err(failure),
        }
    }
    output.report(&report)?;
    Ok(exit)
}

/// Holds the ledger to a pinned checkpoint and to what was seen of it before.
fn hold(
    now: &TreeHead,
    pinned: Option<(&Path, &Checkpoint)>,
    session: &Session,
) -> Result<(), Failure> {
    // Only where the history has gone on is it read once more; what a snapshot stands for, too.
    let ledger = UnreadLedger::list(session.ledger_dir());
    let source = || {
        let ledger = ledger.as_ref().map(UnreadLedger::reader);
        ledger.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    };
    if let Some((file, pinned)) = pinned
        && let Err(failure) = tree::check_head(pinned.head(), now, source)
    {
        let state = session.read()?.state;
        return Err(with_hint(failure, pinned, file, &state));
    }
    let whole = |_| Ok((MerkleAccumulator::new(), source()?));
    session.memory().check(session.ledger_dir(), now, whole)
}

/// What there is to say of a ledger with which nothing is wrong.
fn sound_report(replayed: &Replayed, now: Timestamp) -> (VerifyReport, Exit, Option<TreeHead>) {
    let report = VerifyReport {
        ok: true,
        entries: replayed.head.seq,
        head: replayed.head.hash,
        merkle_root: replayed.merkle.root(),
        problems: clock_note(&replayed.head, Some(replayed.state.clock()), now)
            .into_iter()
            .collect(),
    };
    (report, Exit::Ok, Some(tree::head(replayed)))
}

/// Everything that is wrong with a ledger, in order of position.
fn examine(
    reader: &LedgerReader,
    now: Timestamp,
    invariants: bool,
) -> Result<(VerifyReport, Exit, Option<TreeHead>), Failure> {
    let mut examination = Examination {
        invariants,
        ..Examination::default()
    };
    examination.read(reader)?;
    if examination.problems.is_empty()
        && let Some(refusal) = reader.refusal()
    {
        let message = refusal.message.clone();
        let problem = Problem::new(refusal.code, refusal.seq, refusal.offset, message);
        examination.problems.push(problem);
        examination.exit = Exit::ChainBroken;
    }
    let ok = examination.problems.is_empty();
    let mut problems = examination.problems;
    problems.extend(notes(reader, &examination.head, examination.clock, now));
    let report = VerifyReport {
        ok,
        entries: examination.head.seq,
        head: examination.head.hash,
        merkle_root: examination.merkle.root(),
        problems,
    };
    let tree = examination.merkle.tree_root();
    let head = examination.origin.map(|origin| TreeHead { origin, tree });
    Ok((report, examination.exit, head))
}

/// What is worth knowing and no fault.
fn notes(
    reader: &LedgerReader,
    head: &Head,
    clock: Option<Timestamp>,
    now: Timestamp,
) -> Vec<Problem> {
    let mut notes = Vec::new();
    if let Some(tail) = reader.tail() {
        let message = format!(
            "{} bytes of a write that was never acknowledged; the next writer sets them aside",
            tail.bytes
        );
        notes.push(Problem::new(
            "tail.torn",
            head.seq + 1,
            tail.offset,
            message,
        ));
    }
    notes.extend(clock_note(head, clock, now));
    notes
}

fn clock_note(head: &Head, clock: Option<Timestamp>, now: Timestamp) -> Option<Problem> {
    let clock = clock.filter(|clock| *clock > now.saturating_add(MAX_CLOCK_LEAD))?;
    let message = format!("the last entry is of {clock}, this machine's clock says {now}");
    Some(Problem::new("clock.head-in-future", head.seq, 0, message))
}

/// What a reading of the whole ledger found.
struct Examination {
    /// Whether the state is checked after every entry.
    invariants: bool,
    problems: Vec<Problem>,
    exit: Exit,
    head: Head,
    clock: Option<Timestamp>,
    origin: Option<Origin>,
    merkle: MerkleAccumulator,
    /// The good lines of a batch that is not complete yet.
    batch: Vec<Digest>,
}

impl Default for Examination {
    fn default() -> Self {
        Self {
            invariants: false,
            problems: Vec::new(),
            exit: Exit::Ok,
            head: Head::GENESIS,
            clock: None,
            origin: None,
            merkle: MerkleAccumulator::new(),
            batch: Vec::new(),
        }
    }
}

impl Examination {
    /// Replays up to the first problem. Behind it nothing can be decided any more, but each line
    /// still carries its own hash, so every line that was tampered with is named.
    fn read(&mut self, reader: &LedgerReader) -> Result<(), Failure> {
        let verifier = MlDsaVerifier;
        let mut replay = Some(Replay::new(&verifier));
        // Behind an operation of a newer version the chain is still followed.
        let mut chain: Option<ChainVerifier> = None;
        let mut lines = LineReader::new(reader.reader());
        let mut seq = 0;
        loop {
            seq += 1;
            let raw = match lines.next_line() {
                Ok(Some(raw)) => raw,
                Ok(None) => break,
                Err(error) => {
                    let offset = match &error {
                        ReadLineError::TooLong { offset } => *offset,
                        ReadLineError::Io(_) => 0,
                    };
                    self.chain_problem(error.code(), seq, offset, error.to_string());
                    return Ok(());
                }
            };
            if raw.ending != Ending::LineFeed {
                // The ledger knows whether a crash can have left such an end.
                let (code, message) = reader
                    .refusal()
                    .filter(|refusal| refusal.offset == raw.offset)
                    .map_or(
                        ("replay.incomplete-batch", "the last line is cut short"),
                        |refusal| (refusal.code, &refusal.message),
                    );
                self.chain_problem(code, seq, raw.offset, message.to_owned());
                return Ok(());
            }
            match &mut replay {
                Some(strict) => match strict.line(raw.bytes) {
                    Ok(()) => self.good_line(raw.bytes, raw.offset, strict),
                    Err(error) => {
                        let newer = error.problem.is_of_a_newer_version();
                        self.replay_problem(&error);
                        chain = replay.take().filter(|_| newer).map(Replay::into_chain);
                    }
                },
                None => match chain.as_mut().map(|chain| chain.read(raw.bytes)) {
                    Some(Ok(_)) => {}
                    Some(Err(error)) => {
                        let message = error.to_string();
                        self.chain_problem(error.code(), seq, raw.offset, message);
                        chain = None;
                    }
                    None => self.line_alone(raw.bytes, seq, raw.offset),
                },
            }
        }
        if let Some(strict) = replay
            && let Err(error) = strict.finish()
        {
            self.replay_problem(&error);
        }
        if let Some(chain) = chain {
            self.not_judged(&chain);
        }
        Ok(())
    }

    /// Says what was not judged of a chain that is sound to its end.
    fn not_judged(&mut self, chain: &ChainVerifier) {
        let (from, to) = (self.head.seq + 1, chain.head().seq);
        if let Some(problem) = self.problems.first_mut() {
            problem.message.push_str(&format!(
                "; entries {from} to {to} are not judged, but their hashes and links hold"
            ));
            problem.hint = Some(
                "a newer version of althing wrote this ledger: verify it with that".to_owned(),
            );
        }
        if !chain.batch_complete() {
            let message = "the ledger ends before the end of a batch".to_owned();
            self.chain_problem("replay.incomplete-batch", to + 1, 0, message);
        }
    }

    fn good_line(&mut self, raw: &[u8], offset: u64, replay: &Replay<'_>) {
        if let Ok(line) = Line::decode(raw) {
            self.batch.push(line.entry_hash);
            // A batch counts as a whole or not at all.
            if line.batch.is_last() {
                for hash in self.batch.drain(..) {
                    self.merkle.push(&hash);
                }
                self.head = Head {
                    seq: line.seq,
                    hash: line.entry_hash,
                };
            }
        }
        self.clock = replay.state().map(|state| state.clock());
        self.origin = replay.state().map(tree::origin);
        if self.invariants
            && let Some(Err(violation)) = replay.state().map(invariant::check)
        {
            self.exit = Exit::Illegal;
            let seq = replay.state().map_or(0, |state| state.entries());
            self.push("invariant.violated", seq, offset, violation.to_string());
        }
    }

    fn replay_problem(&mut self, error: &ReplayError) {
        self.exit = replay_exit(error);
        self.push(
            error.code(),
            error.seq,
            error.offset,
            error.problem.to_string(),
        );
    }

    /// A line behind the first problem: only its own hash can be judged.
    fn line_alone(&mut self, raw: &[u8], seq: u64, offset: u64) {
        match Line::decode(raw) {
            Ok(line) if line.hash_matches() => {}
            Ok(_) => self.chain_problem(
                "chain.hash",
                seq,
                offset,
                "its bytes don't have the hash that it states".to_owned(),
            ),
            Err(error) => self.chain_problem(error.code(), seq, offset, error.to_string()),
        }
    }

    fn chain_problem(&mut self, code: &'static str, seq: u64, offset: u64, message: String) {
        self.exit = Exit::ChainBroken;
        self.push(code, seq, offset, message);
    }

    fn push(&mut self, code: &'static str, seq: u64, offset: u64, message: String) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(Problem::new(code, seq, offset, message));
        }
    }
}
