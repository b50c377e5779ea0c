//! `althing verify --explain`: every hash of one entry, with commands that redo it.

use serde::Serialize;

use crate::chain::line::Line;
use crate::chain::lines::{Ending, LineReader};
use crate::chain::merkle::{
    InclusionProof, InclusionProver, LeafHash, MerkleAccumulator, Side, node_hash,
};
use crate::chain::verify::{ChainVerifier, VerifyError};
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::output::{Output, Report};
use crate::cli::problem::Problem;
use crate::cli::session::Session;
use crate::cli::style::{bad, bold, dim, escaped, good};
use crate::governance::digest::Digest;
use crate::ledger::LedgerReader;

/// What a line's hash does not cover: `,"entry_hash":"<64 hex>"}`.
const UNCOVERED_BYTES: usize = 81;

#[derive(Serialize)]
struct ExplainReport {
    ok: bool,
    seq: u64,
    file: String,
    /// The line's number in its file.
    line: u64,
    /// Where the line starts, from the ledger's first byte.
    offset: u64,
    /// Its length, the line feed not counted.
    bytes: usize,
    /// How many of its first bytes are hashed.
    hashed_bytes: usize,
    operation: Option<String>,
    timestamp: Option<String>,
    /// Why the chain does not hold up to this entry.
    problem: Option<Problem>,
    steps: Vec<Step>,
    /// The tree that the last steps lead to the root of; `None` where the entry is in none.
    merkle: Option<Merkle>,
}

/// A value that must be found, and how.
#[derive(Serialize)]
struct Step {
    what: String,
    command: String,
    expected: Option<String>,
    found: Option<String>,
    ok: bool,
}

#[derive(Serialize)]
struct Merkle {
    leaf_index: u64,
    tree_size: u64,
    root: Digest,
}

/// Runs `althing verify --explain`.
pub fn run(seq: Option<u64>, session: &Session, output: &Output) -> Result<Exit, Failure> {
    let reader = session.open_reader()?;
    let wanted = match seq {
        Some(seq) => seq,
        None => {
            let scan = scan(&reader, 0)?;
            scan.problem.map_or(scan.lines, |problem| problem.seq)
        }
    };
    let report = explain(&reader, scan(&reader, wanted)?, wanted)?;
    output.report(&report)?;
    Ok(if report.ok {
        Exit::Ok
    } else {
        Exit::ChainBroken
    })
}

/// What a reading of the whole ledger found.
#[derive(Default)]
struct Scan {
    /// How many lines there are, whatever they are worth.
    lines: u64,
    /// The hashes of the entries of complete batches before any damage.
    entries: Vec<Digest>,
    problem: Option<Problem>,
    /// The hash that the line before the wanted one states.
    previous: Option<Digest>,
    wanted: Option<(u64, Vec<u8>)>,
    /// The hash that the line after it states for the line before.
    next: Option<Digest>,
}

fn scan(reader: &LedgerReader, wanted: u64) -> Result<Scan, Failure> {
    let mut lines = LineReader::new(reader.reader());
    let mut chain = ChainVerifier::new();
    let mut scan = Scan::default();
    let mut last = Some(Digest::ZERO);
    let mut open = Vec::new();
    while let Some(raw) = lines
        .next_line()
        .map_err(|error| Failure::new(Exit::ChainBroken, error.code(), error.to_string()))?
    {
        scan.lines += 1;
        let stated = stated_hash(raw.bytes);
        if scan.lines == wanted {
            scan.previous = last;
            scan.wanted = Some((raw.offset, raw.bytes.to_vec()));
        } else if scan.lines == wanted + 1 {
            scan.next = Line::decode(raw.bytes).ok().map(|line| line.prev_hash);
        }
        last = stated;
        if scan.problem.is_none() {
            match follow(&mut chain, raw.bytes, raw.ending) {
                Ok(hash) => open.push(hash),
                Err((code, message)) => {
                    scan.problem = Some(Problem::new(code, scan.lines, raw.offset, message));
                }
            }
            if scan.problem.is_none() && chain.batch_complete() {
                scan.entries.append(&mut open);
            }
        }
    }
    Ok(scan)
}

