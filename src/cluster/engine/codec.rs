//! How the engine's messages stand on the wire and in its write-ahead log: borsh, one form for each
//! message, nothing behind it.
//!
//! Everything that comes in is somebody else's. A vote without a round, a height or round that no
//! cluster reaches and a signature that is too long are refused here: the engine computes with them.

use std::io;
use std::ops::RangeInclusive;

use arc_malachitebft_app_channel::app::consensus::LivenessMsg;
use arc_malachitebft_app_channel::app::streaming::{StreamContent, StreamId, StreamMessage};
use arc_malachitebft_app_channel::app::types::codec::{Codec, HasEncodedLen};
use arc_malachitebft_app_channel::app::types::core::{
    ExtendedCommitCertificate, ExtendedCommitSignature, NilOrVal, PolkaCertificate, PolkaSignature,
    Round, RoundCertificate, RoundCertificateType, RoundSignature, SignedMessage, ValidatorProof,
    Validity, VoteType,
};
use arc_malachitebft_app_channel::app::types::{PeerId, ProposedValue, SignedConsensusMsg};
use arc_malachitebft_sync::{
    RawDecidedValue, Request, Response, Status, ValueRequest, ValueResponse,
};
use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;
use tokio::sync::watch;

use super::types::{Address, Althing, Heard, Height, Part, Proposal, ValueId, Vote};
use crate::governance::MAX_INTEGER;
use crate::governance::consensus::{ConsensusPlace, ConsensusStep, SignedChoice};
use crate::governance::digest::Digest;
use crate::governance::id::{LedgerId, NodeId};
use crate::governance::key::Signature;

/// No round of consensus comes near this: each takes seconds.
const MAX_ROUND: u32 = 1 << 30;

/// The codec of everything.
#[derive(Debug, Clone)]
pub struct Wire {
    /// The highest height that any peer claims to have decided.
    highest: watch::Sender<u64>,
}

impl Default for Wire {
    fn default() -> Self {
        Self {
            highest: watch::Sender::new(0),
        }
    }
}

impl Wire {
    /// The highest height that any peer has claimed to have decided. A claim and no more.
    #[must_use]
    pub fn highest(&self) -> watch::Receiver<u64> {
        self.highest.subscribe()
    }
}

/// A message that has a form on the wire.
pub trait Coded: Sized {
    /// The form.
    type Form: BorshSerialize + BorshDeserialize;

    /// Writes it.
    fn form(&self) -> Self::Form;

    /// Reads it; `None` where no honest node says this.
    fn of(form: Self::Form) -> Option<Self>;

    /// Is told of what was read.
    fn read_by(&self, _wire: &Wire) {}
}

fn refused() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "no message of the cluster")
}

impl<T: Coded> Codec<T> for Wire {
    type Error = io::Error;

    fn decode(&self, bytes: Bytes) -> Result<T, io::Error> {
        let message = T::of(borsh::from_slice(&bytes)?).ok_or_else(refused)?;
        message.read_by(self);
        Ok(message)
    }

    fn encode(&self, message: &T) -> Result<Bytes, io::Error> {
        Ok(Bytes::from(borsh::to_vec(&message.form())?))
    }
}

impl HasEncodedLen<Response<Althing>> for Wire {
    fn encoded_len(&self, message: &Response<Althing>) -> Result<usize, io::Error> {
        borsh::object_length(&message.form())
    }
}

type Bytes32 = [u8; 32];

fn height(form: u64) -> Option<Height> {
    (form <= MAX_INTEGER).then_some(Height(form))
}

fn round(form: u32) -> Option<Round> {
    (form <= MAX_ROUND).then_some(Round::Some(form))
}

fn round_or_none(form: Option<u32>) -> Option<Round> {
    form.map_or(Some(Round::Nil), round)
}

/// A round that is one. What has none is not sent.
fn some(round: Round) -> u32 {
    round.as_u32().unwrap_or(u32::MAX)
}

const fn address(form: Bytes32) -> Address {
    Address(NodeId::from_digest(Digest::from_bytes(form)))
}

const fn bytes_of(address: &Address) -> Bytes32 {
    *address.0.digest().as_bytes()
}

const fn value_id(form: Bytes32) -> ValueId {
    ValueId(Digest::from_bytes(form))
}

fn signature(form: &[u8]) -> Option<Signature> {
    Signature::new(form).ok()
}

fn value_form(value: &NilOrVal<ValueId>) -> Option<Bytes32> {
    match value {
        NilOrVal::Nil => None,
        NilOrVal::Val(id) => Some(*id.0.as_bytes()),
    }
}

