//! The signing journal on a real file system.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::thread;

use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::governance::digest::Digest;
use crate::governance::id::LedgerId;
use crate::governance::key::Algorithm;
use crate::governance::merkle::{ConsistencyProof, ConsistencyProver, LeafHash, MerkleAccumulator};
use crate::governance::statement::{Signed, Statement, StatementContent};
use crate::governance::tree_head::{Cosignature, Origin, TreeHead};
use crate::identity::{JournalError, MlDsaVerifier, SigningJournal, SigningKey, Slot};

/// Stands for a ballot: the decision counts, the rationale may differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Vote {
    decision: String,
    rationale: String,
}

impl StatementContent for Vote {
    const DOMAIN: &'static str = "althing/test-vote/v1";
    const MAX_BYTES: usize = 1024;
}

/// The next version of the same statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct VoteV2(Vote);

impl StatementContent for VoteV2 {
    const DOMAIN: &'static str = "althing/test-vote/v2";
    const MAX_BYTES: usize = 1024;
}

fn key() -> SigningKey {
    SigningKey::from_seed(Algorithm::MlDsa44, &[5; 32]).unwrap()
}

fn open(dir: &TempDir) -> Result<SigningJournal, JournalError> {
    SigningJournal::open(&dir.path().join("keys"), key().public_key())
}

fn journal_path(dir: &TempDir) -> PathBuf {
    let fingerprint = key().public_key().fingerprint();
    dir.path().join(format!("keys/journal/{fingerprint}.jsonl"))
}

fn lines(dir: &TempDir) -> usize {
    fs::read_to_string(journal_path(dir))
        .unwrap()
        .lines()
        .count()
}

fn append(dir: &TempDir, bytes: &[u8]) {
    let mut file = OpenOptions::new()
        .append(true)
        .open(journal_path(dir))
        .unwrap();
    file.write_all(bytes).unwrap();
}

fn slot(proposal: &str, decision: &str) -> Slot {
    Slot::new(format!("ballot/ledger/{proposal}"), decision)
}

fn vote(decision: &str, rationale: &str) -> Vote {
    Vote {
        decision: decision.to_owned(),
        rationale: rationale.to_owned(),
    }
}

fn sign(
    journal: &mut SigningJournal,
    proposal: &str,
    decision: &str,
    rationale: &str,
) -> Result<Signed<Vote>, JournalError> {
    let statement = Statement::new(vote(decision, rationale)).unwrap();
    journal.sign_once(&key(), &slot(proposal, decision), statement)
}

fn force(journal: &mut SigningJournal, proposal: &str, decision: &str) -> Signed<Vote> {
    let statement = Statement::new(vote(decision, "forced")).unwrap();
    journal
        .sign_despite_conflict(&key(), &slot(proposal, decision), statement)
        .unwrap()
}

fn code<T>(result: Result<T, JournalError>) -> &'static str {
    result.map_or_else(|error| error.code(), |_| "ok")
}

#[test]
fn the_same_thing_is_signed_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(&dir).unwrap();
    let first = sign(&mut journal, "p", "approve", "good").unwrap();
    assert!(first.is_signed_by(key().public_key(), &MlDsaVerifier));
    let again = sign(&mut journal, "p", "approve", "on second thought, very good").unwrap();
    assert_eq!(again, first);
    assert_eq!(again.content().rationale, "good");
    // Also by another instance, and after a restart.
    let other = sign(&mut open(&dir).unwrap(), "p", "approve", "").unwrap();
    assert_eq!(other, first);
    assert_eq!(lines(&dir), 1);
}

#[test]
fn a_line_is_canonical_and_complete() {
    let dir = tempfile::tempdir().unwrap();
    let signed = sign(&mut open(&dir).unwrap(), "p", "approve", "\"ö\"").unwrap();
    let line = fs::read_to_string(journal_path(&dir)).unwrap();
    let statement = r#"{"decision":"approve","rationale":"\"ö\""}"#;
    let digest = crate::governance::digest::Digest::of(statement.as_bytes());
    let signature = &signed.signature;
    assert_eq!(
        line,
        format!(
            "{{\"intent\":\"approve\",\"kind\":\"althing/test-vote/v1\",\
             \"signature\":\"{signature}\",\"slot\":\"ballot/ledger/p\",\
             \"statement\":{statement},\"statement_sha256\":\"{digest}\"}}\n"
        )
    );
}

