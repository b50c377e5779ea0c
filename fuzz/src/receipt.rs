//! Receipts: from a file to a verdict.
//!
//! Almost every changed byte breaks a hash, and nothing behind the hashes would ever be reached. So
//! the bytes are read twice: as they are, and as a forger would write them who can make any
//! signature: with good hashes, a tree of them, and a checkpoint over it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use althing::chain::checkpoint::Checkpoint;
use althing::chain::receipt::Receipt;
use althing::governance::digest::Digest;
use althing::governance::id::LedgerId;
use althing::governance::invariant;
use althing::governance::merkle::TreeRoot;
use althing::governance::tree_head::{Origin, TreeHead};
use althing::identity::MlDsaVerifier;
use althing::replay::Unchecked;
use althing::replay::receipt::{Basis, Trust, Verdict};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::ledger::with_good_hashes;
use crate::oracle::is_canonical;
use crate::proof::{included, node, split};

/// All receipts that there are of the seeds' ledger.
const SEEDS: [&str; 4] = [
    include_str!("../corpus/receipt/live"),
    include_str!("../corpus/receipt/early"),
    include_str!("../corpus/receipt/over"),
    include_str!("../corpus/receipt/whole"),
];

/// The largest tree that is made up for a forgery.
const MAX_TREE: u64 = 4_096;

/// What is read is written as the same bytes, and what holds has hashes that hold. Nobody is believed
/// without a pin, and under the seed's origin nothing but what the seed's ledger holds.
pub fn run(bytes: &[u8]) -> bool {
    let as_it_is = read(bytes);
    if as_it_is.is_some() {
        let receipt = Receipt::parse(bytes).expect("it was read");
        assert!(
            receipt.verify(&Trust::Nothing, &MlDsaVerifier).is_err(),
            "nobody signed"
        );
        assert_of_the_seed(&receipt);
    }
    let forged = forged(bytes).and_then(|forged| read(&forged));
    as_it_is.is_some() || forged.is_some()
}

fn read(bytes: &[u8]) -> Option<Verdict> {
    let receipt = Receipt::parse(bytes).ok()?;
    assert!(
        receipt.to_bytes().expect("it was read") == bytes,
        "the second writing differs"
    );
    let text = std::str::from_utf8(bytes).expect("it was read");
    assert!(is_canonical(text.strip_suffix('\n').expect("it was read")));
    let verify = |trust: &Trust| receipt.verify(trust, &Unchecked);
    let verdict = verify(&Trust::Nothing).ok()?;
    assert_eq!(verdict.basis, None, "believed without a pin");
    if let Err(violation) = invariant::check(&verdict.state) {
        panic!("{violation}");
    }
    let lines = hashes_hold(&receipt);
    is_decided(&receipt, &lines, &verdict);
    let other = verify(&Trust::Origin(Digest::ZERO)).expect_err("another ledger's");
    assert_eq!(other.code(), "receipt.other-ledger");
    if let Ok(believed) = verify(&Trust::Origin(verdict.head.origin.genesis)) {
        match believed.basis.expect("a pin gives a basis") {
            Basis::Founders { signed, total } | Basis::Registry { signed, total } => {
                assert!(u128::from(signed) * 3 > u128::from(total) * 2);
            }
            Basis::Policy { .. } => panic!("no policy was given"),
        }
    }
    Some(verdict)
}

/// Every line has its own hash, and with its path leads to the checkpoint's root. Gives the lines as
/// plain JSON.
fn hashes_hold(receipt: &Receipt) -> Vec<Value> {
    let tree = receipt.checkpoint.head().tree;
    let mut last = 0;
    let mut lines = Vec::new();
    for entry in &receipt.entries {
        let line: Value = serde_json::from_str(&entry.line).expect("a line is JSON");
        let seq = line["seq"].as_u64().expect("a number");
        assert!(seq > last && seq <= tree.size);
        last = seq;
        let hash = digest(&entry.line.as_bytes()[..entry.line.len() - 81]);
        assert_eq!(line["entry_hash"], hash.to_string());
        let mut path = entry.path.as_slice();
        let root = included(seq - 1, tree.size, leaf(&hash), &mut path);
        assert_eq!((root, path), (tree.root, [].as_slice()));
        lines.push(line);
    }
    lines
}

/// The grant is there, and behind every approving weight stands a ballot that is there.
fn is_decided(receipt: &Receipt, lines: &[Value], verdict: &Verdict) {
    let grant = receipt.grant.to_string();
    let of = |operation: &str| {
        let found = lines.iter().filter(|line| line["operation"] == operation);
        found.map(|line| &line["data"]).collect::<Vec<_>>()
    };
    let given = of("authorization_granted");
    assert_eq!(
        given
            .iter()
            .filter(|it| it["grant_id"] == grant.as_str())
            .count(),
        1
    );
    let ballots = of("vote_cast").into_iter().map(|data| &data["statement"]);
    let approving: BTreeSet<String> = ballots
        .filter(|it| it["proposal_id"] == grant.as_str() && it["decision"] == "approve")
        .map(|it| it["voter"].as_str().expect("a node").to_owned())
        .collect();
    let proposal = verdict
        .state
        .proposals()
        .get(receipt.grant)
        .expect("it was proposed");
    let weights = (proposal.electorate())
        .filter(|(voter, _)| approving.contains(&voter.to_string()))
        .map(|(_, member)| member.weight().get());
    let approved = proposal.tally().approve();
    assert!(approved > 0 && approved <= weights.sum::<u64>());
}