fn value_of(form: Option<Bytes32>) -> NilOrVal<ValueId> {
    form.map_or(NilOrVal::Nil, |id| NilOrVal::Val(value_id(id)))
}

const fn kind_form(kind: VoteType) -> bool {
    matches!(kind, VoteType::Precommit)
}

const fn kind_of(form: bool) -> VoteType {
    if form {
        VoteType::Precommit
    } else {
        VoteType::Prevote
    }
}

impl Coded for Vote {
    type Form = (bool, u64, u32, Option<Bytes32>, Bytes32);

    fn form(&self) -> Self::Form {
        (
            kind_form(self.kind),
            self.height.0,
            some(self.round),
            value_form(&self.value),
            bytes_of(&self.voter),
        )
    }

    fn of((kind, at, in_round, value, voter): Self::Form) -> Option<Self> {
        Some(Self {
            height: height(at)?,
            round: round(in_round)?,
            value: value_of(value),
            kind: kind_of(kind),
            voter: address(voter),
        })
    }
}

impl Coded for Proposal {
    type Form = (u64, u32, Bytes32, Option<u32>, Bytes32);

    fn form(&self) -> Self::Form {
        (
            self.height.0,
            some(self.round),
            *self.value.0.as_bytes(),
            self.pol_round.as_u32(),
            bytes_of(&self.proposer),
        )
    }

    fn of((at, in_round, value, pol_round, proposer): Self::Form) -> Option<Self> {
        Some(Self {
            height: height(at)?,
            round: round(in_round)?,
            value: value_id(value),
            pol_round: round_or_none(pol_round)?,
            proposer: address(proposer),
        })
    }
}

impl<M: Coded> Coded for SignedMessage<Althing, M> {
    type Form = (M::Form, Vec<u8>);

    fn form(&self) -> Self::Form {
        (self.message.form(), self.signature.as_bytes().to_vec())
    }

    fn of((message, signed): Self::Form) -> Option<Self> {
        Some(Self::new(M::of(message)?, signature(&signed)?))
    }
}

/// One of two.
#[derive(BorshSerialize, BorshDeserialize)]
pub enum Either<A, B> {
    One(A),
    Other(B),
}

type SignedForm<M> = (<M as Coded>::Form, Vec<u8>);

impl Coded for SignedConsensusMsg<Althing> {
    type Form = Either<SignedForm<Vote>, SignedForm<Proposal>>;

    fn form(&self) -> Self::Form {
        match self {
            Self::Vote(vote) => Either::One(vote.form()),
            Self::Proposal(proposal) => Either::Other(proposal.form()),
        }
    }

    fn of(form: Self::Form) -> Option<Self> {
        match form {
            Either::One(vote) => SignedMessage::of(vote).map(Self::Vote),
            Either::Other(proposal) => SignedMessage::of(proposal).map(Self::Proposal),
        }
    }
}

type Signatures = Vec<(Bytes32, Vec<u8>)>;

impl Coded for PolkaCertificate<Althing> {
    type Form = (u64, u32, Bytes32, Signatures);

    fn form(&self) -> Self::Form {
        let signatures = self.polka_signatures.iter();
        (
            self.height.0,
            some(self.round),
            *self.value_id.0.as_bytes(),
            signatures
                .map(|it| (bytes_of(&it.address), it.signature.as_bytes().to_vec()))
                .collect(),
        )
    }

    fn of((at, in_round, value, signatures): Self::Form) -> Option<Self> {
        let signatures = signatures.into_iter().map(|(node, signed)| {
            signature(&signed).map(|signature| PolkaSignature::new(address(node), signature))
        });
        Some(Self {
            height: height(at)?,
            round: round(in_round)?,
            value_id: value_id(value),
            polka_signatures: signatures.collect::<Option<_>>()?,
        })
    }
}

impl Coded for RoundCertificate<Althing> {
    type Form = (
        u64,
        u32,
        bool,
        Vec<(bool, Option<Bytes32>, Bytes32, Vec<u8>)>,
    );

    fn form(&self) -> Self::Form {
        let signatures = self.round_signatures.iter().map(|it| {
            (
                kind_form(it.vote_type),
                value_form(&it.value_id),
                bytes_of(&it.address),
                it.signature.as_bytes().to_vec(),
            )
        });
        (
            self.height.0,
            some(self.round),
            self.cert_type == RoundCertificateType::Precommit,
            signatures.collect(),
        )
    }