#[test]
fn a_conflict_is_refused_unless_forced() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(&dir).unwrap();
    let approval = sign(&mut journal, "p", "approve", "").unwrap();
    let Err(JournalError::AlreadySigned {
        scope,
        kind,
        recorded,
        requested,
    }) = sign(&mut journal, "p", "reject", "")
    else {
        panic!("signed both ways");
    };
    assert_eq!(
        [&*scope, &*kind, &*recorded, &*requested],
        ["ballot/ledger/p", Vote::DOMAIN, "approve", "reject"]
    );
    // Another version of the statement would be a second signature in the same scope.
    let v2 = Statement::new(VoteV2(vote("approve", ""))).unwrap();
    let v2 = journal.sign_once(&key(), &slot("p", "approve"), v2);
    assert_eq!(code(v2), "already-signed");
    assert_eq!(code(sign(&mut journal, "q", "reject", "")), "ok");
    assert_eq!(lines(&dir), 2);

    let rejection = force(&mut journal, "p", "reject");
    assert!(rejection.is_signed_by(key().public_key(), &MlDsaVerifier));
    // From now on both are recorded, and nothing else.
    let mut reopened = open(&dir).unwrap();
    for (decision, expected) in [("approve", &approval), ("reject", &rejection)] {
        assert_eq!(&sign(&mut reopened, "p", decision, "").unwrap(), expected);
        assert_eq!(&force(&mut reopened, "p", decision), expected);
    }
    assert_eq!(
        code(sign(&mut reopened, "p", "abstain", "")),
        "already-signed"
    );
    assert_eq!(lines(&dir), 3);
}

#[test]
fn another_key_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let other = SigningKey::from_seed(Algorithm::MlDsa44, &[6; 32]).unwrap();
    let statement = Statement::new(vote("approve", "")).unwrap();
    let result = open(&dir)
        .unwrap()
        .sign_once(&other, &slot("p", "approve"), statement);
    assert_eq!(code(result), "journal.wrong-key");
    assert_eq!(lines(&dir), 0);
}

#[test]
fn a_torn_last_line_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(&dir).unwrap();
    let first = sign(&mut journal, "p", "approve", "").unwrap();
    sign(&mut journal, "q", "approve", "").unwrap();
    let whole = fs::read(journal_path(&dir)).unwrap();
    let first_line = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    // Cut at every kind of place in the second line, down to its line feed alone.
    for cut in [first_line + 1, first_line + 100, whole.len() - 1] {
        fs::write(journal_path(&dir), &whole[..cut]).unwrap();
        let mut journal = open(&dir).unwrap();
        assert_eq!(fs::read(journal_path(&dir)).unwrap(), whole[..first_line]);
        // That signature never left, so the other decision is free.
        assert_eq!(code(sign(&mut journal, "q", "reject", "")), "ok");
        assert_eq!(sign(&mut journal, "p", "approve", "").unwrap(), first);
        assert_eq!(lines(&dir), 2);
    }
    // Another process dies over a line while this one has the journal open.
    let mut journal = open(&dir).unwrap();
    append(&dir, b"{\"intent\":\"appr");
    assert_eq!(code(sign(&mut journal, "r", "approve", "")), "ok");
    assert_eq!(lines(&dir), 3);
    assert_eq!(code(open(&dir)), "ok");
}

#[test]
fn a_damaged_line_stops_all_signing() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(&dir).unwrap();
    for proposal in ["p", "q", "r"] {
        sign(&mut journal, proposal, "approve", "").unwrap();
    }
    let good = fs::read_to_string(journal_path(&dir)).unwrap();
    let second = good.lines().nth(1).unwrap();
    for bad in [
        String::new(),
        "garbage".to_owned(),
        "\0".repeat(second.len()),
        second[1..].to_owned(),
        second.replace("\"rationale\":\"\"", "\"rationale\":\"x\""),
        second.replace("\"intent\"", "\"unknown\""),
        second.replacen('{', "{\"more\":1,", 1),
    ] {
        fs::write(journal_path(&dir), good.replace(second, &bad)).unwrap();
        let Err(JournalError::Malformed { line, .. }) = open(&dir) else {
            panic!("accepted {bad}");
        };
        assert_eq!(line, 2, "{bad}");
    }
    // A line that another process appends is no better, and stays bad.
    fs::write(journal_path(&dir), &good).unwrap();
    let mut journal = open(&dir).unwrap();
    append(&dir, b"{}\n");
    for _ in 0..2 {
        let result = sign(&mut journal, "s", "approve", "");
        assert_eq!(code(result), "journal.malformed");
    }
}

