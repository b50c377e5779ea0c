//! A proposer that lies: three nodes are the program, the fourth is this test, which has a node's key
//! and engine and proposes what it should not.

use std::collections::BTreeMap;
use std::sync::mpsc as threads;
use std::thread;

use althing::chain::line::Head;
use althing::cluster::command;
use althing::cluster::config::Config;
use althing::cluster::engine::{
    self, Address, Althing, Engine, EngineConfig, Height, Part, Proposal, SharedSigner, Signing,
    ValueId, Wire,
};
use althing::cluster::replica::Replica;
use althing::cluster::value::{MAX_VALUE_BYTES, Value, id_of};
use althing::governance::command::Command;
use althing::governance::time::{Seconds, Timestamp};
use althing::identity::{ConsensusJournal, KeyStore, secret};
use arc_malachitebft_app_channel::app::engine::host::{HeightParams, Next, SyncedValueOutcome};
use arc_malachitebft_app_channel::app::streaming::{StreamContent, StreamId, StreamMessage};
use arc_malachitebft_app_channel::app::types::core::{LinearTimeouts, Round, Validity};
use arc_malachitebft_app_channel::app::types::{LocallyProposedValue, ProposedValue};
use arc_malachitebft_app_channel::{AppMsg, Channels, NetworkMsg};
use tokio::sync::watch;

use super::harness::Cluster;

/// What the liar proposes, and why honest nodes vote against it.
const LIES: [(&str, Lie); 5] = [
    ("cluster.other-head", Lie::StaleHead),
    ("proposal.unknown", Lie::Illegal),
    ("signature.invalid", Lie::Forged),
    ("cluster.clock", Lie::FarAhead),
    ("cluster.value-too-long", Lie::Oversized),
];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Lie {
    StaleHead,
    Illegal,
    Forged,
    FarAhead,
    Oversized,
}

#[test]
fn a_lying_proposer_is_voted_down_and_the_cluster_lives_on() {
    let mut cluster = Cluster::of(4);
    for node in 1..=3 {
        cluster.start(node);
    }
    // Somebody else's statement, changed.
    cluster.wait_until_running(1);
    let signed = cluster.sign(1, "propose authorize-model did:example:a --title Honest");
    let forged = command::decode(&signed.replacen("Honest", "Forged", 1)).unwrap();
    let (stop, stopped) = watch::channel(false);
    let (tell, told) = threads::channel();
    let dir = cluster.node(4);
    let liar = thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(lie(&dir, &forged, &tell, stopped));
        runtime.shutdown_background();
    });
    // A lie that comes late meets votes for nothing and is told again.
    let unanswered = |cluster: &Cluster| {
        let logs: String = (1..=3).map(|node| cluster.log(node)).collect();
        LIES.iter().find(|(code, _)| !logs.contains(code)).copied()
    };
    // Each node may have sixteen open proposals.
    for round in 0..45 {
        if unanswered(&cluster).is_none() {
            break;
        }
        let action = format!("propose authorize-model did:example:m{round} --title m{round}");
        cluster.order(round % 3 + 1, &action);
    }
    let told: Vec<Lie> = told.try_iter().collect();
    assert_eq!(
        unanswered(&cluster),
        None,
        "no node said so; told: {told:?}"
    );
    cluster.wait_until_equal(&[1, 2, 3], 1);
    stop.send_replace(true);
    liar.join().unwrap();
    cluster.grant("after", 1, &[1, 2, 3]);
    cluster.wait_until_equal(&[1, 2, 3], 1);
    cluster.stop_all();
    cluster.check(&[1, 2, 3]);
    let ledger = super::harness::ledger_bytes(&cluster.node(1));
    assert!(!String::from_utf8(ledger).unwrap().contains("Forged"));
}

fn now() -> Timestamp {
    let elapsed = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    Timestamp::from_micros(u64::try_from(elapsed.as_micros()).unwrap()).unwrap()
}

/// The bytes of a lie.
fn bytes_of(lie: Lie, replica: &Replica, height: Height, forged: &Command) -> Vec<u8> {
    let (ledger, head) = (replica.state().ledger(), replica.head());
    let unknown = Command::Close(althing::governance::id::ProposalId::from_uuid(
        uuid::Uuid::from_u128(7),
    ));
    let stale = Head {
        seq: head.seq - 1,
        ..head
    };
    let far = now().saturating_add(Seconds::FIVE_MINUTES);
    let (head, time, commands) = match lie {
        Lie::StaleHead => (stale, now(), vec![unknown]),
        Lie::Illegal => (head, now(), vec![unknown]),
        Lie::Forged => (head, now(), vec![forged.clone()]),
        Lie::FarAhead => (head, far, vec![unknown]),
        Lie::Oversized => return vec![b' '; MAX_VALUE_BYTES + 1],
    };
    let value = Value::new(ledger, height, head, time, commands).unwrap();
    value.bytes().to_vec()
}

