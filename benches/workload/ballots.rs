//! Signed ballots: a ledger of them, the bare verification of the same signatures, and rounds of
//! voting in memory.

use std::path::Path;
use std::thread;

use althing::chain::line::Line;
use althing::chain::lines::LineReader;
use althing::governance::event::Event;
use althing::governance::id::Subject;
use althing::governance::key::{PublicKey, SignatureVerifier as _};
use althing::identity::MlDsaVerifier;
use althing::ledger::{FileLedger, Ledger as _, MemoryLedger, Wait};
use althing::node::Node;
use aws_lc_rs::signature::{ML_DSA_65, ParsedPublicKey};
use serde_json::{Value, json};

use crate::shared::Outcome;
use crate::{group, timed};

const VOTERS: usize = 20;

/// Writes a ledger with `count` signed ballots, 20 on each proposal.
pub fn write(dir: &Path, count: usize) -> Outcome<Value> {
    let mut group = group(FileLedger::create(dir)?, VOTERS)?;
    for round in 0..count / VOTERS {
        crate::round(&mut group, round % VOTERS, model(round)?)?;
    }
    Ok(json!({"ballots": count / VOTERS * VOTERS, "entries": group.state().entries()}))
}

/// One signed statement and who signed it.
struct Signed {
    voter: usize,
    message: Vec<u8>,
    signature: Vec<u8>,
}

/// Verifies all ballots and proposals of a ledger with parsed keys and nothing else, on one thread
/// and on two.
pub fn verify_raw(dir: &Path, rounds: usize) -> Outcome<Value> {
    let node = Node::open_dir(dir, Wait::default())?;
    let (keys, signed) = signatures(&node)?;
    let (mut one, mut two) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        one.push(timed(|| verify_all(&keys, &signed))?);
        let (left, right) = signed.split_at(signed.len() / 2);
        two.push(timed(|| {
            thread::scope(|scope| {
                let other = scope.spawn(|| verify_all(&keys, left).map_err(|it| it.to_string()));
                verify_all(&keys, right)?;
                Ok(other.join().map_err(|_| "a thread panicked")??)
            })
        })?);
    }
    Ok(json!({"signatures": signed.len(), "one_thread": one, "two_threads": two}))
}

fn verify_all(keys: &[PublicKey], signed: &[Signed]) -> Outcome {
    let keys = parsed(keys)?;
    for Signed {
        voter,
        message,
        signature,
    } in signed
    {
        let key = keys.get(*voter).ok_or("no such voter")?;
        key.verify_sig(message, signature)
            .map_err(|_| "a bad signature")?;
    }
    Ok(())
}

fn parsed(keys: &[PublicKey]) -> Outcome<Vec<ParsedPublicKey>> {
    keys.iter()
        .map(|key| ParsedPublicKey::new(&ML_DSA_65, key.as_bytes()).map_err(|_| "a bad key".into()))
        .collect()
}

fn signatures(node: &Node<FileLedger>) -> Outcome<(Vec<PublicKey>, Vec<Signed>)> {
    let ids: Vec<_> = node.state().registry().iter().map(|(id, _)| id).collect();
    let keys = (node.state().registry().iter()).map(|(_, node)| node.key().clone());
    let keys: Vec<PublicKey> = keys.collect();
    let mut signed = Vec::new();
    let mut lines = LineReader::new(node.ledger().reader()?);
    while let Some(raw) = lines.next_line()? {
        let line = Line::decode(raw.bytes)?;
        let (voter, message, signature) = match Event::decode(line.operation, line.data)? {
            Event::VoteCast(it) => (it.content().voter, it.statement.message(), it.signature),
            Event::ProposalCreated(it) => (
                it.statement.content().proposer,
                it.statement.message(),
                it.signature,
            ),
            _ => continue,
        };
        let voter = ids
            .iter()
            .position(|id| *id == voter)
            .ok_or("an unknown voter")?;
        if !MlDsaVerifier.verify(&keys[voter], &message, &signature) {
            return Err("a bad signature".into());
        }
        let signature = signature.as_bytes().to_vec();
        signed.push(Signed {
            voter,
            message,
            signature,
        });
    }
    Ok((keys, signed))
}

fn model(round: usize) -> Outcome<Subject> {
    Ok(format!("did:example:model-{round}").parse()?)
}

/// Rounds in memory: a proposal, 20 ballots, the decision, signing included. One core.
pub fn rounds(count: usize) -> Outcome<Value> {
    let mut group = group(MemoryLedger::new(), VOTERS)?;
    let mut seconds = Vec::new();
    for round in 0..count {
        seconds.push(timed(|| {
            crate::round(&mut group, round % VOTERS, model(round)?)
        })?);
    }
    Ok(json!({"ballots": VOTERS, "seconds": seconds}))
}
