//! Wire forms and signatures.

use arc_malachitebft_app_channel::app::consensus::{LivenessMsg, MisbehaviorEvidence};
use arc_malachitebft_app_channel::app::streaming::{StreamContent, StreamId, StreamMessage};
use arc_malachitebft_app_channel::app::types::codec::{Codec, HasEncodedLen as _};
use arc_malachitebft_app_channel::app::types::core::{
    ExtendedCommitCertificate, ExtendedCommitSignature, NilOrVal, PolkaCertificate, PolkaSignature,
    Round, RoundCertificate, RoundCertificateType, RoundSignature, SignedMessage, Validity,
    VoteType,
};
use arc_malachitebft_app_channel::app::types::{
    Keypair, PeerId, ProposedValue, SignedConsensusMsg,
};
use arc_malachitebft_sync::{
    RawDecidedValue, Request, Response, Status, ValueRequest, ValueResponse,
};
use bytes::Bytes;
use proptest::prelude::*;

use super::types::Scheme;
use super::*;
use crate::governance::command::Command;
use crate::governance::consensus::ConsensusStep;
use crate::governance::digest::Digest;
use crate::governance::id::{LedgerId, NodeId};
use crate::governance::key::{Algorithm, Signature};
use crate::identity::{ConsensusJournal, ConsensusSlot, SigningKey};
use crate::testing::Assembly;

type Ctx = Althing;

fn address(byte: u8) -> Address {
    Address(NodeId::from_digest(Digest::from_bytes([byte; 32])))
}

fn value(byte: u8) -> ValueId {
    ValueId(Digest::from_bytes([byte; 32]))
}

fn peer() -> PeerId {
    let keypair = Keypair::ed25519_from_bytes([1; 32]).unwrap();
    PeerId::from_bytes(&keypair.public().to_peer_id().to_bytes()).unwrap()
}

fn signature() -> Signature {
    Signature::new(&[7; 3309]).unwrap()
}

fn vote(kind: VoteType, value: NilOrVal<ValueId>) -> Vote {
    Vote {
        height: Height(5),
        round: Round::new(2),
        value,
        kind,
        voter: address(1),
    }
}

fn proposal(pol_round: Round) -> Proposal {
    Proposal {
        height: Height(5),
        round: Round::new(2),
        value: value(3),
        pol_round,
        proposer: address(2),
    }
}