/// A node that follows the ledger as any other, and lies whenever it is its turn.
async fn lie(
    dir: &std::path::Path,
    forged: &Command,
    tell: &threads::Sender<Lie>,
    mut stopped: watch::Receiver<bool>,
) {
    let config = Config::read(dir).unwrap();
    let mut replica = Replica::open(dir, &config).unwrap();
    let keys = dir.join("keys");
    let key = KeyStore::new(&keys).load("node4", || Ok(None)).unwrap();
    let journal = ConsensusJournal::open(&keys, config.ledger).unwrap();
    let signing = Signing::new(config.ledger, key, journal, Box::new(|_| None));
    let signer = SharedSigner::new(signing);
    std::fs::create_dir_all(dir.join("wal")).unwrap();
    let (mut channels, _engine) = engine::start(Engine {
        node: config.node,
        ledger: config.ledger,
        config: EngineConfig::new(&config).unwrap(),
        transport: secret::existing_or_new(&keys, "transport.key").unwrap(),
        wal: dir.join("wal/consensus.wal"),
        signer: Some(Box::new(signer.clone())),
        wire: Wire::default(),
    })
    .await
    .unwrap();
    let mut lies = LIES.iter().cycle();
    // It is eager, and sees values before it has carried out the ones before them.
    let mut seen: BTreeMap<ValueId, Value> = BTreeMap::new();
    loop {
        let message = tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => return,
            message = channels.consensus.recv() => message.unwrap(),
        };
        let params = || {
            let timeouts = LinearTimeouts::from(config.timeouts);
            HeightParams::new(replica.deciders(), timeouts, None)
        };
        match message {
            AppMsg::ConsensusReady { reply } => {
                let _ = reply.send((replica.next_height(), params()));
            }
            AppMsg::Finalized {
                certificate, reply, ..
            } => {
                let next = Height(certificate.height.0 + 1);
                let _ = reply.send(Next::Start(next, params()));
            }
            AppMsg::GetValue {
                height,
                round,
                reply,
                ..
            } => {
                let (_, lie) = lies.next().unwrap();
                let bytes = bytes_of(*lie, &replica, height, forged);
                let proposal = Proposal {
                    height,
                    round,
                    value: id_of(&bytes),
                    pol_round: Round::Nil,
                    proposer: Address(config.node),
                };
                let Ok(signature) = signer.with(|signing| signing.proposal(&proposal)) else {
                    continue;
                };
                let value = LocallyProposedValue::new(height, round, proposal.value);
                let _ = reply.send(value);
                let part = Part::Value {
                    proposal,
                    signature,
                    bytes: bytes.into(),
                };
                publish(&channels, height, round, part).await;
                let _ = tell.send(*lie);
            }
            AppMsg::ReceivedProposalPart { part, reply, .. } => {
                let value = match part.content {
                    StreamContent::Data(Part::Value {
                        proposal, bytes, ..
                    }) => Value::decode(&bytes).ok().map(|value| (proposal, value)),
                    _ => None,
                };
                let answer = value.map(|(proposal, value)| {
                    let answer = ProposedValue {
                        height: proposal.height,
                        round: proposal.round,
                        valid_round: proposal.pol_round,
                        proposer: proposal.proposer,
                        value: value.id(),
                        validity: Validity::Valid,
                    };
                    seen.insert(value.id(), value);
                    answer
                });
                let _ = reply.send(answer);
            }
            AppMsg::Decided {
                certificate, reply, ..
            } => {
                // Should it miss a value, it lies about an older head.
                if let Some(value) = seen.remove(&certificate.value_id) {
                    replica.keep(value).unwrap();
                    let _ = replica.decide(certificate.into());
                }
                let _ = reply.send(());
            }
            AppMsg::StartedRound { reply_value, .. } => {
                let _ = reply_value.send(Vec::new());
            }
            AppMsg::GetHistoryMinHeight { reply } => {
                let _ = reply.send(Height(1));
            }
            AppMsg::GetDecidedValues { reply, .. } => {
                let _ = reply.send(Vec::new());
            }
            AppMsg::ProcessSyncedValue {
                height,
                round,
                proposer,
                value_bytes,
                reply,
            } => {
                let value = Value::decode(&value_bytes).unwrap();
                let answer = ProposedValue {
                    height,
                    round,
                    valid_round: Round::Nil,
                    proposer,
                    value: value.id(),
                    validity: Validity::Valid,
                };
                seen.insert(value.id(), value);
                let _ = reply.send(SyncedValueOutcome::Verdict(answer));
            }
            AppMsg::ExtendVote { reply, .. } => {
                let _ = reply.send(None);
            }
            AppMsg::VerifyVoteExtensions { reply, .. } => {
                let _ = reply.send(Vec::new());
            }
            AppMsg::RestreamProposal { .. } => {}
        }
    }
}

async fn publish(channels: &Channels<Althing>, height: Height, round: Round, part: Part) {
    let stream = format!("{height} {round}").into_bytes();
    let message = StreamMessage::new(StreamId::new(stream.into()), 0, StreamContent::Data(part));
    let message = NetworkMsg::PublishProposalPart(message);
    channels.network.send(message).await.unwrap();
}