#[test]
fn a_damaged_signature_is_not_handed_out() {
    let dir = tempfile::tempdir().unwrap();
    sign(&mut open(&dir).unwrap(), "o", "approve", "").unwrap();
    let signed = sign(&mut open(&dir).unwrap(), "p", "approve", "").unwrap();
    let signature = signed.signature.to_string();
    let mut other = signature.clone().into_bytes();
    other[100] = if other[100] == b'A' { b'B' } else { b'A' };
    let line = fs::read_to_string(journal_path(&dir)).unwrap();
    let damaged = line.replace(&signature, std::str::from_utf8(&other).unwrap());
    fs::write(journal_path(&dir), damaged).unwrap();

    let mut journal = open(&dir).unwrap();
    for (decision, expected) in [
        ("approve", "journal.malformed"),
        ("reject", "already-signed"),
    ] {
        assert_eq!(code(sign(&mut journal, "p", decision, "")), expected);
    }
    let Err(JournalError::Malformed { line, .. }) = sign(&mut journal, "p", "approve", "") else {
        panic!("handed out");
    };
    assert_eq!(line, 2);
}

#[test]
fn a_journal_that_is_swapped_under_us_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = journal_path(&dir);
    type Tamper = fn(&PathBuf);
    let tampered: [(&str, Tamper); 3] = [
        ("removed", |path| fs::remove_file(path).unwrap()),
        ("cut off", |path| fs::write(path, "").unwrap()),
        ("replaced", |path| {
            let copy = path.with_extension("copy");
            fs::copy(path, &copy).unwrap();
            fs::rename(&copy, path).unwrap();
        }),
    ];
    for (how, tamper) in tampered {
        let mut journal = open(&dir).unwrap();
        sign(&mut journal, "p", "approve", "").unwrap();
        tamper(&path);
        let result = sign(&mut journal, "q", "approve", "");
        assert_eq!(code(result), "journal.replaced", "{how}");
    }
}

#[test]
fn whatever_is_open_to_others_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(&dir).unwrap());
    let file = journal_path(&dir);
    let journal_dir = file.parent().unwrap().to_owned();
    let key_dir = journal_dir.parent().unwrap().to_owned();
    for (path, private, public) in [
        (&file, 0o600, 0o640),
        (&journal_dir, 0o700, 0o750),
        (&key_dir, 0o700, 0o705),
    ] {
        let mode = fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, private);
        fs::set_permissions(path, Permissions::from_mode(public)).unwrap();
        assert_eq!(code(open(&dir)), "journal.permissions");
        fs::set_permissions(path, Permissions::from_mode(private)).unwrap();
        assert_eq!(code(open(&dir)), "ok");
    }
}

/// Each thread has its own instance, as another process would: the lock is the open file's.
#[test]
fn concurrent_signers_never_contradict_each_other() {
    const THREADS: usize = 8;
    const PROPOSALS: usize = 10;
    let dir = tempfile::tempdir().unwrap();
    let results: Vec<Vec<Option<Signed<Vote>>>> = thread::scope(|scope| {
        let signers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let mut journal = open(&dir).unwrap();
                scope.spawn(move || {
                    let decision = ["approve", "reject"][thread % 2];
                    (0..PROPOSALS)
                        .map(|i| sign(&mut journal, &i.to_string(), decision, "").ok())
                        .collect()
                })
            })
            .collect();
        signers.into_iter().map(|s| s.join().unwrap()).collect()
    });
    for proposal in 0..PROPOSALS {
        let mut signed = results.iter().filter_map(|of| of[proposal].as_ref());
        let first = signed.next().unwrap();
        // All threads of one decision, with the same bytes, and none of the other.
        assert_eq!(signed.clone().count() + 1, THREADS / 2);
        assert!(signed.all(|other| other == first));
    }
    assert_eq!(lines(&dir), PROPOSALS);
}

/// Heads of one growing tree, and of another one that parts from it behind the third leaf.
struct Trees;

impl Trees {
    fn leaf(number: u64, forked: bool) -> LeafHash {
        LeafHash::of(
            &[
                number.to_be_bytes(),
                u64::from(forked && number > 2).to_be_bytes(),
            ]
            .concat(),
        )
    }