    fn of((at, in_round, is_precommit, signatures): Self::Form) -> Option<Self> {
        let signatures = signatures.into_iter().map(|(kind, value, node, signed)| {
            let signature = signature(&signed)?;
            let value = value_of(value);
            Some(RoundSignature::new(
                kind_of(kind),
                value,
                address(node),
                signature,
            ))
        });
        Some(Self {
            height: height(at)?,
            round: round(in_round)?,
            cert_type: if is_precommit {
                RoundCertificateType::Precommit
            } else {
                RoundCertificateType::Skip
            },
            round_signatures: signatures.collect::<Option<_>>()?,
        })
    }
}

/// One of three.
#[derive(BorshSerialize, BorshDeserialize)]
pub enum Liveness {
    Vote(SignedForm<Vote>),
    Polka(<PolkaCertificate<Althing> as Coded>::Form),
    Round(<RoundCertificate<Althing> as Coded>::Form),
}

impl Coded for LivenessMsg<Althing> {
    type Form = Liveness;

    fn form(&self) -> Liveness {
        match self {
            Self::Vote(vote) => Liveness::Vote(vote.form()),
            Self::PolkaCertificate(certificate) => Liveness::Polka(certificate.form()),
            Self::SkipRoundCertificate(certificate) => Liveness::Round(certificate.form()),
        }
    }

    fn of(form: Liveness) -> Option<Self> {
        match form {
            Liveness::Vote(vote) => SignedMessage::of(vote).map(Self::Vote),
            Liveness::Polka(form) => PolkaCertificate::of(form).map(Self::PolkaCertificate),
            Liveness::Round(form) => RoundCertificate::of(form).map(Self::SkipRoundCertificate),
        }
    }
}

/// Ledger, node, height, round and step; value, earlier round and signature.
type HeardForm = (
    (Bytes32, Bytes32, u64, u32, u8),
    (Option<Bytes32>, Option<u32>, Vec<u8>),
);

impl Coded for Heard {
    type Form = HeardForm;

    fn form(&self) -> HeardForm {
        let Self { place, said } = self;
        let step = match place.step {
            ConsensusStep::Propose => 0,
            ConsensusStep::Prevote => 1,
            ConsensusStep::Precommit => 2,
        };
        let ledger = *place.ledger.digest().as_bytes();
        let node = bytes_of(&Address(place.node));
        let value = said.value.map(|value| *value.as_bytes());
        let signature = said.signature.as_bytes().to_vec();
        (
            (ledger, node, place.height, place.round, step),
            (value, said.earlier_round, signature),
        )
    }

    fn of((place, said): HeardForm) -> Option<Self> {
        let (ledger, node, in_height, in_round, step) = place;
        let (value, earlier_round, signed) = said;
        let place = ConsensusPlace {
            height: height(in_height)?.0,
            ledger: LedgerId::from_digest(Digest::from_bytes(ledger)),
            node: address(node).0,
            round: round(in_round)?.as_u32()?,
            step: match step {
                0 => ConsensusStep::Propose,
                1 => ConsensusStep::Prevote,
                2 => ConsensusStep::Precommit,
                _ => return None,
            },
        };
        let said = SignedChoice {
            earlier_round,
            signature: signature(&signed)?,
            value: value.map(Digest::from_bytes),
        };
        Some(Self { place, said })
    }
}

impl Coded for Part {
    type Form = Either<(SignedForm<Proposal>, Vec<u8>), Either<String, HeardForm>>;

    fn form(&self) -> Self::Form {
        match self {
            Self::Heard(heard) => Either::Other(Either::Other(heard.form())),
            Self::Value {
                proposal,
                signature,
                bytes,
            } => {
                let signed = (proposal.form(), signature.as_bytes().to_vec());
                Either::One((signed, bytes.to_vec()))
            }
            Self::Command(line) => Either::Other(Either::One(line.to_string())),
        }
    }

    fn of(form: Self::Form) -> Option<Self> {
        Some(match form {
            Either::One(((proposal, signed), bytes)) => Self::Value {
                proposal: Proposal::of(proposal)?,
                signature: signature(&signed)?,
                bytes: bytes.into(),
            },
            Either::Other(Either::One(line)) => Self::Command(line.into()),
            Either::Other(Either::Other(form)) => Self::Heard(Box::new(Heard::of(form)?)),
        })
    }
}

impl<T: Coded> Coded for StreamMessage<T> {
    type Form = (Vec<u8>, u64, Option<T::Form>);

