//! `althing evidence checkpoints`: evidence from two checkpoints that contradict each other.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::checkpoint;
use crate::chain::checkpoint::Checkpoint;
use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::output::{Output, Report};
use crate::cli::resolve;
use crate::cli::session::Session;
use crate::cli::statement_file;
use crate::cli::style::{Grid, escaped};
use crate::cli::tree;
use crate::governance::command::Command;
use crate::governance::event::Event;
use crate::governance::evidence::{ContradictingHeads, Divergence, SignedHead};
use crate::governance::id::NodeId;
use crate::governance::merkle::TreeRoot;
use crate::governance::rejection::Rejection;
use crate::governance::state::State;
use crate::identity::MlDsaVerifier;
use crate::ledger::LedgerReader;
use crate::views::name_of;

/// Arguments of `evidence checkpoints`.
#[derive(Debug, Args)]
#[command(after_long_help = help!(
    "  althing evidence checkpoints mine.txt theirs.txt
  althing evidence checkpoints mine.txt theirs.txt --other-ledger ./their-copy
  althing evidence checkpoints mine.txt theirs.txt --node clinic --out evidence.json

Two checkpoints of one size with different roots need nothing else. Where the sizes differ, a proof is
needed of what the larger tree began with: from this ledger if the larger checkpoint is of its history,
otherwise from a copy that holds the other history. That copy need not be trusted."
))]
pub struct Checkpoints {
    /// A checkpoint; standard input for '-'.
    one: PathBuf,
    /// Another one of the same ledger.
    other: PathBuf,
    /// Only against this node. [default: every node that signed both]
    #[arg(long, value_name = "NODE")]
    node: Option<String>,
    /// The directory of a ledger with the history that the larger checkpoint is of.
    #[arg(long, value_name = "DIR")]
    other_ledger: Option<PathBuf>,
    /// Write the evidence to a file, which `althing submit` accepts, and record nothing; standard
    /// output for '-'.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Serialize)]
struct CheckpointsReport {
    evidence: Vec<Accusation>,
}

/// What became of the evidence against one node.
#[derive(Serialize)]
struct Accusation {
    node: NodeId,
    name: String,
    recorded: bool,
    suspended: bool,
    entries: Vec<u64>,
}

impl Report for CheckpointsReport {
    const SCHEMA: &'static str = "althing.evidence-made/1";

