//! `althing checkpoint sign`: add a node's signature to a checkpoint.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::create::{member, sign};
use super::{Of, read_request};
use crate::chain::signing_request::SigningRequest;
use crate::cli::commands::contradiction::with_hint;
use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::output::{Output, Report};
use crate::cli::session::Session;
use crate::cli::statement_file;
use crate::cli::style::fields;
use crate::cli::tree;
use crate::governance::id::NodeId;
use crate::governance::tree_head::Cosignature;
use crate::node::signing::Signer;

/// Arguments of `checkpoint sign`.
#[derive(Debug, Args)]
#[command(after_long_help = help!(
    "  althing checkpoint sign checkpoint.txt --as clinic
  althing checkpoint sign request.txt --as clinic --no-ledger -o signed.txt

With the ledger at hand the checkpoint must be one of this ledger. Without it the request has to hold the
proof that the checkpoint continues the last one that this key has signed: see --old of `create`. A node
never signs two checkpoints that contradict each other."
))]
pub struct Sign {
    /// The checkpoint, or a request to sign it; standard input for '-'.
    file: PathBuf,
    /// Sign with this key.
    #[arg(long = "as", value_name = "NAME")]
    signer: String,
    /// Don't look at a ledger: the proof in the request has to do.
    #[arg(long)]
    no_ledger: bool,
    /// The node whose key this is, where it is not its first one; only without a ledger.
    #[arg(long, value_name = "DID", requires = "no_ledger")]
    node: Option<NodeId>,
    /// Where to write the signed checkpoint; standard output for '-'. [default: over the file]
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Serialize)]
struct SignReport {
    #[serde(flatten)]
    of: Of,
    node: NodeId,
    posix_seconds: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint: Option<String>,
}

impl Report for SignReport {
    const SCHEMA: &'static str = "althing.checkpoint-sign/1";

    fn text(&self) -> String {
        if let Some(checkpoint) = &self.checkpoint {
            return checkpoint.clone();
        }
        let mut rows = self.of.fields().to_vec();
        rows.push(("signed by", self.node.to_string()));
        fields(&rows)
    }
}

/// Runs `althing checkpoint sign`.
pub(super) fn run(options: &Sign, session: &Session, output: &Output) -> Result<Exit, Failure> {
    let request = read_request(&options.file)?;
    let mut signer = session.signer(&options.signer)?;
    let cosignature = if options.no_ledger {
        session.follow_all(&mut signer)?;
        unseen(options, &request, &mut signer, session.posix_seconds())?
    } else {
        seen(options, &request, &mut signer, session)?
    };
    let mut checkpoint = request.checkpoint;
    let key = signer.key.public_key();
    let node = cosignature.signer;
    // A key that has signed already signs the same bytes: there is nothing to add then.
    if checkpoint.cosignature_of(node, key).as_ref() != Some(&cosignature) {
        checkpoint.sign(&cosignature, key)?;
    }
    let out = options.out.as_ref().unwrap_or(&options.file);
    let to_stdout = out.as_os_str() == "-";
    if !to_stdout {
        statement_file::write_text(out, &checkpoint.to_string(), output)?;
    }
    output.report(&SignReport {
        of: Of::from(checkpoint.head()),
        node,
        posix_seconds: cosignature.posix_seconds,
        checkpoint: to_stdout.then(|| checkpoint.to_string()),
    })?;
    Ok(Exit::Ok)
}

/// Signs what the ledger at hand says as well.
fn seen(
    options: &Sign,
    request: &SigningRequest,
    signer: &mut Signer,
    session: &Session,
) -> Result<Cosignature, Failure> {
    let replayed = session.read()?;
    let reader = session.open_intact_reader()?;
    let head = request.checkpoint.head();
    tree::check_head(head, &tree::head(&replayed), || Ok(reader.reader())).map_err(|failure| {
        with_hint(failure, &request.checkpoint, &options.file, &replayed.state)
    })?;
    let state = replayed.state;
    let node = member(&state, signer)?;
    signer.follow(state.keys_of_term(node))?;
    sign(signer, node, head, session.posix_seconds(), &reader)
}

/// Signs what the proof in the request shows to continue the last checkpoint signed.
fn unseen(
    options: &Sign,
    request: &SigningRequest,
    signer: &mut Signer,
    posix_seconds: u64,
) -> Result<Cosignature, Failure> {
    let node = options.node.unwrap_or_else(|| signer.key.node_id());
    let proof = |from| {
        request
            .consistency
            .clone()
            .filter(|proof| proof.from() == from)
    };
    let Signer { key, journal, .. } = signer;
    let head = request.checkpoint.head();
    Ok(journal.sign_tree_head(key, node, head, posix_seconds, proof)?)
}