/// Writes, reads, and tries every shorter, longer and slightly other text.
fn round_trip<T>(message: &T) -> Bytes
where
    T: PartialEq + std::fmt::Debug,
    Wire: Codec<T, Error = std::io::Error>,
{
    let wire = Wire::default();
    let bytes = wire.encode(message).unwrap();
    assert_eq!(&wire.decode(bytes.clone()).unwrap(), message);
    let step = (bytes.len() / 200).max(1);
    for length in (0..bytes.len()).step_by(step) {
        assert!(wire.decode(bytes.slice(..length)).is_err(), "{length}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(wire.decode(longer.into()).is_err());
    for place in (0..bytes.len()).step_by(step) {
        let mut other = bytes.to_vec();
        other[place] ^= 0x81;
        // Whatever it is, it is something else, and no panic.
        if let Ok(read) = wire.decode(other.into()) {
            assert_ne!(&read, message, "byte {place}");
        }
    }
    bytes
}

fn polka() -> PolkaCertificate<Ctx> {
    PolkaCertificate {
        height: Height(5),
        round: Round::new(2),
        value_id: value(3),
        polka_signatures: vec![PolkaSignature::new(address(1), signature())],
    }
}

#[test]
fn every_message_has_one_form() {
    for value_id in [NilOrVal::Nil, NilOrVal::Val(value(9))] {
        for kind in [VoteType::Prevote, VoteType::Precommit] {
            let signed = SignedMessage::new(vote(kind, value_id), signature());
            round_trip(&SignedConsensusMsg::<Ctx>::Vote(signed.clone()));
            round_trip(&LivenessMsg::<Ctx>::Vote(signed));
        }
    }
    for pol_round in [Round::Nil, Round::new(0), Round::new(1)] {
        let signed = SignedMessage::new(proposal(pol_round), signature());
        round_trip(&SignedConsensusMsg::<Ctx>::Proposal(signed));
    }
    round_trip(&polka());
    round_trip(&LivenessMsg::<Ctx>::PolkaCertificate(polka()));
    for cert_type in [RoundCertificateType::Skip, RoundCertificateType::Precommit] {
        let certificate = RoundCertificate {
            height: Height(5),
            round: Round::new(2),
            cert_type,
            round_signatures: vec![RoundSignature::new(
                VoteType::Precommit,
                NilOrVal::Val(value(3)),
                address(1),
                signature(),
            )],
        };
        round_trip(&LivenessMsg::<Ctx>::SkipRoundCertificate(certificate));
    }
    let parts = [
        Part::Command("{}".into()),
        Part::Heard(Box::new(message::heard_vote(
            ledger(1),
            &SignedMessage::new(vote(VoteType::Precommit, NilOrVal::Nil), signature()),
        ))),
        Part::Heard(Box::new(message::heard_proposal(
            ledger(1),
            &proposal(Round::new(1)),
            &signature(),
        ))),
        Part::Value {
            proposal: proposal(Round::Nil),
            signature: signature(),
            bytes: b"value".to_vec().into(),
        },
    ];
    for part in parts {
        round_trip(&part);
        let stream = StreamId::new(Bytes::from_static(b"stream"));
        round_trip(&StreamMessage::new(stream, 0, StreamContent::Data(part)));
    }
    round_trip(&ProposedValue::<Ctx> {
        height: Height(5),
        round: Round::new(2),
        valid_round: Round::Nil,
        proposer: address(1),
        value: value(3),
        validity: Validity::Invalid,
    });
}

#[test]
fn what_is_synchronized_has_one_form() {
    round_trip(&Request::<Ctx>::ValueRequest(ValueRequest::new(
        Height(3)..=Height(7),
    )));
    let decided = RawDecidedValue::<Ctx>::new(
        Bytes::from_static(b"value"),
        ExtendedCommitCertificate {
            height: Height(3),
            round: Round::new(0),
            value_id: value(3),
            commit_signatures: vec![ExtendedCommitSignature::new(address(1), signature(), None)],
        },
    );
    let response = Response::ValueResponse(ValueResponse::new(Height(3), vec![decided]));
    let bytes = round_trip(&response);
    assert_eq!(Wire::default().encoded_len(&response).unwrap(), bytes.len());
    round_trip(&Status::<Ctx> {
        peer_id: peer(),
        tip_height: Height(8),
        history_min_height: Height(1),
    });
}

#[test]
fn the_highest_claim_is_remembered() {
    let wire = Wire::default();
    let highest = wire.highest();
    for (tip, expected) in [(3, 3), (9, 9), (4, 9)] {
        let status = Status::<Ctx> {
            peer_id: peer(),
            tip_height: Height(tip),
            history_min_height: Height(1),
        };
        let bytes = wire.encode(&status).unwrap();
        let _: Status<Ctx> = wire.clone().decode(bytes).unwrap();
        assert_eq!(*highest.borrow(), expected);
    }
}

#[test]
fn votes_of_no_round_and_heights_beyond_all_are_refused() {
    let wire = Wire::default();
    let good = vote(VoteType::Prevote, NilOrVal::Nil);
    let bad = [
        Vote {
            round: Round::Nil,
            ..good.clone()
        },
        Vote {
            round: Round::new(u32::MAX),
            ..good.clone()
        },
        Vote {
            height: Height(u64::MAX),
            ..good
        },
    ];
    for vote in bad {
        let message = SignedConsensusMsg::<Ctx>::Vote(SignedMessage::new(vote, signature()));
        let bytes = wire.encode(&message).unwrap();
        assert!(Codec::<SignedConsensusMsg<Ctx>>::decode(&wire, bytes).is_err());
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_codec_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let wire = Wire::default();
        let bytes = Bytes::from(bytes);
        let _ = Codec::<SignedConsensusMsg<Ctx>>::decode(&wire, bytes.clone());
        let _ = Codec::<LivenessMsg<Ctx>>::decode(&wire, bytes.clone());
        let _ = Codec::<StreamMessage<Part>>::decode(&wire, bytes.clone());
        let _ = Codec::<ProposedValue<Ctx>>::decode(&wire, bytes.clone());
        let _ = Codec::<Status<Ctx>>::decode(&wire, bytes.clone());
        let _ = Codec::<Request<Ctx>>::decode(&wire, bytes.clone());
        let _ = Codec::<Response<Ctx>>::decode(&wire, bytes);
    }
}

fn ledger(byte: u8) -> LedgerId {
    LedgerId::from_digest(Digest::from_bytes([byte; 32]))
}

fn key(byte: u8) -> SigningKey {
    SigningKey::from_seed(Algorithm::MlDsa65, &[byte; 32]).unwrap()
}

fn signing(dir: &std::path::Path, of: LedgerId) -> Signing {
    let journal = ConsensusJournal::open(&dir.join("keys"), of).unwrap();
    Signing::new(of, key(1), journal, Box::new(|_| None))
}

#[test]
fn a_vote_is_good_in_its_ledger_and_under_its_key_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut signing = signing(dir.path(), ledger(1));
    let cast = vote(VoteType::Prevote, NilOrVal::Val(value(3)));
    let (cast, signature) = signing.vote(cast).unwrap();
    let (mine, other) = (key(1), key(2));
    let verifying = Verifying(ledger(1));
    assert!(verifying.is_vote_of(&cast, &signature, mine.public_key()));
    assert!(!verifying.is_vote_of(&cast, &signature, other.public_key()));
    assert!(!Verifying(ledger(2)).is_vote_of(&cast, &signature, mine.public_key()));
    // Every part of it is signed.
    let changes: [fn(&mut Vote); 6] = [
        |vote| vote.height = Height(6),
        |vote| vote.round = Round::new(3),
        |vote| vote.value = NilOrVal::Val(value(4)),
        |vote| vote.value = NilOrVal::Nil,
        |vote| vote.kind = VoteType::Precommit,
        |vote| vote.voter = address(2),
    ];
    for change in changes {
        let mut changed = cast.clone();
        change(&mut changed);
        assert!(!verifying.is_vote_of(&changed, &signature, mine.public_key()));
    }
}

#[test]
fn a_proposal_is_good_as_it_was_signed_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut signing = signing(dir.path(), ledger(1));
    let made = proposal(Round::new(1));
    let signature = signing.proposal(&made).unwrap();
    let (verifying, mine) = (Verifying(ledger(1)), key(1));
    assert!(verifying.is_proposal_of(&made, &signature, mine.public_key()));
    let changes: [fn(&mut Proposal); 6] = [
        |it| it.height = Height(6),
        |it| it.round = Round::new(3),
        |it| it.value = value(4),
        |it| it.pol_round = Round::Nil,
        |it| it.pol_round = Round::new(0),
        |it| it.proposer = address(3),
    ];
    for change in changes {
        let mut changed = made.clone();
        change(&mut changed);
        assert!(!verifying.is_proposal_of(&changed, &signature, mine.public_key()));
    }
    assert_eq!(signing.proposed(5, Round::new(2)), Some(value(3)));
    assert_eq!(signing.proposed(5, Round::new(3)), None);
    let other = Proposal {
        value: value(9),
        ..made
    };
    let refused = signing.proposal(&other).unwrap_err();
    assert_eq!(refused.code(), "already-signed");
}