    fn form(&self) -> Self::Form {
        (
            self.stream_id.to_bytes().to_vec(),
            self.sequence,
            self.content.as_data().map(Coded::form),
        )
    }

    fn of((stream, sequence, content): Self::Form) -> Option<Self> {
        let content = match content {
            None => StreamContent::Fin,
            Some(form) => StreamContent::Data(T::of(form)?),
        };
        Some(Self::new(StreamId::new(stream.into()), sequence, content))
    }
}

/// None is ever made: its frame on the wire is too small for an ML-DSA signature.
impl Coded for ValidatorProof<Althing> {
    type Form = (Vec<u8>, Vec<u8>, Vec<u8>);

    fn form(&self) -> Self::Form {
        (
            self.public_key.clone(),
            self.peer_id.clone(),
            self.signature.as_bytes().to_vec(),
        )
    }

    fn of((key, peer, signed): Self::Form) -> Option<Self> {
        Some(Self::new(key, peer, signature(&signed)?))
    }
}

impl Coded for ProposedValue<Althing> {
    type Form = (u64, Option<u32>, Option<u32>, Bytes32, Bytes32, bool);

    fn form(&self) -> Self::Form {
        (
            self.height.0,
            self.round.as_u32(),
            self.valid_round.as_u32(),
            bytes_of(&self.proposer),
            *self.value.0.as_bytes(),
            self.validity.is_valid(),
        )
    }

    fn of((at, in_round, valid_round, proposer, value, is_valid): Self::Form) -> Option<Self> {
        Some(Self {
            height: height(at)?,
            round: round_or_none(in_round)?,
            valid_round: round_or_none(valid_round)?,
            proposer: address(proposer),
            value: value_id(value),
            validity: Validity::from_bool(is_valid),
        })
    }
}

impl Coded for Status<Althing> {
    type Form = (Vec<u8>, u64, u64);

    fn form(&self) -> Self::Form {
        (
            self.peer_id.to_bytes(),
            self.tip_height.0,
            self.history_min_height.0,
        )
    }

    fn of((peer, tip, min): Self::Form) -> Option<Self> {
        Some(Self {
            peer_id: PeerId::from_bytes(&peer).ok()?,
            tip_height: height(tip)?,
            history_min_height: height(min)?,
        })
    }

    fn read_by(&self, wire: &Wire) {
        let tip = self.tip_height.0;
        wire.highest.send_if_modified(|highest| {
            let is_higher = tip > *highest;
            *highest = tip.max(*highest);
            is_higher
        });
    }
}

impl Coded for Request<Althing> {
    type Form = (u64, u64);

    fn form(&self) -> Self::Form {
        let Self::ValueRequest(request) = self;
        (request.range.start().0, request.range.end().0)
    }

    fn of((start, end): Self::Form) -> Option<Self> {
        let range = RangeInclusive::new(height(start)?, height(end)?);
        Some(Self::ValueRequest(ValueRequest::new(range)))
    }
}

type Decided = (Vec<u8>, u64, u32, Bytes32, Signatures);

fn decided_form(value: &RawDecidedValue<Althing>) -> Decided {
    let certificate = &value.certificate;
    let signatures = certificate.commit_signatures.iter();
    (
        value.value_bytes.to_vec(),
        certificate.height.0,
        some(certificate.round),
        *certificate.value_id.0.as_bytes(),
        signatures
            .map(|it| (bytes_of(&it.address), it.signature.as_bytes().to_vec()))
            .collect(),
    )
}

fn decided((bytes, at, in_round, value, signatures): Decided) -> Option<RawDecidedValue<Althing>> {
    let signatures = signatures.into_iter().map(|(node, signed)| {
        let signature = signature(&signed)?;
        Some(ExtendedCommitSignature::new(address(node), signature, None))
    });
    Some(RawDecidedValue::new(
        bytes.into(),
        ExtendedCommitCertificate {
            height: height(at)?,
            round: round(in_round)?,
            value_id: value_id(value),
            commit_signatures: signatures.collect::<Option<_>>()?,
        },
    ))
}

impl Coded for Response<Althing> {
    type Form = (u64, Vec<Decided>);

    fn form(&self) -> Self::Form {
        let Self::ValueResponse(response) = self;
        (
            response.start_height.0,
            response.values.iter().map(decided_form).collect(),
        )
    }

    fn of((start, values): Self::Form) -> Option<Self> {
        let values = values.into_iter().map(decided);
        Some(Self::ValueResponse(ValueResponse::new(
            height(start)?,
            values.collect::<Option<_>>()?,
        )))
    }
}