    fn head(size: u64, forked: bool) -> TreeHead {
        let mut tree = MerkleAccumulator::new();
        (0..size).for_each(|number| tree.push_leaf(Self::leaf(number, forked)));
        let origin = Origin {
            ledger: LedgerId::of_founding("{}"),
            genesis: Digest::ZERO,
        };
        let tree = tree.tree_root();
        TreeHead { origin, tree }
    }

    fn proof(from: u64, to: u64, forked: bool) -> Option<ConsistencyProof> {
        let mut prover = ConsistencyProver::new(from, to).ok()?;
        (0..to).for_each(|number| prover.push(Self::leaf(number, forked)));
        prover.finish().ok()
    }
}

fn sign_head(
    journal: &mut SigningJournal,
    size: u64,
    forked: bool,
    at: u64,
) -> Result<Cosignature, JournalError> {
    let key = key();
    let head = Trees::head(size, forked);
    let proof = |from| Trees::proof(from, size, forked);
    let signed = journal.sign_tree_head(&key, key.node_id(), &head, at, proof)?;
    assert!(head.is_signed_by(&signed, key.public_key(), &MlDsaVerifier));
    Ok(signed)
}

#[test]
fn a_key_signs_one_history_of_a_tree() {
    let dir = TempDir::new().unwrap();
    let mut journal = open(&dir).unwrap();
    let code = |result: Result<Cosignature, JournalError>| result.unwrap_err().code();
    let first = sign_head(&mut journal, 3, false, 10).unwrap();
    assert_eq!(first.posix_seconds, 10);
    // Both histories are one up to here.
    assert_eq!(sign_head(&mut journal, 3, true, 20).unwrap(), first);
    let second = sign_head(&mut journal, 7, false, 30).unwrap();
    let mut journal = open(&dir).unwrap();
    for (size, forked, expected) in [
        (3, false, "already-signed"),
        (6, false, "already-signed"),
        (7, true, "already-signed"),
        (8, true, "checkpoint.no-consistency"),
        (20, true, "checkpoint.no-consistency"),
    ] {
        assert_eq!(
            code(sign_head(&mut journal, size, forked, 40)),
            expected,
            "{size}"
        );
    }
    assert_eq!(sign_head(&mut journal, 7, false, 40).unwrap(), second);
    // Without a proof, with one from another size, for another key.
    let (key, head) = (key(), Trees::head(9, false));
    let node = key.node_id();
    for proof in [None, Trees::proof(6, 9, false), Trees::proof(7, 8, false)] {
        let refused = journal.sign_tree_head(&key, node, &head, 40, |_| proof.clone());
        assert_eq!(code(refused), "checkpoint.no-consistency");
    }
    let other = SigningKey::from_seed(Algorithm::MlDsa44, &[6; 32]).unwrap();
    let refused = journal.sign_tree_head(&other, node, &head, 40, |_| None);
    assert_eq!(code(refused), "journal.wrong-key");
    assert_eq!(lines(&dir), 2);
    sign_head(&mut journal, 9, false, 50).unwrap();
    // Another ledger has a history of its own, and ballots are no business of checkpoints.
    let mut elsewhere = Trees::head(1, false);
    elsewhere.origin.genesis = Digest::of(b"elsewhere");
    journal
        .sign_tree_head(&key, node, &elsewhere, 60, |_| None)
        .unwrap();
    sign(&mut journal, "proposal", "approve", "").unwrap();
    assert_eq!(lines(&dir), 5);
}

#[test]
fn a_damaged_record_of_a_tree_signs_nothing() {
    let dir = TempDir::new().unwrap();
    sign_head(&mut open(&dir).unwrap(), 3, false, 10).unwrap();
    let text = fs::read_to_string(journal_path(&dir)).unwrap();
    let root = Trees::head(3, false).tree.root.to_string();
    for changed in [
        text.replace("\"size\":3", "\"size\":4"),
        text.replace("\"posix_seconds\":10", "\"posix_seconds\":11"),
        text.replace(&root, &Digest::ZERO.to_string()),
        text.replace("{\"posix_seconds\"", "{ \"posix_seconds\""),
    ] {
        fs::write(journal_path(&dir), &changed).unwrap();
        let refused = open(&dir).and_then(|mut journal| sign_head(&mut journal, 7, false, 20));
        assert_ne!(changed, text);
        assert_eq!(refused.unwrap_err().code(), "journal.malformed");
    }
}

fn new_key() -> SigningKey {
    SigningKey::from_seed(Algorithm::MlDsa44, &[6; 32]).unwrap()
}