    fn text(&self) -> String {
        let mut grid = Grid::new(&["node", "entries", "suspended by it"]);
        for item in &self.evidence {
            let numbers: Vec<String> = item.entries.iter().map(u64::to_string).collect();
            let entries = if item.recorded {
                numbers.join(", ")
            } else {
                "recorded before".to_owned()
            };
            let suspended = if item.suspended { "yes" } else { "no" };
            grid.row([escaped(&item.name), entries, suspended.to_owned()]);
        }
        grid.text()
    }
}

/// Runs `althing evidence checkpoints`.
pub fn run(options: &Checkpoints, session: &Session, output: &Output) -> Result<Exit, Failure> {
    let state = session.read()?.state;
    let evidence = make(options, &state, session)?;
    if let Some(path) = &options.out {
        let lines = evidence.iter().map(statement_file::checkpoints_to_line);
        let text: String = lines.collect::<Result<_, Failure>>()?;
        statement_file::write_text(path, &text, output)?;
        return Ok(Exit::Ok);
    }
    let mut node = session.open_node()?;
    let mut accusations = Vec::new();
    for heads in evidence {
        let accused = heads.node;
        let command = Command::SubmitContradictingHeads(Box::new(heads));
        let recorded = session.submit(&mut node, &command)?;
        let suspended = recorded.iter().any(
            |entry| matches!(&entry.event, Event::CheckpointsContradicted(it) if it.suspended),
        );
        accusations.push(Accusation {
            node: accused,
            name: name_of(accused, &state),
            recorded: !recorded.is_empty(),
            suspended,
            entries: recorded.iter().map(|entry| entry.seq).collect(),
        });
    }
    let evidence = accusations;
    output.report(&CheckpointsReport { evidence })?;
    session.close(&node);
    Ok(Exit::Ok)
}

/// The evidence against every node in question that signed both.
fn make(
    options: &Checkpoints,
    state: &State,
    session: &Session,
) -> Result<Vec<ContradictingHeads>, Failure> {
    let one = checkpoint::read(&options.one)?;
    let other = checkpoint::read(&options.other)?;
    let origin = tree::origin(state);
    if [&one, &other].iter().any(|it| it.head().origin != origin) {
        return Err(Rejection::WrongLedger.into());
    }
    let (first, second) = if one.head().tree.size <= other.head().tree.size {
        (one, other)
    } else {
        (other, one)
    };
    let divergence = divergence(first.head().tree, second.head().tree, options, session)?;
    let nodes: Vec<NodeId> = match &options.node {
        Some(text) => vec![resolve::node(state, text)?],
        None => state.registry().iter().map(|(node, _)| node).collect(),
    };
    let against = |node| {
        let heads = ContradictingHeads {
            divergence: divergence.clone(),
            first: signed_by(state, node, &first)?,
            node,
            origin,
            second: signed_by(state, node, &second)?,
        };
        Some(heads.ordered())
    };
    let evidence: Vec<_> = nodes.into_iter().filter_map(against).collect();
    if evidence.is_empty() {
        return Err(Failure::new(
            Exit::Refused,
            "evidence.no-common-signer",
            "the checkpoints contradict each other, but no node signed both with keys of its \
             present term",
        )
        .hint("`althing checkpoint show FILE` lists who is said to have signed"));
    }
    Ok(evidence)
}

/// The head under a checkpoint, with a node's signature by a key that it answers for.
fn signed_by(state: &State, node: NodeId, checkpoint: &Checkpoint) -> Option<SignedHead> {
    let head = checkpoint.head();
    let cosignature = state.keys_of_term(node).find_map(|key| {
        let cosignature = checkpoint.cosignature_of(node, key)?;
        let verifies = head.is_signed_by(&cosignature, key, &MlDsaVerifier);
        verifies.then_some(cosignature)
    })?;
    Some(SignedHead {
        posix_seconds: cosignature.posix_seconds,
        root: head.tree.root,
        signature: cosignature.signature,
        size: head.tree.size,
    })
}

/// What shows that the larger tree does not continue the smaller one; none for equal sizes.
fn divergence(
    smaller: TreeRoot,
    larger: TreeRoot,
    options: &Checkpoints,
    session: &Session,
) -> Result<Option<Divergence>, Failure> {
    if smaller.size == larger.size {
        return if smaller == larger {
            Err(Rejection::NotContradictory.into())
        } else {
            Ok(None)
        };
    }
    let mut ledgers = vec![session.open_intact_reader()?];
    if let Some(dir) = &options.other_ledger {
        ledgers.push(LedgerReader::open(dir)?);
    }
    for ledger in &ledgers {
        // Whoever gives the hashes: those that lead to the larger root are what is under it.
        let began = tree::root_at(ledger.reader(), smaller.size)?;
        let proof = tree::consistency(ledger.reader(), smaller.size, larger.size)?;
        let (Some(began), Some(proof)) = (began, proof) else {
            continue;
        };
        if !proof.proves(&began, &larger) {
            continue;
        }
        if began == smaller {
            return Err(Rejection::NotContradictory.into());
        }
        return Ok(Some(Divergence {
            path: proof.path().to_vec(),
            root: began.root,
        }));
    }
    Err(Failure::new(
        Exit::Mismatch,
        "evidence.no-proof",
        format!(
            "nothing here shows what the {} entries under the root {} began with",
            larger.size, larger.root
        ),
    )
    .hint("name a copy of the ledger that holds the larger checkpoint's history with --other-ledger DIR"))
}

/// Says how evidence comes from a checkpoint of another history, where nodes signed it.
pub fn with_hint(failure: Failure, checkpoint: &Checkpoint, file: &Path, state: &State) -> Failure {
    let nodes = state.registry().iter();
    let signers: Vec<String> = nodes
        .filter(|(node, _)| signed_by(state, *node, checkpoint).is_some())
        .map(|(_, node)| escaped(node.name().as_str()))
        .collect();
    if failure.code != "checkpoint.inconsistent" || signers.is_empty() {
        return failure;
    }
    failure.hint(format!(
        "it is signed by {}: with a checkpoint of this history that one of them signed as well, \
         `althing evidence checkpoints {} OTHER` makes evidence",
        signers.join(", "),
        escaped(&file.display().to_string())
    ))
}