/// Takes the next line of the chain and returns its hash.
fn follow(
    chain: &mut ChainVerifier,
    raw: &[u8],
    ending: Ending,
) -> Result<Digest, (&'static str, String)> {
    if ending != Ending::LineFeed {
        return Err(("tail.damaged", "the last line is cut short".to_owned()));
    }
    let refused = |error: VerifyError| (error.code(), error.to_string());
    chain.read(raw).map(|line| line.entry_hash).map_err(refused)
}

/// The hash in the place where a line states its own.
fn stated_hash(raw: &[u8]) -> Option<Digest> {
    let hex = raw.get(raw.len().checked_sub(66)?..raw.len() - 2)?;
    Digest::from_hex(hex).ok()
}

fn explain(reader: &LedgerReader, scan: Scan, seq: u64) -> Result<ExplainReport, Failure> {
    let found = scan.wanted.zip(reader.segment_of(seq));
    let Some(((offset, raw), (file, first))) = found else {
        return Err(Failure::new(
            Exit::Refused,
            "history.no-such-point",
            format!("there is no entry {seq}, the last one is {}", scan.lines),
        ));
    };
    let place = Place {
        file: shell_quoted(&file.display().to_string()),
        line: seq - first + 1,
    };
    let decoded = Line::decode(&raw).ok();
    let hashed_bytes = raw.len().saturating_sub(UNCOVERED_BYTES);
    let computed = Digest::of(raw.get(..hashed_bytes).unwrap_or_default());
    let mut steps = own_steps(&place, &raw, computed);
    steps.extend(link_steps(&place, &scan.previous, &decoded));
    if let Some(next) = scan.next {
        steps.push(Step::new(
            "the line behind it names this hash as its prev_hash",
            format!(
                "sed -n {}p {} | jq -r .prev_hash",
                place.line + 1,
                place.file
            ),
            Some(computed.to_string()),
            Some(next.to_string()),
        ));
    }
    let merkle = tree_steps(&scan.entries, seq, &mut steps);
    // Behind damage nothing is known to belong to the chain.
    let problem = scan.problem.filter(|problem| problem.seq <= seq);
    Ok(ExplainReport {
        ok: problem.is_none() && steps.iter().all(|step| step.ok),
        seq,
        file: file.display().to_string(),
        line: place.line,
        offset,
        bytes: raw.len(),
        hashed_bytes,
        operation: decoded.map(|line| line.operation.to_owned()),
        timestamp: decoded.map(|line| line.timestamp.to_string()),
        problem,
        steps,
        merkle,
    })
}

/// Where a line stands; the file's name is quoted for a shell.
struct Place {
    file: String,
    line: u64,
}

impl Step {
    fn new(
        what: impl Into<String>,
        command: String,
        expected: Option<String>,
        found: Option<String>,
    ) -> Self {
        Self {
            what: what.into(),
            command,
            ok: expected == found,
            expected,
            found,
        }
    }
}

fn own_steps(place: &Place, raw: &[u8], computed: Digest) -> Vec<Step> {
    let Place { file, line } = place;
    let stated = stated_hash(raw).map(|hash| hash.to_string());
    let computed = computed.to_string();
    vec![
        Step::new(
            "entry_hash, as the line states it in its last 81 bytes",
            format!("sed -n {line}p {file} | tail -c 67 | head -c 64"),
            stated.clone(),
            stated.clone(),
        ),
        Step::new(
            "the SHA-256 of every byte before them (82 with the line feed) is that hash",
            format!("sed -n {line}p {file} | head -c -82 | sha256sum | head -c 64"),
            stated,
            Some(computed),
        ),
    ]
}