#[test]
fn after_a_restart_the_vote_is_the_one_that_was_cast() {
    let dir = tempfile::tempdir().unwrap();
    let first = vote(VoteType::Precommit, NilOrVal::Val(value(3)));
    let cast = signing(dir.path(), ledger(1)).vote(first).unwrap();
    let mut signing = signing(dir.path(), ledger(1));
    // Having forgotten it, the node would now vote for nothing.
    let again = signing
        .vote(vote(VoteType::Precommit, NilOrVal::Nil))
        .unwrap();
    assert_eq!(again, cast);
    // Of earlier heights it says nothing more.
    let late = Vote {
        height: Height(4),
        ..vote(VoteType::Precommit, NilOrVal::Nil)
    };
    assert_eq!(signing.vote(late).unwrap_err().code(), "already-signed");
}

#[test]
fn who_forgot_a_vote_only_watches() {
    let dir = tempfile::tempdir().unwrap();
    let mut signing = signing(dir.path(), ledger(1));
    assert_eq!(signing.watches_until(Height(1), false), None);
    // (next, has the engine's log, watches until)
    let judge = |signing: &Signing, cases: &[(u64, bool, Option<u64>)]| {
        for (next, has_log, until) in cases {
            let found = signing.watches_until(Height(*next), *has_log);
            assert_eq!(found, *until, "{next} {has_log}");
        }
    };
    signing
        .vote(vote(VoteType::Prevote, NilOrVal::Val(value(3))))
        .unwrap();
    signing
        .vote(vote(VoteType::Precommit, NilOrVal::Nil))
        .unwrap();
    judge(
        &signing,
        &[
            (4, true, Some(5)),
            (5, true, None),
            (5, false, None),
            (6, false, None),
        ],
    );
    let next = Vote {
        round: Round::new(3),
        ..vote(VoteType::Precommit, NilOrVal::Val(value(3)))
    };
    signing.vote(next).unwrap();
    judge(
        &signing,
        &[
            (4, true, Some(6)),
            (5, true, None),
            (5, false, Some(6)),
            (6, false, None),
        ],
    );
}