/// The journal of the key that came after `key()`, which follows the former one's.
fn open_new(dir: &TempDir) -> SigningJournal {
    let keys = dir.path().join("keys");
    let mut journal = SigningJournal::open(&keys, new_key().public_key()).unwrap();
    // Its own journal and one that is not there change nothing.
    let absent = SigningKey::from_seed(Algorithm::MlDsa44, &[7; 32]).unwrap();
    let all = [key(), new_key(), absent];
    journal
        .follow(&keys, all.iter().map(SigningKey::public_key))
        .unwrap();
    journal
}

#[test]
fn a_new_key_does_not_contradict_a_former_one() {
    let dir = TempDir::new().unwrap();
    let mut old = open(&dir).unwrap();
    let first = sign(&mut old, "one", "approve", "").unwrap();
    let mut journal = open_new(&dir);
    // What the former key signs later counts as well.
    sign(&mut old, "two", "reject", "").unwrap();
    force(&mut old, "three", "approve");
    force(&mut old, "three", "reject");
    let mut sign_new = |proposal: &str, decision: &str| {
        let statement = Statement::new(vote(decision, "")).unwrap();
        journal.sign_once(&new_key(), &slot(proposal, decision), statement)
    };
    for (proposal, decision) in [
        ("one", "reject"),
        ("two", "approve"),
        ("three", "approve"),
        ("three", "reject"),
    ] {
        let refused = sign_new(proposal, decision).unwrap_err();
        assert_eq!(refused.code(), "already-signed", "{proposal} {decision}");
    }
    // The same again is signed by the new key, and nothing of the former one's is handed out.
    let again = sign_new("one", "approve").unwrap();
    assert!(again.is_signed_by(new_key().public_key(), &MlDsaVerifier));
    assert_ne!(again, first);
    assert_eq!(sign_new("one", "approve").unwrap(), again);
    sign_new("four", "abstain").unwrap();
    assert_eq!(lines(&dir), 4);
    // On purpose only.
    let statement = Statement::new(vote("reject", "")).unwrap();
    journal
        .sign_despite_conflict(&new_key(), &slot("one", "reject"), statement)
        .unwrap();
}

#[test]
fn a_new_key_continues_the_tree_of_a_former_one() {
    let dir = TempDir::new().unwrap();
    let mut old = open(&dir).unwrap();
    let former = sign_head(&mut old, 7, false, 10).unwrap();
    let mut journal = open_new(&dir);
    let node = key().node_id();
    let mut sign_new = |size, forked| {
        let proof = |from| Trees::proof(from, size, forked);
        let head = Trees::head(size, forked);
        journal.sign_tree_head(&new_key(), node, &head, 20, proof)
    };
    for (size, forked, code) in [
        (6, false, "already-signed"),
        (7, true, "already-signed"),
        (9, true, "checkpoint.no-consistency"),
    ] {
        let refused = sign_new(size, forked).unwrap_err();
        assert_eq!(refused.code(), code, "{size}");
    }
    // The very tree is signed by the new key, too.
    let same = sign_new(7, false).unwrap();
    assert_ne!(same, former);
    sign_new(9, false).unwrap();
    // The former key, still at work elsewhere, goes another way: the new one can't go on.
    let head = Trees::head(12, true);
    let signed = old.sign_tree_head(&key(), node, &head, 30, |from| Trees::proof(from, 12, true));
    assert_eq!(signed.unwrap_err().code(), "checkpoint.no-consistency");
    sign_head(&mut old, 12, false, 30).unwrap();
    assert_eq!(sign_new(11, false).unwrap_err().code(), "already-signed");
    sign_new(12, false).unwrap();
    // Another node's trees are no business of this one.
    let other = new_key().node_id();
    let head = Trees::head(3, true);
    journal
        .sign_tree_head(&new_key(), other, &head, 40, |_| None)
        .unwrap();
}

#[test]
fn a_damaged_journal_of_a_former_key_stops_all_signing() {
    let dir = TempDir::new().unwrap();
    sign_head(&mut open(&dir).unwrap(), 7, false, 10).unwrap();
    let mut journal = open_new(&dir);
    append(&dir, b"{}\n");
    let head = Trees::head(8, false);
    let proof = |from| Trees::proof(from, 8, false);
    let refused = journal.sign_tree_head(&new_key(), key().node_id(), &head, 20, proof);
    assert_eq!(refused.unwrap_err().code(), "journal.malformed");
}