fn link_steps(place: &Place, previous: &Option<Digest>, line: &Option<Line<'_>>) -> Vec<Step> {
    let found = line.map(|line| line.prev_hash.to_string());
    let expected = previous.map(|hash| hash.to_string());
    let what = if expected == Some(Digest::ZERO.to_string()) {
        "prev_hash is 64 zeros: no line stands before the first"
    } else {
        "prev_hash is the entry_hash of the line before"
    };
    let command = format!("sed -n {}p {} | jq -r .prev_hash", place.line, place.file);
    vec![Step::new(what, command, expected, found)]
}

/// The way from the entry's hash to the root of the tree over all good entries.
fn tree_steps(entries: &[Digest], seq: u64, steps: &mut Vec<Step>) -> Option<Merkle> {
    let leaf_index = seq - 1;
    let index = usize::try_from(leaf_index).ok()?;
    let hash = entries.get(index)?;
    let mut node = *LeafHash::of_entry(hash).digest();
    steps.push(computed(
        format!("leaf {leaf_index} of the Merkle tree: SHA-256 of a zero byte and the entry_hash"),
        &format!("00{hash}"),
        node,
    ));
    let (proof, root) = inclusion(entries, leaf_index)?;
    for (side, sibling) in proof.way() {
        let (left, right, side) = match side {
            Side::Left => (*sibling, node, "left"),
            Side::Right => (node, *sibling, "right"),
        };
        node = node_hash(&left, &right);
        steps.push(computed(
            format!("the node above, with {sibling} on its {side}"),
            &format!("01{left}{right}"),
            node,
        ));
    }
    let tree_size = entries.len() as u64;
    if let Some(last) = steps.last_mut() {
        last.what
            .push_str(&format!("; this is the root over {tree_size} entries"));
        last.ok = node == root;
    }
    Some(Merkle {
        leaf_index,
        tree_size,
        root,
    })
}

/// A hash of bytes that are given in hexadecimal.
fn computed(what: String, hex: &str, hash: Digest) -> Step {
    let command =
        format!("printf {hex} | tr a-f A-F | basenc -d --base16 | sha256sum | head -c 64");
    Step::new(
        what,
        command,
        Some(hash.to_string()),
        Some(hash.to_string()),
    )
}

/// That the entry with this index is among all good ones, and the root over them.
fn inclusion(entries: &[Digest], index: u64) -> Option<(InclusionProof, Digest)> {
    let mut prover = InclusionProver::new(index, u64::try_from(entries.len()).ok()?).ok()?;
    let mut tree = MerkleAccumulator::new();
    for hash in entries {
        prover.push(LeafHash::of_entry(hash));
        tree.push(hash);
    }
    Some((prover.finish().ok()?, tree.root()))
}

fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

impl Report for ExplainReport {
    const SCHEMA: &'static str = "althing.explain/1";

    fn text(&self) -> String {
        let mut text = format!("entry {}", bold(&self.seq.to_string()));
        for part in [&self.operation, &self.timestamp].into_iter().flatten() {
            text.push_str(&format!("  {part}"));
        }
        text.push_str(&format!(
            "\n{}\nline {}, from byte {}: {} bytes and a line feed, of which the first {} are hashed\n",
            dim(&escaped(&self.file)),
            self.line,
            self.offset,
            self.bytes,
            self.hashed_bytes
        ));
        for (number, step) in self.steps.iter().enumerate() {
            let none = || "nothing".to_owned();
            text.push_str(&format!(
                "\n{}. {}\n   {}\n",
                number + 1,
                step.what,
                dim(&escaped(&step.command))
            ));
            let found = step.found.clone().unwrap_or_else(none);
            if step.ok {
                text.push_str(&format!("   {}\n", good(&found)));
            } else {
                let expected = step.expected.clone().unwrap_or_else(none);
                text.push_str(&format!("   {} {found}\n", bad("found   ")));
                text.push_str(&format!("   {} {expected}\n", bad("expected")));
            }
        }
        if let Some(problem) = &self.problem {
            text.push_str(&format!(
                "\n{} the chain breaks at {problem}\n",
                bad("problem:")
            ));
        }
        text
    }
}