/// Under the origin of the seeds there are no other entries than those of their ledger: anything else
/// would have to break a hash.
fn assert_of_the_seed(receipt: &Receipt) {
    static KNOWN: OnceLock<(Origin, BTreeSet<String>)> = OnceLock::new();
    let (origin, known) = KNOWN.get_or_init(|| {
        let seeds = SEEDS.map(|seed| Receipt::parse(seed.as_bytes()).expect("a seed"));
        let origin = seeds[0].checkpoint.head().origin;
        let entries = seeds.into_iter().flat_map(|seed| seed.entries);
        (origin, entries.map(|entry| entry.line).collect())
    });
    let head = receipt.checkpoint.head();
    let mut lines = receipt.entries.iter();
    assert!(head.origin != *origin || lines.all(|entry| known.contains(&entry.line)));
}

/// The receipt with hashes, paths and a checkpoint that fit what its lines say.
fn forged(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut receipt: Value = serde_json::from_slice(bytes).ok()?;
    let lines: Vec<&str> = (receipt["entries"].as_array()?.iter())
        .map(|entry| entry["line"].as_str())
        .collect::<Option<_>>()?;
    let count = lines.len();
    let good = with_good_hashes((lines.join("\n") + "\n").as_bytes());
    let good = String::from_utf8(good).ok()?;
    let lines: Vec<&str> = good.lines().collect();
    if lines.len() != count || lines.iter().any(|line| line.len() < 200) {
        return None;
    }
    let note = receipt["checkpoint"].as_str()?;
    let (text, signatures) = note.split_once("\n\n")?;
    let stated: u64 = text.lines().nth(1)?.parse().ok()?;
    let seqs: Vec<u64> = lines.iter().map(|line| seq(line)).collect::<Option<_>>()?;
    let size = stated.min(MAX_TREE).max(*seqs.iter().max()?);
    if size > MAX_TREE {
        return None;
    }
    let hashes = (lines.iter()).map(|line| Some(digest(line.get(..line.len() - 81)?.as_bytes())));
    let hashes: Vec<Digest> = hashes.collect::<Option<_>>()?;
    let tree = Tree::new(seqs.iter().map(|seq| seq - 1).zip(&hashes), size);
    let head = TreeHead {
        origin: origin(&lines, &hashes)?,
        tree: TreeRoot {
            size,
            root: tree.root(0, size),
        },
    };
    let checkpoint = Checkpoint::unsigned(head).ok()?;
    let entries: Vec<Value> = (lines.iter().zip(&seqs))
        .map(|(line, seq)| json!({"line": line, "path": tree.path(seq - 1)}))
        .collect();
    receipt["checkpoint"] = json!(format!("{checkpoint}{signatures}"));
    receipt["entries"] = json!(entries);
    let text = serde_json_canonicalizer::to_string(&receipt).ok()?;
    Some((text + "\n").into_bytes())
}

/// The number of an entry, at least 1.
fn seq(line: &str) -> Option<u64> {
    let digits = line.strip_prefix("{\"v\":1,\"seq\":")?.split(',').next()?;
    digits.parse().ok().filter(|seq| *seq > 0)
}

/// The ledger that the first lines found.
fn origin(lines: &[&str], hashes: &[Digest]) -> Option<Origin> {
    let first: Value = serde_json::from_str(lines.first()?).ok()?;
    let count = usize::try_from(first["batch"][1].as_u64()?).ok()?;
    let (_, data) = lines[0].split_once("\"data\":{\"statement\":")?;
    let statement = data.get(..data.len().checked_sub(161)?)?;
    Some(Origin {
        ledger: LedgerId::from_digest(digest(statement.as_bytes())),
        genesis: *hashes.get(count.checked_sub(1)?)?,
    })
}

fn digest(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}

fn leaf(hash: &Digest) -> Digest {
    digest(&[&[0], hash.as_bytes().as_slice()].concat())
}

/// A tree in which a few leaves are known, and the others are nothing.
struct Tree {
    leaves: BTreeMap<u64, Digest>,
    size: u64,
}

impl Tree {
    fn new<'a>(leaves: impl Iterator<Item = (u64, &'a Digest)>, size: u64) -> Self {
        let leaves = leaves.map(|(index, hash)| (index, leaf(hash))).collect();
        Self { leaves, size }
    }

    /// `MTH` of RFC 6962 over some leaves; where none of them is known, something of no meaning.
    fn root(&self, start: u64, count: u64) -> Digest {
        if self.leaves.range(start..start + count).next().is_none() {
            return Digest::ZERO;
        }
        if count == 1 {
            return self.leaves[&start];
        }
        let half = split(count);
        node(
            self.root(start, half),
            self.root(start + half, count - half),
        )
    }

    /// `PATH` of RFC 6962.
    fn path(&self, index: u64) -> Vec<Digest> {
        let (mut start, mut count) = (0, self.size);
        let mut path = Vec::new();
        while count > 1 {
            let half = split(count);
            if index < start + half {
                path.push(self.root(start + half, count - half));
                count = half;
            } else {
                path.push(self.root(start, half));
                (start, count) = (start + half, count - half);
            }
        }
        path.reverse();
        path
    }
}