#[test]
fn one_process_signs_at_a_time_and_a_torn_line_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("keys");
    let slot = |height, round| ConsensusSlot {
        height,
        round,
        step: ConsensusStep::Prevote,
    };
    let mut journal = ConsensusJournal::open(&keys, ledger(1)).unwrap();
    let busy = ConsensusJournal::open(&keys, ledger(1)).unwrap_err();
    assert_eq!(busy.code(), "journal.io");
    assert!(ConsensusJournal::open(&keys, ledger(2)).is_ok());
    let key = key(1);
    for (at, intent) in [(slot(4, 0), "a"), (slot(5, 0), "b"), (slot(5, 1), "c")] {
        journal.sign_once(&key, at, intent, b"message").unwrap();
    }
    drop(journal);
    let path = keys
        .join("journal")
        .join(format!("consensus-{}.jsonl", ledger(1)));
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 5]).unwrap();
    let journal = ConsensusJournal::open(&keys, ledger(1)).unwrap();
    assert_eq!(journal.height(), Some(5));
    assert!(journal.recorded(&slot(4, 0)).is_none());
    assert_eq!(journal.recorded(&slot(5, 0)).unwrap().intent, "b");
    assert!(journal.recorded(&slot(5, 1)).is_none());
    drop(journal);
    std::fs::write(&path, b"{}\n").unwrap();
    let damaged = ConsensusJournal::open(&keys, ledger(1)).unwrap_err();
    assert_eq!(damaged.code(), "journal.malformed");
}

#[test]
fn what_the_engine_reports_is_evidence_that_the_rules_take() {
    let assembly = Assembly::of(&[1, 1, 1, 1]);
    let (ledger, node) = (assembly.state().ledger(), Address(assembly.id(2)));
    let signed = |value| {
        let vote = Vote {
            voter: node,
            ..vote(VoteType::Precommit, value)
        };
        let message = message::of_vote(ledger, &vote);
        let signature = assembly.signer_of(node.0).sign_message(&message);
        SignedMessage::new(vote, signature)
    };
    let proposed = |id, pol_round| {
        let proposal = Proposal {
            proposer: node,
            value: id,
            ..proposal(pol_round)
        };
        let message = message::of_proposal(ledger, &proposal);
        let signature = assembly.signer_of(node.0).sign_message(&message);
        SignedMessage::new(proposal, signature)
    };
    let mut reported = MisbehaviorEvidence::<Ctx> {
        proposals: Default::default(),
        votes: Default::default(),
    };
    let votes = [NilOrVal::Val(value(3)), NilOrVal::Nil].map(signed);
    reported.votes.add(votes[0].clone(), votes[1].clone());
    let (one, other) = (
        proposed(value(3), Round::Nil),
        proposed(value(4), Round::Nil),
    );
    reported.proposals.add(one.clone(), other);
    // Of one value with another earlier round: reported, but no contradiction.
    reported
        .proposals
        .add(one, proposed(value(3), Round::new(1)));
    let found = message::equivocations(ledger, &reported);
    assert_eq!(found.len(), 2);
    for found in found {
        let mut assembly = Assembly::of(&[1, 1, 1, 1]);
        let command = Command::SubmitConsensusEquivocation(Box::new(found));
        assert_eq!(
            assembly.accept(&command)[0].operation(),
            "byzantine_detected"
        );
    }
}

#[test]
fn everybody_proposes_in_turn() {
    use arc_malachitebft_app_channel::app::types::core::{
        SigningScheme as _, Validator as _, ValidatorSet as _,
    };
    let assembly = Assembly::of(&[1, 2, 3, 4]);
    let deciders = ValidatorSet::of(assembly.state());
    assert_eq!((deciders.len(), deciders.total()), (4, 10));
    let turns: std::collections::BTreeSet<Address> = (0..4)
        .map(|round| *deciders.proposer(Height(7), Round::new(round)).address())
        .collect();
    assert_eq!(turns.len(), 4);
    for index in 0..4 {
        let address = Address(assembly.id(index));
        assert_eq!(deciders.weight_of(&address), index as u64 + 1);
        let found = deciders.get_by_address(&address).unwrap();
        assert_eq!(found.voting_power(), index as u64 + 1);
        assert_eq!(deciders.key_of(&address), Some(found.public_key()));
    }
    assert_eq!(deciders.weight_of(&address(9)), 0);
    assert!(deciders.get_by_index(4).is_none());
    assert!(Scheme::decode_signature(&[0; 5000]).is_err());
}
