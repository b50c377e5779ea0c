//! One history, one state: however, wherever and in whatever pieces it is read.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Command;

use althing::chain::lines::LineReader;
use althing::governance::digest::Digest;
use althing::ledger::{FileLedger, LedgerReader, MemoryLedger, Wait};
use althing::node::Node;
use althing::replay::{Replayed, replay_lines};
use althing::testing::{History, Signatures, StandInVerifier, strategies};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

fn in_chunks(source: impl Read, chunk: usize) -> Replayed {
    let lines = LineReader::new(source).with_chunk_bytes(chunk);
    replay_lines(lines, &StandInVerifier).expect("what a node writes replays")
}

/// The state hash that a node gets which opens the same bytes in memory.
fn hash_from_memory(bytes: &[u8]) -> Digest {
    let ledger = MemoryLedger::from_bytes(bytes.to_vec()).expect("complete batches");
    let node = Node::open_with(ledger, Box::new(StandInVerifier)).expect("a valid history");
    node.state().hash()
}

/// Puts the bytes where a ledger's first segment stands.
fn write_ledger(dir: &Path, bytes: &[u8]) {
    let segments = dir.join("ledger");
    fs::create_dir_all(&segments).expect("a directory");
    fs::write(segments.join(format!("{:020}.jsonl", 1)), bytes).expect("a file");
}

fn hash_from_disk(dir: &Path) -> Digest {
    let ledger = FileLedger::open(dir, Wait::default()).expect("a ledger");
    let node = Node::open_with(ledger, Box::new(StandInVerifier)).expect("a valid history");
    node.state().hash()
}

proptest! {
    #![proptest_config(crate::config(500))]

    #[test]
    fn every_ledger_replays_to_one_state_hash(
        history in strategies::histories(24),
        chunk in 1..20_000_usize,
    ) {
        let played = history.play();
        let bytes = played.assembly.bytes();
        let live = played.assembly.state().hash();

        let replayed = in_chunks(bytes, chunk);
        prop_assert_eq!(replayed.state.hash(), live, "in chunks of {}", chunk);
        prop_assert_eq!(replayed.head, *played.assembly.node().head());
        prop_assert_eq!(replayed.merkle.root(), played.assembly.node().merkle().root());
        prop_assert_eq!(hash_from_memory(bytes), live);
        let dir = tempfile::tempdir().expect("a directory");
        write_ledger(dir.path(), bytes);
        prop_assert_eq!(hash_from_disk(dir.path()), live);
    }
}

/// Histories at random, without proptest's bookkeeping.
fn some_histories(count: usize, most: usize) -> Vec<History> {
    let mut runner = TestRunner::deterministic();
    let strategy = strategies::histories(most);
    (0..count)
        .map(|_| strategy.new_tree(&mut runner).expect("a history").current())
        .collect()
}

#[test]
fn the_smallest_chunks_give_the_same_state() {
    for history in some_histories(5, 12) {
        let played = history.play();
        for chunk in [1, 2, 3, 7, 64, 4096] {
            let replayed = in_chunks(played.assembly.bytes(), chunk);
            assert_eq!(replayed.state.hash(), played.assembly.state().hash());
        }
    }
}

#[test]
fn a_node_on_disk_writes_the_same_bytes_and_has_the_same_state() {
    for history in some_histories(12, 16) {
        let dir = tempfile::tempdir().expect("a directory");
        let in_memory = history.play();
        let ledger = FileLedger::create(dir.path()).expect("a ledger");
        let on_disk = history.play_on(ledger, Signatures::StandIn);
        let live = on_disk.assembly.state().hash();
        assert_eq!(live, in_memory.assembly.state().hash());
        drop(on_disk);

        assert_eq!(hash_from_disk(dir.path()), live);
        let reader = LedgerReader::open(dir.path()).expect("a ledger");
        assert_eq!(in_chunks(reader.reader(), 1000).state.hash(), live);
        let mut bytes = Vec::new();
        reader.reader().read_to_end(&mut bytes).expect("readable");
        assert_eq!(bytes, in_memory.assembly.bytes());
    }
}

/// Threads that play, and threads that replay, all at once and each in pieces of its own.
#[test]
fn threads_get_the_same_bytes_and_states() {
    let histories = some_histories(4, 12);
    let play = |history: &History| {
        let played = history.play();
        let assembly = played.assembly;
        (assembly.bytes().to_vec(), assembly.state().hash())
    };
    let expected: Vec<_> = histories.iter().map(play).collect();
    std::thread::scope(|scope| {
        for thread in 1..=4 {
            let (histories, expected) = (&histories, &expected);
            scope.spawn(move || {
                for (history, (bytes, hash)) in histories.iter().zip(expected) {
                    assert_eq!(play(history), (bytes.clone(), *hash));
                    let replayed = in_chunks(bytes.as_slice(), thread * 777);
                    assert_eq!(replayed.state.hash(), *hash);
                }
            });
        }
    });
}

/// Names the directory whose ledgers a second process is to replay.
const LEDGERS: &str = "ALTHING_TEST_LEDGERS";

#[test]
fn a_second_process_gets_the_same_states() {
    let dir = tempfile::tempdir().expect("a directory");
    let expected: Vec<String> = some_histories(25, 20)
        .iter()
        .enumerate()
        .map(|(index, history)| {
            let played = history.play();
            write_ledger(&dir.path().join(index.to_string()), played.assembly.bytes());
            format!("{index} {}", played.assembly.state().hash())
        })
        .collect();

    let program = std::env::current_exe().expect("this test is a program");
    let output = Command::new(program)
        .args([
            "replaying::second_process",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .env(LEDGERS, dir.path())
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{output:?}");
    let output = String::from_utf8(output.stdout).expect("text");
    for line in &expected {
        assert!(
            output.lines().any(|found| found == line),
            "{line}: {output}"
        );
    }
}

#[test]
#[ignore = "the other side of a_second_process_gets_the_same_states"]
fn second_process() {
    let Some(dir) = std::env::var_os(LEDGERS) else {
        return;
    };
    let count = fs::read_dir(&dir).expect("a directory").count();
    println!();
    for index in 0..count {
        println!(
            "{index} {}",
            hash_from_disk(&Path::new(&dir).join(index.to_string()))
        );
    }
}

/// Pins the projection: a change of this hash is a change of format, and needs a new version.
#[test]
fn a_known_history_has_a_known_state_hash() {
    use althing::governance::ballot::Decision;
    use althing::testing::{Assembly, actions};

    let mut assembly = Assembly::of(&[3, 2, 1]);
    assembly.pass([0, 1], actions::authorize_model("triage"));
    let open = assembly.propose(1, actions::authorize_agent("scheduler"));
    assembly.vote(2, open, Decision::Abstain);
    assembly.accuse(2, open);
    assembly.predict("triage");
    assert_eq!(assembly.state().hash().to_string(), STATE_HASH);
}

const STATE_HASH: &str = "bf2b0b2ef3ceddcde8f659918c2cd89e06aac6787141c80fcf3814368f79831f";
