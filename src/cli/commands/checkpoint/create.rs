//! `althing checkpoint create`: put the state under the chain, and write a checkpoint over all of it.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::Of;
use crate::chain::checkpoint::Checkpoint;
use crate::chain::signing_request::SigningRequest;
use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::output::{Output, Report};
use crate::cli::session::Session;
use crate::cli::statement_file;
use crate::cli::style::{escaped, fields};
use crate::cli::tree;
use crate::governance::command::Command;
use crate::governance::event::{CheckpointRecorded, Event};
use crate::governance::id::NodeId;
use crate::governance::rejection::Rejection;
use crate::governance::state::State;
use crate::governance::tree_head::TreeHead;
use crate::ledger::LedgerReader;
use crate::node::signing::Signer;

/// Arguments of `checkpoint create`.
#[derive(Debug, Args)]
#[command(after_long_help = help!(
    "  althing checkpoint create --as clinic -o checkpoint.txt
  althing checkpoint create --old 120 -o request.txt
  althing checkpoint create --no-record

The checkpoint is a signed note (C2SP tlog-checkpoint). Unless told otherwise the command first records
the hash of the state and the root over the live grants, so that the checkpoint covers them, too."
))]
pub struct Create {
    /// Sign with this key; may be given several times.
    #[arg(long = "as", value_name = "NAME")]
    signers: Vec<String>,
    /// Record the state in the ledger first. This is the default.
    #[arg(long, overrides_with = "no_record")]
    record: bool,
    /// Record nothing; write a checkpoint over what is there.
    #[arg(long, overrides_with = "record")]
    no_record: bool,
    /// Write a request for signers without the ledger, who signed a checkpoint of this size last.
    #[arg(long, value_name = "SIZE")]
    old: Option<u64>,
    /// Where to write the checkpoint; standard output for '-'.
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    out: PathBuf,
}

#[derive(Serialize)]
struct CreateReport {
    #[serde(flatten)]
    of: Of,
    recorded: Option<CheckpointRecorded>,
    entries: Vec<u64>,
    signers: Vec<NodeId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint: Option<String>,
}

impl Report for CreateReport {
    const SCHEMA: &'static str = "althing.checkpoint-create/1";

    fn text(&self) -> String {
        if let Some(checkpoint) = &self.checkpoint {
            return checkpoint.clone();
        }
        let mut rows = self.of.fields().to_vec();
        if let Some(recorded) = &self.recorded {
            rows.push(("state hash", recorded.state_hash.to_string()));
            rows.push(("live grants", recorded.live_grants.to_string()));
        }
        rows.push(("signed by", self.signers.len().to_string()));
        fields(&rows)
    }
}

/// Runs `althing checkpoint create`.
pub(super) fn run(create: &Create, session: &Session, output: &Output) -> Result<Exit, Failure> {
    let (signed, reader) = signed(&create.signers, !create.no_record, session)?;
    let Signed {
        checkpoint,
        recorded,
        signers,
    } = signed;
    let of = Of::from(checkpoint.head());
    let text = match create.old {
        None => checkpoint.to_string(),
        Some(old) => request(checkpoint, old, &reader)?,
    };
    let to_stdout = create.out.as_os_str() == "-";
    if !to_stdout {
        statement_file::write_text(&create.out, &text, output)?;
    }
    output.report(&CreateReport {
        of,
        recorded: recorded.map(|(recorded, _)| recorded),
        entries: recorded.map(|(_, seq)| seq).into_iter().collect(),
        signers,
        checkpoint: to_stdout.then_some(text),
    })?;
    Ok(Exit::Ok)
}

/// A checkpoint over the whole ledger with the signatures of keys at hand.
pub struct Signed {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    recorded: Recorded,
    signers: Vec<NodeId>,
}

/// Writes and signs a checkpoint over all that is there, after the state was recorded if it is to be.
pub fn signed(
    names: &[String],
    record: bool,
    session: &Session,
) -> Result<(Signed, LedgerReader), Failure> {
    // Keys come first: a passphrase that is not there must not leave an entry behind.
    let mut signers = names
        .iter()
        .map(|name| session.signer(name))
        .collect::<Result<Vec<_>, Failure>>()?;
    let (head, state, recorded) = head(record, session, &signers)?;
    let reader = session.open_intact_reader()?;
    let mut checkpoint = Checkpoint::unsigned(head)?;
    let mut signed_by = Vec::new();
    for signer in &mut signers {
        let node = member(&state, signer)?;
        signer.follow(state.keys_of_term(node))?;
        let seconds = session.posix_seconds();
        let cosignature = sign(signer, node, &head, seconds, &reader)?;
        checkpoint.sign(&cosignature, signer.key.public_key())?;
        signed_by.push(node);
    }
    let signed = Signed {
        checkpoint,
        recorded,
        signers: signed_by,
    };
    Ok((signed, reader))
}

type Recorded = Option<(CheckpointRecorded, u64)>;

/// The head of the ledger, after the state was recorded if it is to be.
fn head(
    record: bool,
    session: &Session,
    signers: &[Signer],
) -> Result<(TreeHead, State, Recorded), Failure> {
    if !record {
        let replayed = session.read()?;
        return Ok((tree::head(&replayed), replayed.state, None));
    }
    let mut node = session.open_node()?;
    for signer in signers {
        member(node.state(), signer)?;
    }
    let recorded = session.submit(&mut node, &Command::RecordCheckpoint(None))?;
    let recorded = recorded.iter().find_map(|entry| match entry.event {
        Event::CheckpointRecorded(recorded) => Some((recorded, entry.seq)),
        _ => None,
    });
    Ok((tree::head_of(&node), node.state().clone(), recorded))
}

/// The node whose key this is: nobody else's signature counts.
pub(super) fn member(state: &State, signer: &Signer) -> Result<NodeId, Failure> {
    let node = signer.node_id(state)?;
    match state.registry().get(node) {
        Some(found) if found.is_active() => Ok(node),
        Some(_) => Err(Failure::new(
            Exit::Refused,
            "node.not-active",
            format!("{node} is suspended or removed: its signature counts for nothing"),
        )),
        None => Err(Rejection::UnknownNode { node }.into()),
    }
}

/// Signs through the journal, with proofs from the ledger at hand.
pub(super) fn sign(
    signer: &mut Signer,
    node: NodeId,
    head: &TreeHead,
    posix_seconds: u64,
    reader: &LedgerReader,
) -> Result<crate::governance::tree_head::Cosignature, Failure> {
    let to = head.tree.size;
    let proof = |from| tree::consistency(reader.reader(), from, to).ok().flatten();
    let Signer { key, journal, .. } = signer;
    Ok(journal.sign_tree_head(key, node, head, posix_seconds, proof)?)
}

/// The checkpoint behind the proof that it continues the first `old` entries.
fn request(checkpoint: Checkpoint, old: u64, reader: &LedgerReader) -> Result<String, Failure> {
    let size = checkpoint.head().tree.size;
    if old > size {
        return Err(Failure::usage(
            "checkpoint.old-size",
            format!(
                "expected --old to be at most {size}, found {}",
                escaped(&old.to_string())
            ),
        ));
    }
    let request = SigningRequest {
        consistency: tree::consistency(reader.reader(), old, size)?,
        checkpoint,
    };
    Ok(request.to_string())
}
